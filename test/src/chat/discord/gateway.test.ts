import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MumuError } from '#contracts/errors';
import { startDiscord } from '#src/chat/discord/start';
import { until } from '#test/src/chat/discord/support/bot';
import type { EngineDouble } from '#test/src/chat/discord/support/engine-double';
import { BOT, CHANNEL, type LocalDiscord } from '#test/src/chat/discord/support/local-discord';
import { Person } from '#test/src/chat/discord/support/people';
import { refusal } from '#test/src/chat/discord/support/rest-api';
import { Stage } from '#test/src/chat/discord/support/stage';

let stage: Stage;
let discord: LocalDiscord;
let engine: EngineDouble;
let ana: Person;

beforeAll(async () => {
  stage = await Stage.open();
  ({ discord, engine } = stage);
  ana = new Person(discord, 'ana');
});
afterEach(() => {
  discord.rest.intercept = () => undefined;
  expect(discord.rest.problems).toEqual([]);
});
afterAll(() => stage?.close());

const jobsOf = (id: string) => engine.requests.filter((request) => request.id === `d${id}`);

describe('the connection', () => {
  it('asks for no privileged intent', () => {
    // Servers, their messages and direct messages: 1 << 0, 1 << 9, 1 << 12.
    expect(discord.gateway.identified.map(({ intents }) => intents)).toEqual([4609]);
    expect(stage.bot.adapter.connected).toBe(true);
  });

  it('resumes when it breaks, and misses nothing said meanwhile', async () => {
    discord.gateway.drop();
    const open = ana.slash('ask', { question: 'Still there?' });
    const said = ana.say(`<@${BOT}> And now?`);
    await stage.ended(open);
    await stage.answered(said.id);
    expect(discord.gateway.resumed).toHaveLength(1);
    expect(discord.gateway.identified).toHaveLength(1);
    discord.gateway.askToReconnect();
    await until(() => discord.gateway.resumed.length === 2);
  });

  it('starts a new session where the old one is no longer known', async () => {
    discord.gateway.forgetful = true;
    discord.gateway.drop();
    await until(() => discord.gateway.identified.length === 2);
    discord.gateway.forgetful = false;
    await until(() => stage.bot.adapter.connected);
    await stage.ended(ana.slash('ask', { question: 'Again?' }));
  });

  it('what comes twice is one job and one answer', async () => {
    const open = ana.slash('ask', { question: 'Once?' });
    discord.gateway.repeat('INTERACTION_CREATE');
    await stage.ended(open);
    const said = ana.say(`<@${BOT}> Twice?`);
    discord.gateway.repeat('MESSAGE_CREATE');
    await stage.answered(said.id);
    expect(jobsOf(open.id)).toHaveLength(1);
    expect(jobsOf(said.id)).toHaveLength(1);
    expect(stage.answersTo(said.id)).toHaveLength(1);
    expect(discord.in(CHANNEL).filter(({ interaction }) => interaction === open.id)).toHaveLength(1);
  });
});

describe('Discord’s troubles', () => {
  it('waits where it is told to wait, and tries again where Discord fails', async () => {
    let refusals = 0;
    discord.rest.intercept = ({ method, path }) => {
      if (method !== 'PATCH' || !path.endsWith('@original') || refusals >= 4) return undefined;
      refusals += 1;
      if (refusals > 1) return { status: 502, body: { message: 'bad gateway', code: 0 } };
      const wait = { message: 'You are being rate limited.', retry_after: 0.2, global: false };
      return { status: 429, body: wait, headers: { 'retry-after': '0.2', 'x-ratelimit-scope': 'user' } };
    };
    const open = ana.slash('ask', { question: 'Now?' });
    await stage.ended(open);
    expect(refusals).toBe(4);
    expect(discord.in(CHANNEL).filter(({ interaction }) => interaction === open.id)).toHaveLength(1);
  });
});

describe('an acknowledgement', () => {
  it('that Discord does not take for its own trouble costs nobody their answer', async () => {
    discord.rest.intercept = ({ path }) =>
      path.endsWith('/callback') ? refusal(500, 0, 'internal') : undefined;
    const open = ana.slash('ask', { question: 'Anybody there?' });
    const answer = await until(() => discord.in(CHANNEL).find(({ nonce }) => nonce === `d${open.id}`));
    expect(answer.content).toContain('It is a waltz.');
  });

  it('that comes too late ends it: the person was told so', async () => {
    const late = ana.slash('ask', { question: 'Too late?' });
    discord.rest.intercept = ({ path }) =>
      path.includes(late.id) ? refusal(404, 10062, 'Unknown interaction') : undefined;
    await stage.ended(ana.slash('ask', { question: 'In time?' }));
    expect(jobsOf(late.id)).toEqual([]);
  });
});

describe('a bot that is started anew', () => {
  it('goes on with what was open, in the messages that stand', async () => {
    engine.hold();
    const open = ana.slash('generate', { prompt: 'long' });
    const said = ana.say(`<@${BOT}> What is this?`);
    const running = await stage.ended(open, 'Composing');
    const told = await stage.answered(said.id, 'Writing');
    await stage.bot.restart();
    engine.release();
    expect(await stage.ended(open)).toBe(running);
    expect(await stage.answered(said.id)).toBe(told);
    expect(stage.answersTo(said.id)).toHaveLength(1);
    expect(jobsOf(open.id)).toHaveLength(1);
  });
});

describe('starting', () => {
  it('says what to do about a token Discord does not take', async () => {
    const { services } = stage.bot;
    const config = { ...services.config, discord: { token: 'wrong', api: discord.api } };
    const failed = startDiscord({ ...services, config }).catch((error: unknown) => error);
    const error = await failed;
    expect(error).toBeInstanceOf(MumuError);
    expect((error as MumuError).code).toBe('invalid_input');
    expect((error as MumuError).message).toContain('DISCORD_TOKEN');
    expect((error as MumuError).message).not.toContain('wrong');
  });

  it('registers commands once, and again only when they differ', async () => {
    expect(discord.rest.registrations).toBe(1);
    const [first] = discord.rest.commands;
    if (first !== undefined && 'description' in first) first.description = 'something older';
    await stage.bot.restart();
    expect(discord.rest.registrations).toBe(2);
    await stage.bot.restart();
    expect(discord.rest.registrations).toBe(2);
  });
});
