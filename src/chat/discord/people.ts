import {
  type APIInteraction,
  type APIPingInteraction,
  ApplicationIntegrationType,
  ChannelType,
  type GatewayMessageCreateDispatchData,
  InteractionContextType,
} from 'discord.js';
import type { Who } from '#src/policy/policy';

/** Every interaction that a person starts. */
export type UserInteraction = Exclude<APIInteraction, APIPingInteraction>;

/** Who asked, where, and to which conversation it belongs. */
export interface Place {
  who: Who & { roles: string[] };
  /** Discord's own id of the person. */
  person: string;
  /** Discord's own id of the channel or thread. */
  channel: string;
  conversation: string;
  /** Everybody here takes part in the same conversation: a thread, or a direct message with the bot. */
  shared: boolean;
  locale: string | undefined;
}

const THREADS: readonly ChannelType[] = [
  ChannelType.PublicThread,
  ChannelType.PrivateThread,
  ChannelType.AnnouncementThread,
];

export function isThread(type: ChannelType | undefined): boolean {
  return type !== undefined && THREADS.includes(type);
}

/** Undefined for the few interactions that carry no person or channel. */
export function placeOfInteraction(interaction: UserInteraction): Place | undefined {
  const user = interaction.member?.user ?? interaction.user;
  const channel = interaction.channel?.id;
  if (user === undefined || channel === undefined) return undefined;
  const type = interaction.channel?.type;
  const parent =
    interaction.channel !== undefined && 'parent_id' in interaction.channel
      ? (interaction.channel.parent_id ?? undefined)
      : undefined;
  const withBot =
    interaction.context === InteractionContextType.BotDM ||
    (interaction.context === undefined && type === ChannelType.DM);
  return place({
    person: user.id,
    server: interaction.guild_id,
    channel,
    parent: isThread(type) ? parent : undefined,
    roles: interaction.member?.roles ?? [],
    shared: isThread(type) || withBot,
    locale: interaction.locale,
  });
}

/** @param thread the thread's parent if the channel is a thread. */
export function placeOfMessage(
  message: GatewayMessageCreateDispatchData,
  thread: { parent: string | undefined } | undefined,
  locale: string | undefined,
): Place {
  return place({
    person: message.author.id,
    server: message.guild_id,
    channel: message.channel_id,
    parent: thread?.parent,
    roles: message.member?.roles ?? [],
    shared: thread !== undefined || message.guild_id === undefined,
    locale,
  });
}

function place(known: {
  person: string;
  server: string | undefined;
  channel: string;
  parent: string | undefined;
  roles: readonly string[];
  shared: boolean;
  locale: string | undefined;
}): Place {
  const { person, server, channel, parent, shared, locale } = known;
  return {
    who: {
      user: `discord:${person}`,
      ...(server === undefined ? {} : { server: `discord:${server}` }),
      // What holds in a channel holds in its threads.
      channel: `discord:${parent ?? channel}`,
      roles: [...known.roles],
    },
    person,
    channel,
    conversation: shared ? `discord:${channel}` : `discord:${channel}:${person}`,
    shared,
    locale,
  };
}

/** Whether the bot is a member of the place, or only came along with a person. */
export function botIsMember(interaction: UserInteraction): boolean {
  const owners = interaction.authorizing_integration_owners;
  return (
    owners[ApplicationIntegrationType.GuildInstall] !== undefined ||
    interaction.context === InteractionContextType.BotDM
  );
}
