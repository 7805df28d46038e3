import type { Services } from '#src/app/services';
import type { Courier, Intent, RemoteFile } from '#src/chat/delivery/types';
import type { Address } from '#src/chat/slack/address';
import { directConversation, threadConversation, whoOf } from '#src/chat/slack/identity';
import type { Notes } from '#src/chat/slack/notes';
import type { People } from '#src/chat/slack/people';
import type { Identity, SlackClient } from '#src/chat/slack/web';
import type { Who } from '#src/policy/policy';

/** What every listener works with. */
export interface SlackContext {
  services: Services;
  client: SlackClient;
  courier: Courier;
  identity: Identity;
  notes: Notes;
  people: People;
}

/** Something that was asked. */
export interface Asked {
  /** See `requestId`. */
  id: string;
  address: Address;
  conversation: string;
  intent: Intent;
  files: RemoteFile[];
}

/** Hands something over to the courier: once this resolves it is not lost any more. */
export async function takeOver(context: SlackContext, asked: Asked): Promise<boolean> {
  const { id, address, conversation, intent, files } = asked;
  const who = await askerOf(context, address.user, address.channel);
  return context.courier.receive(
    {
      id,
      platform: 'slack',
      user: who.user,
      server: who.server,
      ...(who.channel === undefined ? {} : { channel: who.channel }),
      roles: [...(who.roles ?? [])],
      conversation,
      intent,
      address: { ...address },
    },
    { files },
  );
}

export async function askerOf(
  { identity, people }: SlackContext,
  user: string,
  channel: string | undefined,
): Promise<Who & { user: string; server: string }> {
  return whoOf(identity.team, user, channel, await people.rolesOf(user));
}

/**
 * The conversation that something said in a channel belongs to: with whoever writes directly, or that of a thread,
 * which is the one whose status message stands there or one of its own.
 */
export async function conversationIn(
  { identity, notes, services }: SlackContext,
  { user, channel, thread }: Address & { channel: string },
): Promise<string> {
  if (thread === undefined) return directConversation(identity.team, user);
  try {
    const linked = await notes.conversationOf(channel, thread);
    if (linked !== undefined) return linked;
  } catch (error) {
    services.log.warn({ error: (error as Error).message }, 'conversation of a thread unknown');
  }
  return threadConversation(identity.team, channel, thread);
}

/** The language to speak to someone in: the one they set, else the one they use Slack in. */
export async function localeOf({ services, people, identity }: SlackContext, user: string) {
  const id = whoOf(identity.team, user, undefined, []).user;
  const set = await services.settings.get(id).catch(() => undefined);
  return set?.language ?? (await people.language(user));
}
