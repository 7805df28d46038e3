import type { APIAttachment, APIMessage } from 'discord.js';
import type { CommandSpec } from '#commands/spec';
import type { Intent, Receipt, RemoteFile, Secrets } from '#src/chat/delivery/types';
import type { Address } from '#src/chat/discord/address';
import { WAVEFORM_NAME } from '#src/chat/discord/files';
import { LIMITS } from '#src/chat/discord/limits';
import { botIsMember, type Place, type UserInteraction } from '#src/chat/discord/people';

/** Something to hand to the courier. */
export interface Handover {
  receipt: Receipt;
  secrets: Secrets;
}

/** @param given what the interaction asks for, and the files it is about. */
export function fromInteraction(
  interaction: UserInteraction,
  place: Place,
  given: { intent: Intent; files?: RemoteFile[]; voice?: boolean | undefined },
): Handover {
  const address: Address = {
    type: 'interaction',
    application: interaction.application_id,
    channel: place.channel,
    person: place.person,
    fileBytes: interaction.attachment_size_limit || LIMITS.fileBytes,
    member: botIsMember(interaction),
    ...(given.voice === undefined ? {} : { voice: given.voice }),
  };
  return {
    receipt: receipt(interaction.id, place, given.intent, address),
    secrets: { files: given.files ?? [], token: interaction.token },
  };
}

export function fromMessage(
  id: string,
  application: string,
  place: Place,
  given: { line: string; files: RemoteFile[] },
): Handover {
  const address: Address = {
    type: 'message',
    application,
    channel: place.channel,
    person: place.person,
    fileBytes: LIMITS.fileBytes,
    message: id,
  };
  return {
    receipt: receipt(id, place, { type: 'line', text: given.line }, address),
    secrets: { files: given.files },
  };
}

function receipt(id: string, place: Place, intent: Intent, address: Address): Receipt {
  const { user, server, channel, roles } = place.who;
  return {
    // Snowflakes are unique over all of Discord, and told apart from other platforms' ids by the letter.
    id: `d${id}`,
    platform: 'discord',
    user,
    ...(server === undefined ? {} : { server }),
    ...(channel === undefined ? {} : { channel }),
    roles,
    conversation: place.conversation,
    ...(place.locale === undefined ? {} : { locale: place.locale }),
    intent,
    address,
  };
}

export function remoteFile(attachment: APIAttachment): RemoteFile {
  const { filename, content_type: mime, size, url } = attachment;
  return { name: filename, ...(mime === undefined ? {} : { mime }), bytes: size, reference: url };
}

/**
 * The files of a message, those of a forwarded one included; of our own messages not the picture of the sound.
 * @param application whose own messages are the bot's: a bot's person has its application's id or another.
 */
export function filesOf(
  message: Pick<APIMessage, 'attachments' | 'message_snapshots' | 'author' | 'application_id'>,
  application: string,
): RemoteFile[] {
  const forwarded = message.message_snapshots?.flatMap((snapshot) => snapshot.message.attachments) ?? [];
  const isOurs = message.application_id === application || message.author.id === application;
  return [...message.attachments, ...forwarded]
    .filter(({ filename }) => !isOurs || filename !== WAVEFORM_NAME)
    .slice(0, LIMITS.files)
    .map(remoteFile);
}

/**
 * Of a message's files those that a command is for, as far as Discord's word on their kind tells; if none is, all, and
 * the command says what it takes. No more than it takes.
 */
export function suited(files: readonly RemoteFile[], spec: CommandSpec): RemoteFile[] {
  const { kinds = [], maximum = 0 } = spec.attachments ?? {};
  const fitting = files.filter(({ mime }) => kinds.some((kind) => mime?.startsWith(`${kind}/`) === true));
  return (fitting.length > 0 ? fitting : [...files]).slice(0, maximum);
}
