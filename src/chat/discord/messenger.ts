import type { Readable } from 'node:stream';
import type { REST } from 'discord.js';
import type { Redis } from 'ioredis';
import { MumuError } from '#contracts/errors';
import type { UserSettings } from '#contracts/settings';
import type { Services } from '#src/app/services';
import type {
  Delivery,
  FinalView,
  Messenger,
  RemoteFile,
  Secrets,
  StatusView,
} from '#src/chat/delivery/types';
import { type Address, addressOf } from '#src/chat/discord/address';
import { errorCode } from '#src/chat/discord/callbacks';
import { LIMITS, TOKEN_MILLISECONDS } from '#src/chat/discord/limits';
import {
  type Content,
  isMessageGone,
  isRefusedForGood,
  isShutOut,
  isTokenGone,
  isTooLarge,
  Posts,
  type Sent,
} from '#src/chat/discord/posts';
import { body, type Shown, statusBody } from '#src/chat/discord/render';
import { ResultContents } from '#src/chat/discord/result-contents';
import { type Posted, StatusNotes } from '#src/chat/discord/status-notes';
import { discordWords } from '#src/chat/discord/words';
import { openRemote } from '#src/chat/download';

type Note = (posted: Record<string, unknown>) => Promise<void>;

/** Where people's files lie. */
const FILE_HOSTS = ['cdn.discordapp.com', 'media.discordapp.net'];
/** Discord lets one message be edited five times in five seconds; others edit in the same channel. Milliseconds. */
const INTERVAL = 1500;
/** A message that is posted twice within this time comes once: Discord knows its nonce "for a few minutes". */
const NONCE_MILLISECONDS = 60_000;

/** Shows requests on Discord: one status message each, from its place in the queue to its result. */
export class DiscordMessenger implements Messenger {
  readonly platform = 'discord';
  readonly interval = INTERVAL;
  readonly secretsMilliseconds = TOKEN_MILLISECONDS;
  private readonly posts: Posts;
  private readonly notes: StatusNotes;
  private readonly results: ResultContents;
  /** Whose status can be shown nowhere, or was deleted: each further refusal counts towards a ban of Discord's. */
  private readonly unshown = new WeakSet<Delivery>();

  constructor(
    rest: REST,
    store: Redis,
    private readonly services: Services,
  ) {
    this.posts = new Posts(rest);
    this.notes = new StatusNotes(store, services.redis.prefix);
    this.results = new ResultContents(rest, services);
  }

  async show(delivery: Delivery, view: StatusView, secrets: Secrets | undefined): Promise<void> {
    if (view.state === 'done' || this.unshown.has(delivery)) return;
    try {
      await this.showStatus(delivery, view, secrets);
    } catch (error) {
      if (isShutOut(error) || isMessageGone(error)) this.unshown.add(delivery);
      throw error;
    }
  }

  async finish(
    delivery: Delivery,
    view: FinalView,
    secrets: Secrets | undefined,
    note: Note,
    attempt = 0,
  ): Promise<void> {
    try {
      await this.showEnd(delivery, view, secrets, note, attempt);
    } catch (error) {
      throw lasting(error);
    }
  }

  async openFile(file: RemoteFile, _delivery: Delivery, signal: AbortSignal): Promise<Readable> {
    const { config } = this.services;
    return await openRemote(file.reference, {
      hosts: FILE_HOSTS,
      maxBytes: config.limits.uploadBytes,
      standIn: config.discord?.api,
      signal,
    });
  }

  private async showStatus(
    delivery: Delivery,
    view: Exclude<StatusView, { state: 'done' }>,
    secrets: Secrets | undefined,
  ): Promise<void> {
    const settings = await this.settingsOf(delivery);
    const content = { body: statusBody(view, shownOf(delivery, settings)) };
    const token = liveToken(delivery, secrets);
    const address = addressOf(delivery);
    if (address.type === 'interaction' && token !== undefined) {
      await this.notes.set(delivery.id, await this.posts.editResponse(address, token, content));
      return;
    }
    const isAway = view.state === 'moment';
    const at = await this.notes.get(delivery.id).catch((error: unknown) => {
      if (isAway) return undefined;
      throw error;
    });
    if (at !== undefined) {
      await this.posts.edit(at, content);
      return;
    }
    // An earlier process may have posted one, which only Redis knows.
    const mayStand = isAway && Date.now() - delivery.receivedAt > NONCE_MILLISECONDS;
    if (address.type === 'message' && !mayStand) await this.answer(delivery, address, content);
  }

