import { forgetConversation } from './api.ts';
import { Channel, type Exchange, isOpen } from './channel.ts';
import { newId } from './ids.ts';
import { readLocal, writeLocal } from './local.ts';
import { Store } from './store.ts';

/** What this browser remembers of a conversation; the exchanges are the server's. */
export interface Listed {
  id: string;
  title: string;
  /** Milliseconds since 1970 of the last message. */
  at: number;
}

/** How busy the conversations of this page are. */
export interface Activity {
  open: number;
  /** Something ended there while another was shown. */
  unseen: boolean;
}

const KEY = 'mumu.conversations';
const ID = /^[A-Za-z0-9_-]{22,64}$/;
const LONGEST_LIST = 100;

function isList(value: unknown): value is Listed[] {
  return (
    Array.isArray(value) &&
    value.every(
      (item: Partial<Listed> | null) =>
        typeof item?.id === 'string' && ID.test(item.id) && typeof item.title === 'string',
    )
  );
}

export const conversations = new Store<Listed[]>(readLocal(KEY, isList, []));
export const activity = new Store<ReadonlyMap<string, Activity>>(new Map());
export const current = new Store<string>(fromAddress() ?? newId());
const channels = new Map<string, Channel>();

/** The conversation, its history on the way. */
export function channelOf(id: string): Channel {
  const known = channels.get(id);
  if (known !== undefined) return known;
  const channel = new Channel(id);
  channels.set(id, channel);
  channel.state.subscribe(() => noteActivity(channel));
  channel.onEnd = (exchange) => announceEnd(channel, exchange);
  channel.onForgotten = (isGone) => forgetAll(channel.id, isGone);
  void channel.load();
  return channel;
}

export function show(id: string): void {
  if (location.hash !== `#${id}`) location.hash = id;
  else settle(id);
}

export function startNew(): void {
  show(newId());
}

/** Lists a conversation, newest first; its first message is its title. */
export function remember(id: string, line: string): void {
  conversations.update((list) => {
    const known = list.find((item) => item.id === id);
    const title = known?.title ?? (line.replace(/^\/\w+\s*/, '').slice(0, 80) || line);
    return [{ id, title, at: Date.now() }, ...list.filter((item) => item.id !== id)].slice(0, LONGEST_LIST);
  });
  writeLocal(KEY, conversations.get());
}

/** Takes a conversation off this browser's list; its jobs go on. */
export function forget(id: string): void {
  conversations.update((list) => list.filter((item) => item.id !== id));
  writeLocal(KEY, conversations.get());
  if (current.get() === id) startNew();
}

/**
 * Whoever wants to be forgotten in one conversation means all of them; only this browser knows which they are. One
 * that the server does not forget stays on the list, to be asked for again: without its name nobody could.
 * @param isGone whether the server has forgotten the one that it was said in
 * @returns how many stay
 */
async function forgetAll(id: string, isGone: boolean): Promise<number> {
  let kept = 0;
  for (const { id: listed } of conversations.get()) {
    const isForgotten = listed === id ? isGone : await forgetConversation(listed).catch(() => false);
    if (!isForgotten) {
      kept += 1;
      continue;
    }
    if (listed !== id) channels.get(listed)?.clear();
    conversations.update((list) => list.filter((item) => item.id !== listed));
    writeLocal(KEY, conversations.get());
  }
  return kept;
}

/** Follows the address, other tabs and whether the page is seen. */
export function startConversations(): void {
  history.replaceState(null, '', `#${current.get()}`);
  window.addEventListener('hashchange', () => settle(fromAddress() ?? newId()));
  window.addEventListener('storage', (event) => {
    if (event.key === KEY) conversations.set(readLocal(KEY, isList, []));
  });
  document.addEventListener('visibilitychange', () => {
    for (const channel of channels.values()) {
      if (document.hidden) channel.pause();
      else channel.resume();
    }
  });
}

function fromAddress(): string | undefined {
  const id = location.hash.slice(1);
  return ID.test(id) ? id : undefined;
}

function settle(id: string): void {
  history.replaceState(null, '', `#${id}`);
  current.set(id);
  setActivity(id, { unseen: false });
}

function noteActivity(channel: Channel): void {
  const { loaded, exchanges } = channel.state.get();
  setActivity(channel.id, { open: exchanges.filter(isOpen).length });
  // A conversation opened by its address only.
  const first = exchanges[0];
  if (loaded && first?.id !== undefined && !conversations.get().some(({ id }) => id === channel.id)) {
    remember(channel.id, first.line);
  }
}

/** Words for screen readers; one at a time. */
export const announcement = new Store('');

function announceEnd(channel: Channel, { standing }: Exchange): void {
  if (channel.id !== current.get()) {
    setActivity(channel.id, { unseen: true });
    return;
  }
  if (standing.state === 'refused') announcement.set(standing.failure.message);
  else if (standing.state === 'ended' && standing.result.status === 'failed') {
    announcement.set(standing.result.error.message);
  } else if (standing.state === 'ended' && standing.result.status === 'done') {
    const { text, files } = standing.result;
    const music = files.length === 0 ? '' : ` ${files.length === 1 ? 'A track is' : 'Tracks are'} ready.`;
    announcement.set(`Answer: ${text}${music}`);
  }
}

function setActivity(id: string, changed: Partial<Activity>): void {
  const before = activity.get().get(id) ?? { open: 0, unseen: false };
  const now = { ...before, ...changed };
  if (now.open === before.open && now.unseen === before.unseen) return;
  activity.set(new Map(activity.get()).set(id, now));
}
