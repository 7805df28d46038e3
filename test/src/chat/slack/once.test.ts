import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { repositoryFolder } from '#src/config';
import { slackEnvironment, startTestBot, type TestBot } from '#test/src/chat/slack/support/bot';
import { Driver, shownIn, socketWire, until } from '#test/src/chat/slack/support/driver';
import { SlackServer } from '#test/src/chat/slack/support/slack-server';
import { ALICE, BOT, DIRECT_ALICE, GENERAL, type Message } from '#test/src/chat/slack/support/workspace';
import { tone } from '#test/support/media-fixtures';
import { RedisProcess } from '#test/support/redis-process';
import { makeResult } from '#test/support/requests';

const isDone = (message: Message | undefined) =>
  message !== undefined && shownIn(message).includes('mini · ');
const answersIn = (server: SlackServer) =>
  server.workspace.messages.filter(({ bot_id, files }) => bot_id === BOT && files.length === 0);
const uploadsIn = (server: SlackServer) =>
  server.workspace.messages.filter(({ bot_id, files }) => bot_id === BOT && files.length > 0);

/** Makes a bot's worker answer with a real track. */
async function giveTrack(bot: TestBot): Promise<Buffer> {
  const path = tone(join(bot.folder, 'song.mp3'), { seconds: 1 });
  const content = { kind: 'audio', mime: 'audio/mpeg', seconds: 1 } as const;
  const { key, bytes } = await bot.opened.services.storage.putFile(path, content);
  bot.handle = async (request) =>
    makeResult(request, { files: [{ key, bytes, name: 'result.mp3', mime: 'audio/mpeg', seconds: 1 }] });
  return readFile(path);
}

describe('when an answer of Slack’s is lost', () => {
  let bot: TestBot;
  let song: Buffer;

  beforeAll(async () => {
    bot = await startTestBot({
      mode: 'socket',
      environment: { MUMU_PUBLIC_URL: 'https://files.example.org' },
    });
    song = await giveTrack(bot);
  });
  afterAll(() => bot?.close());
  afterEach(() => expect(bot.server.api.problems.splice(0)).toEqual([]));

  async function generate(): Promise<{ answers: Message[]; uploads: Message[] }> {
    const { server, driver } = bot;
    const [answers, uploads] = [answersIn(server).length, uploadsIn(server).length];
    await driver.command(ALICE, GENERAL, '/generate', 'a waltz');
    await until('the result', () => answersIn(server).slice(answers).some(isDone));
    return { answers: answersIn(server).slice(answers), uploads: uploadsIn(server).slice(uploads) };
  }

  it.each([
    ['to the status message', 'chat.postMessage'],
    ['to an edit', 'chat.update'],
    ['to an upload’s address', 'files.getUploadURLExternal'],
    ['to an upload', 'upload'],
    ['to a completed upload', 'files.completeUploadExternal'],
    ['to a look at a file', 'files.info'],
  ])('%s: there is one message and one track all the same', async (_what, method) => {
    bot.server.mishap(method, { kind: 'lose' });
    const { answers, uploads } = await generate();
    expect(answers).toHaveLength(1);
    expect(uploads).toHaveLength(1);
    const [file] = uploads[0]?.files ?? [];
    expect(bot.server.workspace.files.get(file?.id ?? '')?.content.equals(song)).toBe(true);
  });

  it('a status message in a thread is found again too', async () => {
    const { server, driver } = bot;
    const first = answersIn(server).length;
    const root = await driver.say(ALICE, DIRECT_ALICE, 'compose a march');
    await until('the result', () => isDone(answersIn(server)[first]));
    const before = answersIn(server).length;
    bot.server.mishap('chat.postMessage', { kind: 'lose' });
    await driver.say(ALICE, DIRECT_ALICE, 'compose a march', { thread: root.ts });
    await until('the result', () => isDone(answersIn(server)[before]));
    expect(answersIn(server)).toHaveLength(before + 1);
    expect(answersIn(server)[before]?.thread_ts).toBe(root.ts);
  });

  it('nor does it matter that Slack asks to wait', async () => {
    bot.server.mishap('chat.update', { kind: 'limit', seconds: 1 });
    const { answers, uploads } = await generate();
    expect([answers.length, uploads.length]).toEqual([1, 1]);
  });

  it('nor that it shares a track later', async () => {
    bot.server.api.shares = 'when looked at';
    const { answers, uploads } = await generate();
    expect([answers.length, uploads.length]).toEqual([1, 1]);
    bot.server.api.shares = 'at once';
  });

  it('a deleted status message is posted anew', async () => {
    const { server, driver } = bot;
    const usual = bot.handle;
    let finish = () => undefined as unknown;
    const held = new Promise((resolve) => {
      finish = () => resolve(undefined);
    });
    bot.handle = async (request, context) => {
      await held;
      return usual(request, context);
    };
    const before = answersIn(server).length;
    await driver.command(ALICE, GENERAL, '/ask', 'Well?');
    const status = await until('the status', () => answersIn(server)[before]);
    server.workspace.messages.splice(server.workspace.messages.indexOf(status), 1);
    finish();
    await until('the result', () => isDone(answersIn(server)[before]));
    bot.handle = usual;
  });

  it('a track that Slack refuses is linked instead', async () => {
    bot.server.mishap('files.getUploadURLExternal', { kind: 'refuse', error: 'storage_limit_reached' });
    const { answers, uploads } = await generate();
    expect(uploads).toEqual([]);
    expect(shownIn(answers[0] as Message)).toContain('<https://files.example.org/');
  });
});

