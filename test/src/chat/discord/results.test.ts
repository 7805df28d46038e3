import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { REST } from 'discord.js';
import { MessageFlags } from 'discord-api-types/v10';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FILE_TRIES } from '#src/chat/delivery/patience';
import type { Delivery } from '#src/chat/delivery/types';
import { DiscordMessenger } from '#src/chat/discord/messenger';
import { until } from '#test/src/chat/discord/support/bot';
import type { EngineDouble } from '#test/src/chat/discord/support/engine-double';
import {
  APPLICATION,
  BOT,
  CHANNEL,
  DIRECT,
  type LocalDiscord,
  type Standing,
  snowflake,
} from '#test/src/chat/discord/support/local-discord';
import { buttonsOn, Person } from '#test/src/chat/discord/support/people';
import { refusal } from '#test/src/chat/discord/support/rest-api';
import { labelsOf, Stage } from '#test/src/chat/discord/support/stage';

let stage: Stage;
let discord: LocalDiscord;
let engine: EngineDouble;
let ana: Person;

beforeAll(async () => {
  stage = await Stage.open({ MUMU_PUBLIC_URL: 'https://mumu.example' });
  ({ discord, engine } = stage);
  ana = new Person(discord, 'ana');
});
afterEach(() => {
  discord.rest.intercept = () => undefined;
  engine.text = undefined;
  engine.shape = (result) => result;
  expect(discord.rest.problems).toEqual([]);
});
afterAll(() => stage?.close());

const namesOf = (message: Standing) => message.files.map(({ name }) => name);
const isVoice = ({ flags }: Standing) => (flags & MessageFlags.IsVoiceMessage) !== 0;

