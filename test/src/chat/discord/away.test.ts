import { REST } from 'discord.js';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Delivery, StatusView } from '#src/chat/delivery/types';
import { DiscordMessenger } from '#src/chat/discord/messenger';
import { StatusNotes } from '#src/chat/discord/status-notes';
import {
  APPLICATION,
  CHANNEL,
  type LocalDiscord,
  snowflake,
} from '#test/src/chat/discord/support/local-discord';
import { Stage } from '#test/src/chat/discord/support/stage';

const MOMENT: StatusView = { state: 'moment' };

let stage: Stage;
let discord: LocalDiscord;
const stores: Redis[] = [];

beforeAll(async () => {
  stage = await Stage.open();
  discord = stage.discord;
});
afterEach(() => {
  discord.rest.intercept = () => undefined;
  expect(discord.rest.problems).toEqual([]);
  for (const store of stores.splice(0)) store.disconnect();
});
afterAll(() => stage?.close());

/** What a process of the bot has: a connection to Redis, and what it remembers. */
function bot() {
  const { services } = stage.bot;
  const store = services.redis.connect('producer');
  stores.push(store);
  const rest = new REST({ api: discord.api }).setToken(discord.token);
  return { store, messenger: new DiscordMessenger(rest, store, services) };
}

/** From here on Redis does not answer this process. */
async function away(store: Redis): Promise<void> {
  await store.ping();
  store.disconnect();
}

function delivery(minutes = 0): Delivery {
  const message = snowflake();
  const address = { type: 'message', application: APPLICATION, channel: CHANNEL, person: '1', message };
  return {
    ...{ id: `d${message}`, platform: 'discord', user: 'discord:1', roles: [], conversation: 'c' },
    ...{ intent: { type: 'line', text: '/help' }, address: { ...address, fileBytes: 1e6 } },
    ...{ receivedAt: Date.now() - minutes * 60_000, state: 'received', posted: {}, fileCount: 0 },
  };
}

const answersTo = ({ address }: Delivery) => stage.answersTo(String(address.message));
const told = (text: string) => ({ state: 'told' as const, text });
const note = async () => undefined;
/** Minutes later Discord knows no nonce any more. */
function forgetNonces(): void {
  for (const message of discord.messages.values()) message.nonce = undefined;
}

describe('a status message posted while Redis is away', () => {
  it('is noted when Redis is back, though nobody asks for it again', async () => {
    const first = bot();
    await away(first.store);
    const asked = delivery();
    await first.messenger.show(asked, MOMENT, undefined);
    const [status] = answersTo(asked);
    expect(status?.content).not.toBe('');
    await first.store.connect();
    const key = `${stage.bot.services.redis.prefix}:discord:status:${asked.id}`;
    await expect.poll(() => first.store.get(key)).toBe(`${CHANNEL}/${status?.id}`);
    // The process ends; another brings the answer, when the nonce is long forgotten.
    forgetNonces();
    await bot().messenger.finish(asked, told('the answer'), undefined, note);
    expect(answersTo(asked).map(({ content }) => content)).toEqual(['the answer']);
  });

  it('is noted at the next look where the connection never broke', async () => {
    const { store } = bot();
    const { prefix } = stage.bot.services.redis;
    const notes = new StatusNotes(store, prefix);
    const posted = { channel: CHANNEL, message: '17' };
    const write = store.set.bind(store);
    store.set = (async () => {
      throw new Error('OOM command not allowed when used memory > maxmemory');
    }) as unknown as Redis['set'];
    await notes.set('d17', posted);
    store.set = write;
    expect(await new StatusNotes(store, prefix).get('d17')).toBeUndefined();
    await notes.set('d17', posted);
    expect(await new StatusNotes(store, prefix).get('d17')).toEqual(posted);
  });

  it('becomes the answer, where its process ends before it is noted', async () => {
    const first = bot();
    await away(first.store);
    const asked = delivery();
    await first.messenger.show(asked, MOMENT, undefined);
    // Discord hands the old message back in place of the new one: the answer has to be brought into it.
    await bot().messenger.finish(asked, told('the answer'), undefined, note);
    expect(answersTo(asked).map(({ content }) => content)).toEqual(['the answer']);
  });

  it('is not changed once more where it says what it should', async () => {
    const asked = delivery();
    const { messenger } = bot();
    await messenger.finish(asked, told('the answer'), undefined, note);
    expect(answersTo(asked).map(({ history }) => history)).toEqual([['the answer']]);
  });

  it('is not taken for missing while nobody can look, and the answer waits', async () => {
    const asked = delivery(10);
    await bot().messenger.show(asked, { state: 'queued', position: 1 }, undefined);
    forgetNonces();
    const next = bot();
    await away(next.store);
    await next.messenger.show(asked, MOMENT, undefined);
    await expect(next.messenger.show(asked, { state: 'fetching' }, undefined)).rejects.toThrow();
    await expect(next.messenger.finish(asked, told('the answer'), undefined, note)).rejects.toThrow();
    expect(answersTo(asked)).toHaveLength(1);
    await next.store.connect();
    await next.messenger.finish(asked, told('the answer'), undefined, note);
    expect(answersTo(asked).map(({ content }) => content)).toEqual(['the answer']);
  });
});

describe('an answer that outlived its token', () => {
  it('is brought into the message of an earlier try that said something else', async () => {
    const asked = delivery(20);
    const address = { ...asked.address, type: 'interaction', member: true };
    const late: Delivery = { ...asked, address };
    const noted: Array<Record<string, unknown>> = [];
    const keep = async (posted: Record<string, unknown>) => void noted.push(posted);
    await bot().messenger.finish(late, told('an earlier answer'), undefined, keep);
    await bot().messenger.finish(late, told('the answer'), undefined, keep);
    const own = discord.in(CHANNEL).filter(({ nonce }) => nonce === late.id);
    expect(own.map(({ content }) => content)).toEqual(['the answer']);
    expect(noted).toEqual([1, 2].map(() => ({ late: { channel: CHANNEL, message: own[0]?.id } })));
  });
});