// Processes start and die here; on a machine that is busy otherwise each start takes its time.
const PATIENCE = 120;

describe('a bot that is killed', { timeout: 300_000 }, () => {
  let server: SlackServer;
  let redis: RedisProcess;
  let folder: string;

  beforeAll(async () => {
    server = await SlackServer.start();
    redis = await RedisProcess.create();
    folder = await mkdtemp(join(tmpdir(), 'mumu-slack-'));
  });
  afterAll(async () => {
    await redis?.close();
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    ['while it posts the status message', 'chat.postMessage'],
    ['while it sends a track', 'upload'],
    ['while it shares a track', 'files.completeUploadExternal'],
  ])('%s: the next one ends it, and nothing is there twice', async (_what, moment) => {
    const prefix = `once-${moment.replaceAll('.', '-')}`;
    const environment = {
      ...slackEnvironment(server.address, 'socket'),
      ...{ REDIS_URL: redis.url, MUMU_REDIS_PREFIX: prefix, MUMU_DATA: folder },
    };
    const script = join(repositoryFolder(), 'test/src/chat/slack/support/bot-process.ts');
    const child = spawn(
      process.execPath,
      ['--conditions=mumu-source', '--import', 'tsx', script, JSON.stringify(environment)],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    );
    const exit = once(child, 'exit');
    onTestFinished(() => void child.kill('SIGKILL'));
    await until('the first bot', () => server.connections === 1, PATIENCE);
    server.done = (method) => {
      if (method === moment) child.kill('SIGKILL');
    };
    // A second bot, with the worker, which goes on: connected to the same Slack over HTTP.
    const worker = await startTestBot({
      mode: 'http',
      server,
      environment: { ...environment, SLACK_APP_TOKEN: '' },
    });
    onTestFinished(() => worker.close());
    await giveTrack(worker);
    const [answers, uploads] = [answersIn(server).length, uploadsIn(server).length];
    await new Driver(server, socketWire(server)).command(ALICE, GENERAL, '/generate', 'a waltz');
    await exit;
    server.done = () => undefined;
    expect(child.signalCode).toBe('SIGKILL');
    await until('the result', () => answersIn(server).slice(answers).some(isDone), PATIENCE);
    expect(answersIn(server)).toHaveLength(answers + 1);
    expect(uploadsIn(server)).toHaveLength(uploads + 1);
    expect(server.api.problems.splice(0)).toEqual([]);
  });
});