describe('files and the room there is', () => {
  it('what does not fit is made smaller', async () => {
    const open = ana.slash('generate', { prompt: 'x' }, { fileBytes: 6000 });
    const message = await stage.ended(open);
    expect(namesOf(message)).toContain('track.ogg');
    expect(message.content).toContain('made smaller');
  });

  it('what cannot be made to fit is linked', async () => {
    const message = await stage.ended(ana.slash('generate', { prompt: 'x' }, { fileBytes: 1500 }));
    expect(namesOf(message)).not.toContain('track.mp3');
    expect(message.content).toMatch(/^-# track\.mp3: <https:\/\/mumu\.example\/files\/[^\\>]+>$/m);
  });

  it('what Discord finds too large in spite of what it said comes smaller or as a link', async () => {
    let refused = 0;
    discord.rest.intercept = ({ method, path, multipart }) => {
      if (method !== 'PATCH' || !path.endsWith('@original') || !multipart) return undefined;
      refused += 1;
      return refusal(413, 40005, 'Request entity too large');
    };
    const message = await stage.ended(ana.slash('generate', { prompt: 'x' }));
    expect(refused).toBeGreaterThan(0);
    expect(message.content).toContain('<https://mumu.example/files/');
  });

  it('an answer longer than a message is cut, and attached as a whole', async () => {
    engine.text = `${'A long story. '.repeat(300)}The end.`;
    const message = await stage.ended(ana.slash('ask', { question: 'Why?' }));
    expect(message.content.length).toBeLessThanOrEqual(2000);
    expect(message.content).toContain('The whole answer is attached.');
    expect(namesOf(message)).toEqual(['answer.txt']);
    expect(message.files[0]?.bytes.toString('utf8')).toContain('The end.');
  });

  it('edits, caption and notes are told with a remix, without their markup', async () => {
    engine.shape = (result) => ({
      ...result,
      text: 'A jazz version.',
      caption: 'jazz, *brushes*',
      notes: ['Only the first 10 minutes were listened to.'],
      plan: [
        { operation: 'tempo', description: 'tempo × 0.8', by: 'exact' },
        { operation: 'style', description: 'as jazz', by: 'model' },
      ],
    });
    await stage.ended(ana.slash('generate', { prompt: 'x' }));
    const message = await stage.ended(ana.slash('remix', { instruction: 'slower, as jazz' }));
    expect(message.content.split('\n').slice(0, 5)).toEqual([
      'A jazz version.',
      '1. tempo × 0.8 (exact)',
      '2. as jazz (model)',
      '-# Composed as: jazz, \\*brushes\\*',
      '-# Only the first 10 minutes were listened to.',
    ]);
    expect(labelsOf(message)).toContain('Vary');
  });
});

describe('a disk that is full while a file is made smaller', () => {
  const { PATH } = process.env;
  const mark = () => stage.fixtures.path('full-disk/tried');
  afterEach(() => {
    process.env.PATH = PATH;
  });

  /** An ffmpeg that meets a full disk where files are made to fit; all else is done by the real one. */
  function fill(): void {
    const folder = stage.fixtures.path('full-disk');
    mkdirSync(folder, { recursive: true });
    rmSync(mark(), { force: true });
    const script = [
      '#!/bin/sh',
      'case "$*" in *fit.ogg*)',
      `  touch "${mark()}"`,
      '  echo "av_interleaved_write_frame(): No space left on device" >&2',
      '  exit 1;;',
      'esac',
      `PATH="${PATH}" exec ffmpeg "$@"`,
    ].join('\n');
    writeFileSync(join(folder, 'ffmpeg'), script, { mode: 0o755 });
    process.env.PATH = `${folder}${delimiter}${PATH}`;
  }

  it('holds the result up and does not lose it', async () => {
    fill();
    const open = ana.slash('generate', { prompt: 'x' }, { fileBytes: 6000 });
    await until(() => existsSync(mark()));
    process.env.PATH = PATH;
    const message = await stage.ended(open);
    expect(namesOf(message)).toContain('track.ogg');
    expect(message.content).toContain('made smaller');
  });

  it.each([
    ['a link', true, /^-# track\.mp3: <https:\/\/mumu\.example\/files\/[^\\>]+>$/m],
    ['a sentence', false, /^-# track\.mp3: cannot be handed out at the moment$/m],
  ])('ends in %s if it stays full', async (_what, hasAddress, words) => {
    const { services } = stage.bot;
    const links = hasAddress ? services.links : { link: () => undefined };
    const store = services.redis.connect('producer');
    const rest = new REST({ api: discord.api }).setToken(discord.token);
    const messenger = new DiscordMessenger(rest, store, { ...services, links });
    const earlier = ana.slash('generate', { prompt: 'x' });
    await stage.ended(earlier);
    const result = await services.queue.conversations.result(`d${earlier.id}`);
    const request = engine.requests.at(-1);
    if (result?.status !== 'done' || request === undefined) throw new Error('no result');
    const message = snowflake();
    const address = { type: 'message', application: APPLICATION, channel: CHANNEL, person: ana.id, message };
    const delivery: Delivery = {
      ...{ id: `d${message}`, platform: 'discord', user: `discord:${ana.id}`, roles: [], conversation: 'c' },
      ...{ intent: { type: 'line', text: '/generate x' }, address: { ...address, fileBytes: 6000 } },
      ...{ receivedAt: Date.now(), state: 'queued', posted: {}, fileCount: 0 },
    };
    const finish = (attempt: number) =>
      messenger.finish(
        delivery,
        { state: 'done', request, result },
        undefined,
        async () => undefined,
        attempt,
      );
    fill();
    await expect(finish(FILE_TRIES - 1)).rejects.toMatchObject({ code: 'disk_full' });
    expect(stage.answersTo(message)).toEqual([]);
    await finish(FILE_TRIES);
    const [answer] = stage.answersTo(message);
    expect(answer?.content).toMatch(words);
    expect(answer?.files).toEqual([]);
    store.disconnect();
  });
});

describe('voice messages', () => {
  it('come in place of the file, as Discord wants them', async () => {
    const message = await stage.ended(ana.slash('generate', { prompt: 'x', voice: true }));
    const voice = discord.in(CHANNEL).filter(isVoice);
    expect(voice).toHaveLength(1);
    expect(voice[0]?.files.map(({ type }) => type)).toEqual(['audio/ogg']);
    expect(voice[0]?.attachments[0]).toMatchObject({ duration_secs: expect.closeTo(1, 0) });
    expect(namesOf(message)).toEqual(['waveform.png']);
    expect(message.content).toContain('voice message');
    expect(labelsOf(message)).toContain('Remix');
  });

  it('are a setting too, and where Discord refuses them the file comes', async () => {
    const vera = new Person(discord, 'vera');
    await stage.ended(vera.slash('settings', { set: { setting: 'voice', value: 'on' } }), 'set');
    discord.rest.intercept = ({ method, path }) =>
      method === 'POST' && path === `/channels/${CHANNEL}/messages`
        ? refusal(403, 50013, 'Missing Permissions')
        : undefined;
    const message = await stage.ended(vera.slash('generate', { prompt: 'x' }));
    expect(namesOf(message)).toEqual(['track.mp3', 'waveform.png']);
  });

  it('go out as one follow-up where the bot is no member', async () => {
    const where = { userInstalled: true };
    const open = ana.slash('generate', { prompt: 'x', voice: true }, where);
    await stage.ended(open);
    expect(open.followUps).toBe(1);
  });
});

describe('an interaction that outlives its token', () => {
  it.each([
    [13, true],
    [14, false],
  ])('%i minutes after it came its token is used: %s', async (minutes, isUsed) => {
    const { services } = stage.bot;
    const store = services.redis.connect('producer');
    const rest = new REST({ api: discord.api }).setToken(discord.token);
    const messenger = new DiscordMessenger(rest, store, services);
    const open = ana.slash('help');
    await stage.ended(open, '/generate');
    const address = { type: 'interaction', application: APPLICATION, channel: CHANNEL, person: ana.id };
    const delivery: Delivery = {
      ...{ id: `d${open.id}`, platform: 'discord', user: `discord:${ana.id}`, roles: [], conversation: 'c' },
      ...{ intent: { type: 'line', text: '/help' }, address: { ...address, fileBytes: 1e6, member: true } },
      ...{ receivedAt: Date.now() - minutes * 60_000, state: 'received', posted: {}, fileCount: 0 },
    };
    const noted: unknown[] = [];
    const secrets = { files: [], token: open.token };
    await messenger.finish(delivery, { state: 'told', text: 'by now' }, secrets, async (note) => {
      noted.push(note);
    });
    const own = discord.in(CHANNEL).filter(({ nonce }) => nonce === delivery.id);
    expect(own).toHaveLength(isUsed ? 0 : 1);
    expect(discord.messages.get(open.message ?? '')?.content === 'by now').toBe(isUsed);
    // Where it stands is written down, so that a second try changes it and makes no other.
    expect(noted).toHaveLength(isUsed ? 0 : 1);
    store.disconnect();
  });

  it('ends in a message of the bot’s own, once, and the old one says so', async () => {
    engine.hold();
    const open = ana.slash('generate', { prompt: 'long' });
    const old = await stage.ended(open, 'Composing');
    open.expired = true;
    engine.release();
    const late = await until(() => discord.in(CHANNEL).find(({ nonce }) => nonce === `d${open.id}`));
    expect(late.content).toContain('seed');
    expect(late.reference).toBe(old.id);
    expect(namesOf(late)).toEqual(['track.mp3', 'waveform.png']);
    await until(() => old.content.includes('took longer'));
    expect(buttonsOn(old)).toEqual([]);
    expect(labelsOf(late)).toContain('Extend');
  });

  it('ends in a direct message where the bot is no member', async () => {
    discord.rest.intercept = ({ path, method }) =>
      path.startsWith(`/channels/${CHANNEL}/`) && method === 'POST'
        ? refusal(403, 50001, 'Missing Access')
        : undefined;
    engine.hold();
    const open = ana.slash('ask', { question: 'What?' }, { userInstalled: true });
    await stage.ended(open, 'Writing');
    open.expired = true;
    engine.release();
    const late = await until(() => discord.in(DIRECT).find(({ nonce }) => nonce === `d${open.id}`));
    expect(late.content).toContain('It is a waltz.');
  });

  it('is given up where the bot may not write at all', async () => {
    discord.rest.intercept = ({ path, method }) =>
      method === 'POST' && /^\/channels\//.test(path) ? refusal(403, 50001, 'Missing Access') : undefined;
    const said = ana.say(`<@${BOT}> What is it?`);
    await until(() => engine.requests.some(({ id }) => id === `d${said.id}`));
    const { redis } = stage.bot.services;
    const connection = redis.connect('producer');
    await expect
      .poll(() => connection.hget(`${redis.prefix}:delivery:d${said.id}`, 'state'), { timeout: 20_000 })
      .toBe('closed');
    connection.disconnect();
  });
});