  private async showEnd(
    delivery: Delivery,
    view: FinalView,
    secrets: Secrets | undefined,
    note: Note,
    attempt: number,
  ): Promise<void> {
    const settings = await this.settingsOf(delivery);
    const shown = shownOf(delivery, settings);
    const token = liveToken(delivery, secrets);
    if (view.state !== 'done') {
      await this.place(delivery, { body: statusBody(view, shown), uploads: [] }, token, shown, note);
      return;
    }
    const { fileBytes, voice = settings.voice ?? false } = addressOf(delivery);
    // What Discord finds too large in spite of what it said is tried at its general limit, then as links.
    const sizes = [...new Set([fileBytes, Math.min(fileBytes, LIMITS.fileBytes), 0])];
    for (const size of sizes) {
      const content = await this.results.make(delivery, view, { size, voice, token, shown, note, attempt });
      try {
        await this.place(delivery, content, token, shown, note);
        return;
      } catch (error) {
        if (!isTooLarge(error) || size === 0) throw error;
      }
    }
  }

  /** Brings the last word to where the request's message is; however often it is called, there is one. */
  private async place(
    delivery: Delivery,
    content: Content,
    token: string | undefined,
    shown: Shown,
    note: Note,
  ): Promise<void> {
    const address = addressOf(delivery);
    const last = postedBefore(delivery);
    if (last !== undefined) {
      await this.posts.edit(last, content);
      return;
    }
    if (address.type === 'message') {
      const at = await this.notes.get(delivery.id);
      if (at === undefined) await this.answer(delivery, address, content);
      else await this.posts.edit(at, content);
      return;
    }
    if (token !== undefined) {
      try {
        await this.posts.editResponse(address, token, content);
        return;
      } catch (error) {
        if (!isTokenGone(error)) throw error;
      }
    }
    await this.late(delivery, address, content, shown, note);
  }

  private async answer(
    delivery: Delivery,
    address: Extract<Address, { type: 'message' }>,
    content: Content,
  ): Promise<void> {
    const sent = await this.posts.post(address.channel, delivery.id, content, address.message);
    await this.notes.set(delivery.id, sent.at);
    await this.renew(sent, content);
  }

  /** What an earlier try has posted is made to say what this one has to say. */
  private async renew({ at, isOlder }: Sent, content: Content): Promise<void> {
    if (isOlder) await this.posts.edit(at, content);
  }

  /** The interaction's token has run out: the result comes as a message of the bot's own. */
  private async late(
    delivery: Delivery,
    address: Address,
    content: Content,
    shown: Shown,
    note: Note,
  ): Promise<void> {
    const old = await this.notes.get(delivery.id);
    const sent = await this.postLate(delivery, address, content, old);
    await note({ late: sent.at });
    await this.renew(sent, content);
    if (old === undefined) return;
    const below = { body: body(discordWords(shown.locale).below), uploads: [] };
    // Where the bot is no member the old message stays as it is.
    await this.posts.edit(old, below).catch((error: Error) => {
      this.services.log.debug({ id: delivery.id, error: error.message }, 'old status message stays');
    });
  }

  private async postLate(
    delivery: Delivery,
    address: Address,
    content: Content,
    old: Posted | undefined,
  ): Promise<Sent> {
    try {
      return await this.posts.post(address.channel, delivery.id, content, old?.message);
    } catch (error) {
      if (!isShutOut(error)) throw error;
    }
    // Only the person brought the bot along: they are written to directly.
    const direct = await this.posts.directChannel(address.person);
    return await this.posts.post(direct, delivery.id, content);
  }

  /** What the person has set; where Redis is away, nothing. */
  private async settingsOf(delivery: Delivery): Promise<UserSettings> {
    return await this.services.settings.get(delivery.user).catch((): UserSettings => ({}));
  }
}

function shownOf(delivery: Delivery, settings: UserSettings): Shown {
  const locale = settings.language ?? delivery.locale;
  return { id: delivery.id, owner: addressOf(delivery).person, locale };
}

/** The interaction's token while Discord honours it. */
function liveToken(delivery: Delivery, secrets: Secrets | undefined): string | undefined {
  return Date.now() - delivery.receivedAt < TOKEN_MILLISECONDS ? secrets?.token : undefined;
}

/** The message that took the place of the status message. */
function postedBefore(delivery: Delivery): Posted | undefined {
  const { late } = delivery.posted;
  const { channel, message } = (late ?? {}) as Partial<Posted>;
  return channel === undefined || message === undefined ? undefined : { channel, message };
}

/** What will never work is told apart from what may pass: Discord's own trouble, the network, our own disk. */
function lasting(error: unknown): unknown {
  if (isMessageGone(error)) {
    return new MumuError('not_found', 'The message of the answer was deleted.', { cause: error });
  }
  if (isShutOut(error)) {
    return new MumuError('not_allowed', 'The bot may not write where it was asked.', { cause: error });
  }
  if (isRefusedForGood(error)) {
    return new MumuError('cannot_do', `Discord refuses the answer (code ${errorCode(error)}).`, {
      cause: error,
    });
  }
  return error;
}
