import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { APIAttachment } from 'discord-api-types/v10';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { probe } from '#inference/media/probe';
import { startWorker } from '#inference/worker';
import { ensurePack } from '#src/cli/packs';
import { repositoryFolder } from '#src/config';
import { createLogger } from '#src/log';
import { Bot, until } from '#test/src/chat/discord/support/bot';
import {
  BOT,
  LocalDiscord,
  type Standing,
  THREAD_CHANNEL,
} from '#test/src/chat/discord/support/local-discord';
import { Person } from '#test/src/chat/discord/support/people';
import type { OpenInteraction } from '#test/src/chat/discord/support/rest-api';
import { fixtureFolder } from '#test/support/media-fixtures';

// The whole way: real files, the shipped pack built from its checkpoint, the engine in its own process.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const examples = join(repositoryFolder(), 'examples');
const log = createLogger('silent');
const fixtures = fixtureFolder();
let discord: LocalDiscord;
let bot: Bot;

beforeAll(async () => {
  discord = await LocalDiscord.start();
  bot = await Bot.start(discord);
  const { config, redis, storage } = bot.services;
  const packFolder = await ensurePack(config, 'mini');
  const worker = await startWorker({
    ...{ redis, storage, packFolder, device: 'cpu', threads: 1, dataFolder: bot.folder, log },
    keepMilliseconds: config.limits.keepMilliseconds,
  });
  bot.add('worker', () => worker.close(0));
});
afterEach(() => {
  expect(discord.rest.problems).toEqual([]);
});
afterAll(async () => {
  await bot?.close();
  await discord?.close();
  fixtures.remove();
});

const WAIT = { timeout: 200_000 };

function example(name: string, type: string): APIAttachment {
  return discord.attach(name, type, readFileSync(join(examples, name)));
}

async function ended(open: OpenInteraction): Promise<Standing> {
  return await until(() => {
    const message = discord.messages.get(open.message ?? '');
    return message?.content.includes('· pack mini ·') === true ? message : undefined;
  }, WAIT);
}

/** What a message's track really is. */
async function trackOf(message: Standing, ending: string) {
  const file = message.files.find(({ name }) => name.endsWith(ending));
  const path = fixtures.path(`track${ending}`);
  writeFileSync(path, file?.bytes ?? '');
  return await probe(path);
}

describe('with the pack that ships', () => {
  it('a song is asked about; a picture is described', async () => {
    const ana = new Person(discord, 'ana');
    const song = example('waltz-violin-slow.mp3', 'audio/mpeg');
    const answer = await ended(
      ana.slash('ask', { question: 'Which instrument plays the melody?', file: song }),
    );
    expect(answer.content).toMatch(/\w+ .*\n-# seed \d+ · pack mini · [\d.]+ s · job d\d+$/);
    const picture = example('beach-sunset.webp', 'image/webp');
    expect((await ended(ana.slash('describe', { file: picture }))).content.length).toBeGreaterThan(60);
  });

  it('music is made from words, the same with the same seed, and remixed in a form', async () => {
    const ben = new Person(discord, 'ben');
    const values = { prompt: 'a slow waltz with piano', seconds: 2, seed: 11, temperature: 0 };
    const made = await ended(ben.slash('generate', values));
    expect(await trackOf(made, '.mp3')).toMatchObject({ kind: 'audio', seconds: expect.closeTo(2, 0) });
    const same = await ended(ben.slash('generate', values));
    const bytes = (message: Standing) => message.files[0]?.bytes.toString('base64');
    expect(bytes(same)).toBe(bytes(made));

    const pressed = ben.press(same, 'Remix');
    await until(() => pressed.modal, WAIT);
    const remixed = await ended(ben.submit(pressed, 'half speed and a whole tone down'));
    expect(remixed.content).toContain('tempo');
    expect((await trackOf(remixed, '.mp3')).seconds).toBeCloseTo(4, 0);
  });

  it('a clip gets its soundtrack, in a thread, by a mention, and the next word changes that', async () => {
    const cat = new Person(discord, 'cat');
    const clip = example('country-drive.mp4', 'video/mp4');
    const said = cat.say(`<@${BOT}> /generate music for this drive --seconds 2 --format mp4`, {
      files: [clip],
      channel: THREAD_CHANNEL,
    });
    const answered = (id: string) =>
      until(
        () =>
          [...discord.messages.values()].find(
            ({ reference, content }) => reference === id && content.includes('· pack mini ·'),
          ),
        WAIT,
      );
    const made = await answered(said.id);
    expect(await trackOf(made, '.mp4')).toMatchObject({ kind: 'video', hasAudio: true });
    const next = cat.say(`<@${BOT}> pitch it a whole tone up`, { channel: THREAD_CHANNEL });
    expect((await answered(next.id)).content).toContain('pitch up');
  });
});
