import { Readable } from 'node:stream';
import { MumuError, toMumuError } from '#contracts/errors';
import type { ResultFile } from '#contracts/result';
import type { FileLinks } from '#src/app/services';
import { FILE_TRIES } from '#src/chat/delivery/patience';
import type { Delivery, FinalView, Messenger, RemoteFile, StatusView } from '#src/chat/delivery/types';
import { openRemote } from '#src/chat/download';
import { addressOf } from '#src/chat/slack/address';
import { isTooLong, type SharedFile, statusMessage, wholeText } from '#src/chat/slack/blocks';
import type { Place } from '#src/chat/slack/notes';
import type { People } from '#src/chat/slack/people';
import type { StatusMessages } from '#src/chat/slack/status';
import type { Upload, Uploads } from '#src/chat/slack/uploads';
import { mayPass, refusalCode, type SlackClient, type SlackConfig } from '#src/chat/slack/web';
import type { Logger } from '#src/log';
import type { Settings } from '#src/settings/settings';
import type { Storage } from '#src/storage/storage';

/** Slack asks that a message be edited no more often than this, milliseconds. */
const EDITS = 3000;
/** File ids stay valid; what was asked a day ago is not worth an answer any more. */
const SECRETS = 24 * 3600_000;

export interface MessengerOptions {
  config: SlackConfig;
  client: SlackClient;
  status: StatusMessages;
  uploads: Uploads;
  people: People;
  storage: Storage;
  links: FileLinks;
  /** What people set for themselves: their language. */
  settings: Pick<Settings, 'get'>;
  /** Largest file taken in, bytes. */
  maxFileBytes: number;
  log: Logger;
}

type Note = (posted: Record<string, unknown>) => Promise<void>;

/** How Slack shows things and hands out files. */
export class SlackMessenger implements Messenger {
  readonly platform = 'slack';
  readonly interval = EDITS;
  readonly secretsMilliseconds = SECRETS;

  constructor(private readonly options: MessengerOptions) {}

  async show(delivery: Delivery, view: StatusView): Promise<void> {
    await this.put(delivery, view);
  }

  async finish(
    delivery: Delivery,
    view: FinalView,
    _secrets: unknown,
    note: Note,
    attempt = 0,
  ): Promise<void> {
    if (view.state !== 'done') {
      await this.put(delivery, view);
      return;
    }
    const uploads = this.uploadsOf(view, attempt < FILE_TRIES);
    const files: SharedFile[] = [];
    if (uploads.length > 0) {
      // Files stand beside the status message, so it has to be there first.
      const place = await this.put(delivery, { state: 'active', stage: 'finish', notes: [] });
      for (const upload of uploads) files.push(await this.share(upload, delivery, place, note));
    }
    await this.put(delivery, view, files);
  }

  async openFile(file: RemoteFile, _delivery: Delivery, signal: AbortSignal): Promise<Readable> {
    const { client, config, maxFileBytes } = this.options;
    const info = await client.files
      .info({ file: file.reference })
      .then(({ file: found }) => found)
      .catch((cause: unknown) => {
        if (mayPass(cause)) {
          throw new MumuError('unavailable', 'Slack does not hand the file out at the moment: try again.', {
            cause,
          });
        }
        throw new MumuError(
          'not_found',
          `${file.name} cannot be fetched from Slack (${refusalCode(cause)}): upload it where the bot is, or invite it to where the file lies.`,
          { cause },
        );
      });
    signal.throwIfAborted();
    const address = info?.url_private_download ?? info?.url_private;
    if (info?.is_external === true || address === undefined) {
      throw new MumuError(
        'unsupported_media',
        `${file.name} does not lie in Slack itself: upload the file instead of a link to it.`,
      );
    }
    return openRemote(address, {
      hosts: ['files.slack.com'],
      maxBytes: maxFileBytes,
      headers: { authorization: `Bearer ${config.botToken}` },
      ...(config.api === undefined ? {} : { standIn: new URL(config.api).origin }),
      signal,
    });
  }

  private async put(delivery: Delivery, view: StatusView, files?: readonly SharedFile[]): Promise<Place> {
    const away = view.state === 'moment';
    const { user: owner } = addressOf(delivery);
    const around = { id: delivery.id, owner, locale: await this.locale(delivery, owner, away) };
    return this.options.status.put(
      delivery,
      (moved) => statusMessage(view, { ...around, notice: moved ? MOVED : undefined }, files),
      away,
    );
  }

  /** The language someone set, else the one they use Slack in. @param away Redis need not be asked */
  private async locale(delivery: Delivery, user: string, away: boolean): Promise<string | undefined> {
    const { settings, people } = this.options;
    const set = away ? undefined : await settings.get(delivery.user).catch(() => undefined);
    return set?.language ?? delivery.locale ?? (await people.language(user));
  }

  /**
   * What of a result goes up: its files, and its text where that is too long for a message.
   * @param isPatient a file that the store does not hand out now may be tried again
   */
  private uploadsOf(
    { result }: Extract<FinalView, { state: 'done' }>,
    isPatient: boolean,
  ): Array<Upload & { stored?: ResultFile }> {
    const files = result.files.map((file) => ({
      key: file.key,
      name: file.name,
      bytes: file.bytes,
      stored: file,
      open: () => this.read(result.id, file.key, isPatient),
    }));
    const text = wholeText(result);
    if (!isTooLong(text)) return files;
    const bytes = Buffer.from(text);
    const open = async () => Readable.from([bytes]);
    return [...files, { key: 'text', name: `${result.id}.txt`, bytes: bytes.length, open }];
  }

  /** Opens a file of a result. @throws MumuError not_found also where the patience with a store is at its end */
  private async read(id: string, key: string, isPatient: boolean): Promise<Readable> {
    const { storage, log } = this.options;
    try {
      return await storage.read(key);
    } catch (error) {
      const { code } = toMumuError(error);
      // A store that is away comes back, and tries may have been about something else (Slack itself being away).
      if (isPatient || code === 'not_found' || code === 'unavailable') throw error;
      log.error({ id, code }, 'an answer goes out without one of its files');
      throw new MumuError('not_found', 'it cannot be handed out at the moment', { cause: error });
    }
  }

  /** Where Slack does not take a file, or we cannot read it, a link to it, if there is a public address. */
  private async share(
    upload: Upload & { stored?: ResultFile },
    delivery: Delivery,
    place: Place,
    note: Note,
  ): Promise<SharedFile> {
    const shared = await this.options.uploads.share(upload, delivery, place, note);
    if (shared.problem === undefined || upload.stored === undefined) return shared;
    const address = this.options.links.link(upload.stored);
    return address === undefined ? shared : { name: shared.name, address };
  }
}

/** Said where the bot is no member of the channel it was asked in. */
const MOVED =
  'The bot may not write in the channel you asked in, so the answer comes here. /invite it there first.';
