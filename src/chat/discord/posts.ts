import {
  DiscordAPIError,
  HTTPError,
  type RawFile,
  type REST,
  RESTJSONErrorCodes,
  type RESTPatchAPIChannelMessageResult,
  type RESTPostAPIChannelMessageResult,
  type RESTPostAPICurrentUserCreateDMChannelResult,
  Routes,
} from 'discord.js';
import type { Address } from '#src/chat/discord/address';
import { errorCode } from '#src/chat/discord/callbacks';
import { attachmentsOf, type Upload } from '#src/chat/discord/files';
import type { Body } from '#src/chat/discord/render';
import type { Posted } from '#src/chat/discord/status-notes';

/** A body with its files; without a list of files an edited message keeps those it has. */
export interface Content {
  body: Body;
  uploads?: readonly Upload[];
}

/** A message that was sent, or one that an earlier try had sent. */
export interface Sent {
  at: Posted;
  /** Whether it says something else than what was sent now. */
  isOlder: boolean;
}

/** The calls that show messages: one for each way Discord has. */
export class Posts {
  constructor(private readonly rest: REST) {}

  /** The response to an interaction, as long as its token lives. */
  async editResponse(address: Address, token: string, content: Content): Promise<Posted> {
    const route = Routes.webhookMessage(address.application, token, '@original');
    const message = await this.rest.patch(route, { ...payload(content), auth: false });
    return posted(message);
  }

  async edit(at: Posted, content: Content): Promise<void> {
    await this.rest.patch(Routes.channelMessage(at.channel, at.message), payload(content));
  }

  /**
   * A new message.
   * @param nonce a second try within minutes gets the first one's message back, as that one made it. At most 25
   *   characters.
   * @param answers message it is shown as an answer to, if that still stands.
   */
  async post(channel: string, nonce: string, content: Content, answers?: string): Promise<Sent> {
    const { body, files } = payload(content);
    const reference =
      answers === undefined ? {} : { message_reference: { message_id: answers, fail_if_not_exists: false } };
    const message = await this.rest.post(Routes.channelMessages(channel), {
      body: { ...body, ...reference, nonce, enforce_nonce: true },
      ...(files === undefined ? {} : { files }),
    });
    return { at: posted(message), isOlder: !isSaidBy(message, content) };
  }

  /** The channel of direct messages with somebody. */
  async directChannel(person: string): Promise<string> {
    const channel = await this.rest.post(Routes.userChannels(), { body: { recipient_id: person } });
    return (channel as RESTPostAPICurrentUserCreateDMChannelResult).id;
  }
}

function payload({ body, uploads }: Content): { body: object; files?: RawFile[] } {
  if (uploads === undefined) return { body };
  return {
    body: { ...body, attachments: attachmentsOf(uploads) },
    ...(uploads.length === 0 ? {} : { files: uploads.map(({ file }) => file) }),
  };
}

function posted(message: unknown): Posted {
  const { id, channel_id: channel } = message as RESTPatchAPIChannelMessageResult;
  return { channel, message: id };
}

/** Whether a message is what was sent. Where Discord has changed something in it, it is not, which costs an edit. */
function isSaidBy(message: unknown, { body, uploads = [] }: Content): boolean {
  const { content, attachments } = message as RESTPostAPIChannelMessageResult;
  return content.trim() === body.content.trim() && attachments.length === uploads.length;
}

/** Whether an interaction's token is no longer honoured. */
export function isTokenGone(error: unknown): boolean {
  const code = errorCode(error);
  return code === RESTJSONErrorCodes.UnknownWebhook || code === RESTJSONErrorCodes.InvalidWebhookToken;
}

/** Whether the bot may not write there, or there is no such place. */
export function isShutOut(error: unknown): boolean {
  const code = errorCode(error);
  return (
    code === RESTJSONErrorCodes.UnknownChannel ||
    code === RESTJSONErrorCodes.MissingAccess ||
    code === RESTJSONErrorCodes.MissingPermissions ||
    code === RESTJSONErrorCodes.CannotSendMessagesToThisUser ||
    code === RESTJSONErrorCodes.CannotSendMessagesToThisUserDueToHavingNoMutualGuilds
  );
}

export function isTooLarge(error: unknown): boolean {
  return (
    errorCode(error) === RESTJSONErrorCodes.RequestEntityTooLarge ||
    ((error instanceof HTTPError || error instanceof DiscordAPIError) && error.status === 413)
  );
}

export function isMessageGone(error: unknown): boolean {
  return errorCode(error) === RESTJSONErrorCodes.UnknownMessage;
}

/** Refusals that pass by themselves in spite of their status. */
const PASSING: ReadonlySet<number> = new Set([
  RESTJSONErrorCodes.MaximumNumberOfEditsToMessagesOlderThanOneHourReached,
  RESTJSONErrorCodes.SendMessagesHasBeenTemporarilyDisabled,
  RESTJSONErrorCodes.FeatureTemporarilyDisabledServerSide,
  RESTJSONErrorCodes.APIResourceOverloaded,
]);

/** Whether Discord itself (whatever stands in front of it knows no codes) would refuse the same at any other time. */
export function isRefusedForGood(error: unknown): boolean {
  const code = errorCode(error);
  if (!(error instanceof DiscordAPIError) || code === undefined || PASSING.has(code)) return false;
  return error.status >= 400 && error.status < 500 && ![401, 408, 429].includes(error.status);
}
