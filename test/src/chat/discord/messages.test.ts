import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '#test/src/chat/discord/support/bot';
import type { EngineDouble } from '#test/src/chat/discord/support/engine-double';
import {
  BOT,
  CHANNEL,
  DIRECT,
  DIRECT_CHANNEL,
  type LocalDiscord,
  THREAD,
  THREAD_CHANNEL,
} from '#test/src/chat/discord/support/local-discord';
import { Person } from '#test/src/chat/discord/support/people';
import { labelsOf, Stage } from '#test/src/chat/discord/support/stage';

let stage: Stage;
let discord: LocalDiscord;
let engine: EngineDouble;

beforeAll(async () => {
  stage = await Stage.open();
  ({ discord, engine } = stage);
});
afterEach(() => {
  expect(discord.rest.problems).toEqual([]);
});
afterAll(() => stage?.close());

const MENTION = `<@${BOT}>`;

describe('messages', () => {
  it('a mention with a file is answered in one message under it', async () => {
    const ana = new Person(discord, 'ana');
    const said = ana.say(`${MENTION} What key is it in?`, { files: [stage.song()] });
    const answer = await stage.answered(said.id);
    expect(answer).toMatchObject({ channel: CHANNEL, nonce: `d${said.id}` });
    expect(engine.requests.at(-1)).toMatchObject({
      ...{ command: 'ask', text: 'What key is it in?', files: [{ name: 'song.mp3' }] },
      conversation: `discord:${CHANNEL}:${ana.id}`,
    });
    expect(stage.answersTo(said.id)).toHaveLength(1);
  });

  it('a mention in answer to somebody’s song is about that song', async () => {
    const ben = new Person(discord, 'ben');
    const song = new Person(discord, 'cat').message('my song', [stage.song('theirs.mp3')]);
    const said = ben.say(`${MENTION} make it slower`, { answers: song });
    await stage.answered(said.id);
    expect(engine.requests.at(-1)).toMatchObject({ command: 'remix', files: [{ name: 'theirs.mp3' }] });
  });

  it('a thread is one conversation for all in it: the last track is the next input', async () => {
    const dan = new Person(discord, 'dan');
    const eve = new Person(discord, 'eve');
    const first = dan.say(`${MENTION} /generate a march`, { channel: THREAD_CHANNEL });
    const made = await stage.answered(first.id);
    expect(labelsOf(made)).toEqual(['Again', 'Vary', 'Extend', 'Remix']);
    expect(engine.requests.at(-1)).toMatchObject({ text: 'a march', conversation: `discord:${THREAD}` });
    const second = eve.say(`${MENTION} slower`, { channel: THREAD_CHANNEL });
    await stage.answered(second.id);
    expect(engine.requests.at(-1)).toMatchObject({
      ...{ command: 'remix', text: 'slower', files: [{ name: 'track.mp3' }] },
      ...{ conversation: `discord:${THREAD}`, user: `discord:${eve.id}` },
    });
  });

  it('a direct message needs no mention; a file alone is described', async () => {
    const fay = new Person(discord, 'fay');
    const said = fay.say('', { files: [stage.song()], channel: DIRECT_CHANNEL });
    await stage.answered(said.id);
    expect(engine.requests.at(-1)).toMatchObject({ command: 'describe', conversation: `discord:${DIRECT}` });
    const help = fay.say('/help generate', { channel: DIRECT_CHANNEL });
    const told = await stage.answered(help.id, '--seconds');
    expect(told.components).toEqual([]);
  });

  it('a mention alone shows the commands', async () => {
    const said = new Person(discord, 'gil').say(MENTION);
    expect((await stage.answered(said.id, '/remix')).content).toContain('/generate');
  });

  it('what is not meant for the bot is left alone; the same message twice is one job', async () => {
    const hal = new Person(discord, 'hal');
    hal.say('just talking');
    const said = hal.say(`${MENTION} Who are you?`);
    discord.gateway.dispatch('MESSAGE_CREATE', {
      ...said,
      guild_id: '1',
      channel_type: 0,
      member: { roles: [] },
    });
    await stage.answered(said.id);
    const count = engine.requests.filter(({ id }) => id === `d${said.id}`).length;
    expect(count).toBe(1);
    expect(stage.answersTo(said.id)).toHaveLength(1);
    expect(engine.requests.some(({ text }) => text === 'just talking')).toBe(false);
  });

  it('pings nobody and leads nobody astray, whatever an answer says', async () => {
    engine.text = 'Hello @everyone <@1> [bank.example](https://evil.example)';
    const said = new Person(discord, 'ida').say(`${MENTION} Who?`);
    const answer = await stage.answered(said.id);
    engine.text = undefined;
    // The local Discord refuses every message that could ping; here nothing of the words is lost.
    expect(answer.content).toContain('@everyone');
    expect(answer.content).toContain('[bank.example]\\(https');
  });

  it('takes files from Discord’s own hosts only, no page in place of a file, and says so', async () => {
    const jim = new Person(discord, 'jim');
    const elsewhere = { ...stage.song(), url: 'https://files.example/song.mp3' };
    const foreign = jim.say('', { files: [elsewhere], channel: DIRECT_CHANNEL });
    expect((await stage.answered(foreign.id, 'did not work')).content).toContain('upload it here');
    const page = discord.attach('song.mp3', 'text/html', Buffer.from('<html></html>'));
    const html = jim.say('', { files: [page], channel: DIRECT_CHANNEL });
    expect((await stage.answered(html.id, 'did not work')).content).toContain('web page');
    const gone = stage.song();
    discord.files.clear();
    const missing = jim.say('', { files: [gone], channel: DIRECT_CHANNEL });
    await until(() => stage.answersTo(missing.id).some(({ content }) => content.includes('send it again')));
  });
});
