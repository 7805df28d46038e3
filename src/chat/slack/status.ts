import { MumuError } from '#contracts/errors';
import type { Delivery } from '#src/chat/delivery/types';
import { type Address, addressOf } from '#src/chat/slack/address';
import type { SlackMessageBody } from '#src/chat/slack/blocks';
import { isDirect } from '#src/chat/slack/identity';
import type { Notes, Place } from '#src/chat/slack/notes';
import { mayPass, refusalCode, type SlackClient } from '#src/chat/slack/web';
import type { Logger } from '#src/log';

/** Kind of the data that marks each status message with its request. */
export const METADATA = 'mumu_request';
/** The channel cannot be written to, but the person may be reached directly. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  'not_in_channel',
  'channel_not_found',
  'is_archived',
  'is_inactive',
  'restricted_action',
  'restricted_action_read_only_channel',
  'restricted_action_thread_only_channel',
  'restricted_action_non_threadable_channel',
  'restricted_action_thread_locked',
  'thread_not_found',
  'user_is_restricted',
]);
/** The message cannot be edited any more. */
const GONE: ReadonlySet<string> = new Set([
  'message_not_found',
  'cant_update_message',
  'edit_window_closed',
  'is_inactive',
  'channel_not_found',
  'not_in_channel',
]);
/** Pages of a channel's history looked through for a message that may have been posted. */
const PAGES = 5;

/** The one status message of each request: posted once, edited from then on. */
export class StatusMessages {
  constructor(
    private readonly client: SlackClient,
    private readonly notes: Notes,
    private readonly log: Logger,
  ) {}

  /**
   * Shows a message where the request's status is, or posts it as such.
   * @param render makes the message; `moved` is set where the answer comes directly instead of in the channel.
   * @param away Redis does not answer: what is not in memory is looked for in Slack itself.
   * @throws MumuError not_allowed if Slack lets us write neither there nor to the person, or refuses the message.
   */
  async put(delivery: Delivery, render: (moved: boolean) => SlackMessageBody, away = false): Promise<Place> {
    const place = away ? this.notes.recall(delivery.id) : await this.notes.place(delivery.id);
    if (place === undefined) return this.post(delivery, render, away);
    const { channel, ts } = place;
    try {
      const moved = isMoved(addressOf(delivery), place);
      await this.client.chat.update({ channel, ts, ...render(moved), link_names: false, parse: 'none' });
      return place;
    } catch (error) {
      if (!GONE.has(refusalCode(error) ?? '')) throw final(error);
      await this.notes.lost(delivery.id);
      return this.post(delivery, render, away);
    }
  }

  private async post(
    delivery: Delivery,
    render: (moved: boolean) => SlackMessageBody,
    away: boolean,
  ): Promise<Place> {
    const isFirst = away ? false : await this.notes.begin(delivery.id);
    const address = addressOf(delivery);
    if (!isFirst) {
      // Some process was about to post it and may have died right after.
      const found = await this.search(delivery, address);
      if (found !== undefined) {
        await this.keep(delivery, found, away);
        return this.put(delivery, render, away);
      }
    }
    try {
      if (address.channel !== undefined) {
        const here = { ...address, channel: address.channel };
        return await this.postAt(delivery, here, render(false), away);
      }
    } catch (error) {
      const code = refusalCode(error) ?? '';
      if (!ELSEWHERE.has(code)) throw final(error);
      this.log.info({ id: delivery.id, code }, 'answered directly: the channel takes no message of the bot');
    }
    try {
      const direct = { user: address.user, channel: await this.directChannel(address.user) };
      return await this.postAt(delivery, direct, render(address.channel !== undefined), away);
    } catch (error) {
      throw final(error);
    }
  }

  private async postAt(
    delivery: Delivery,
    address: Address & { channel: string },
    message: SlackMessageBody,
    away: boolean,
  ): Promise<Place> {
    const { channel, thread } = address;
    const { ts } = await this.client.chat.postMessage({
      channel,
      ...(thread === undefined ? {} : { thread_ts: thread }),
      ...message,
      metadata: { event_type: METADATA, event_payload: { id: delivery.id } },
      link_names: false,
      parse: 'none',
      unfurl_links: false,
      unfurl_media: false,
    });
    if (ts === undefined) throw new MumuError('internal', 'Slack named no message.');
    const place = { channel, ts, ...(thread === undefined ? {} : { thread }) };
    await this.keep(delivery, place, away);
    return place;
  }

  /** Notes where the message is, and that whoever answers in its thread goes on with this conversation. */
  private async keep(delivery: Delivery, place: Place, away: boolean): Promise<void> {
    const { id, conversation } = delivery;
    const linked = this.notes
      .link(place.channel, place.thread ?? place.ts, conversation)
      .catch((error: Error) => this.log.warn({ id, error: error.message }, 'thread not noted'));
    if (away) {
      this.notes.placedUnsaved(id, place);
    } else {
      await this.notes.placed(id, place);
      await linked;
    }
  }

  /** Looks for the status message of a request, by the mark it carries, where it would have been posted. */
  private async search(delivery: Delivery, address: Address): Promise<Place | undefined> {
    const direct = async () => ({ channel: await this.directChannel(address.user), thread: undefined });
    const places =
      address.channel === undefined
        ? [await direct()]
        : isDirect(address.channel)
          ? [{ channel: address.channel, thread: address.thread }]
          : [{ channel: address.channel, thread: address.thread }, await direct()];
    for (const { channel, thread } of places) {
      const ts = await this.searchAt(delivery, channel, thread);
      if (ts !== undefined) return { channel, ts, ...(thread === undefined ? {} : { thread }) };
    }
    return undefined;
  }

  private async searchAt(
    delivery: Delivery,
    channel: string,
    thread: string | undefined,
  ): Promise<string | undefined> {
    // Clocks differ: a minute more is looked through.
    const oldest = String(Math.floor(delivery.receivedAt / 1000) - 60);
    let cursor: string | undefined;
    for (let page = 0; page < PAGES; page += 1) {
      const asked = {
        channel,
        oldest,
        limit: 200,
        include_all_metadata: true,
        ...(cursor === undefined ? {} : { cursor }),
      };
      try {
        const { messages = [], response_metadata: next } =
          thread === undefined
            ? await this.client.conversations.history(asked)
            : await this.client.conversations.replies({ ...asked, ts: thread });
        const found = messages.find(
          ({ metadata }) =>
            metadata?.event_type === METADATA &&
            (metadata.event_payload as { id?: unknown } | undefined)?.id === delivery.id,
        );
        if (found?.ts !== undefined) return found.ts;
        cursor = next?.next_cursor === '' ? undefined : next?.next_cursor;
        if (cursor === undefined) return undefined;
      } catch (error) {
        // A channel that cannot be read holds no message of ours.
        if (mayPass(error)) throw error;
        return undefined;
      }
    }
    return undefined;
  }

  private async directChannel(user: string): Promise<string> {
    const { channel } = await this.client.conversations.open({ users: user });
    if (channel?.id === undefined) throw new MumuError('internal', 'Slack opened no direct message.');
    return channel.id;
  }
}

/** Whether the answer stands elsewhere than where it was asked. */
function isMoved(address: Address, place: Place): boolean {
  return address.channel !== undefined && address.channel !== place.channel;
}

/** What Slack refuses for good need not be tried again. */
function final(error: unknown): unknown {
  if (error instanceof MumuError || mayPass(error)) return error;
  return new MumuError(
    'not_allowed',
    `Slack takes the bot’s message neither there nor directly (${refusalCode(error)}).`,
    { cause: error },
  );
}
