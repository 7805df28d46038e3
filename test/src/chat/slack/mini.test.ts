import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { probe } from '#inference/media/probe';
import { type RunningWorker, startWorker } from '#inference/worker';
import { ensurePack } from '#src/cli/packs';
import { repositoryFolder } from '#src/config';
import { startTestBot, type TestBot } from '#test/src/chat/slack/support/bot';
import { shownIn, until } from '#test/src/chat/slack/support/driver';
import {
  ALICE,
  BOT,
  BOT_USER,
  DIRECT_ALICE,
  GENERAL,
  type Message,
} from '#test/src/chat/slack/support/workspace';

// The shipped pack is built and its engine runs here; a busy machine takes its time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });
const PATIENCE = 200;

describe('with the shipped pack', () => {
  let bot: TestBot;
  let worker: RunningWorker;

  beforeAll(async () => {
    bot = await startTestBot({ mode: 'socket', worker: false });
    const { config, redis, storage, policy, log } = bot.opened.services;
    worker = await startWorker({
      ...{ redis, storage, policy, log },
      packFolder: await ensurePack(config, 'mini'),
      device: 'cpu',
      dataFolder: config.dataFolder,
      keepMilliseconds: config.limits.keepMilliseconds,
    });
  });
  afterAll(async () => {
    await worker?.close(0);
    await bot?.close();
  });

  const example = async (name: string, mimetype: string) =>
    bot.driver.file(name, mimetype, await readFile(join(repositoryFolder(), 'examples', name)));
  const own = (shared: boolean) =>
    bot.server.workspace.messages.filter(
      ({ bot_id, files }) => bot_id === BOT && files.length > 0 === shared,
    );
  const answer = (place: number) =>
    until(
      'an answer',
      () => {
        const message: Message | undefined = own(false)[place];
        return message !== undefined && shownIn(message).includes('mini · ') ? message : undefined;
      },
      PATIENCE,
    );
  /** What the last uploaded file holds. */
  async function lastUpload() {
    const [file] = own(true).at(-1)?.files ?? [];
    const path = join(bot.folder, file?.name ?? 'none');
    await writeFile(path, bot.server.workspace.files.get(file?.id ?? '')?.content ?? '');
    return probe(path);
  }

  it('talks about a song, changes it, and makes music for a picture and a clip', async () => {
    await bot.driver.command(ALICE, GENERAL, '/mumu-settings', 'seconds 2');
    const song = await example('waltz-violin-slow.mp3', 'audio/mpeg');
    const asked = await bot.driver.say(ALICE, GENERAL, `<@${BOT_USER}> Which instrument plays?`, {
      files: [song],
    });
    const said = await answer(0);
    expect(said.thread_ts).toBe(asked.ts);
    expect(said.text.length).toBeGreaterThan(3);
    expect(own(true)).toEqual([]);

    await bot.driver.say(ALICE, GENERAL, `<@${BOT_USER}> make it 20 % slower`, { thread: asked.ts });
    await answer(1);
    const slower = await lastUpload();
    expect(slower.kind).toBe('audio');

    const beach = await bot.driver.say(ALICE, DIRECT_ALICE, 'compose music for this', {
      files: [await example('beach-sunset.webp', 'image/webp')],
    });
    expect(beach.files).toHaveLength(1);
    const composed = await answer(2);
    expect(await lastUpload()).toMatchObject({ kind: 'audio', seconds: expect.closeTo(2, 0) });
    expect(shownIn(composed)).toMatch(/seed \d+ · pack mini/);

    const message = await bot.driver.say(ALICE, GENERAL, 'our drive', {
      files: [await example('country-drive.mp4', 'video/mp4')],
    });
    await bot.driver.messageShortcut(ALICE, 'Music for this', message);
    await answer(3);
    expect(await lastUpload()).toMatchObject({ kind: 'video' });
    // Remix, music for the picture, and for the clip the music and the clip with it.
    expect(own(true)).toHaveLength(4);
    expect(bot.server.api.problems).toEqual([]);
  });
});
