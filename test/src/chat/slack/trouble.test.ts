import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from '@slack/bolt';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { wordsFor } from '#src/chat/delivery/words';
import { openConnection } from '#src/chat/slack/receiver';
import { clientOptions } from '#src/chat/slack/web';
import { loadConfig } from '#src/config';
import { createLogger } from '#src/log';
import { slackEnvironment, startTestBot, type TestBot } from '#test/src/chat/slack/support/bot';
import { Driver, shownIn, socketWire, until } from '#test/src/chat/slack/support/driver';
import { SlackServer } from '#test/src/chat/slack/support/slack-server';
import {
  ALICE,
  BORIS,
  BOT,
  BOT_USER,
  DIRECT_ALICE,
  EDITORS,
  GENERAL,
  type Message,
} from '#test/src/chat/slack/support/workspace';
import { RedisProcess } from '#test/support/redis-process';

const answersIn = (server: SlackServer) =>
  server.workspace.messages.filter(({ bot_id, files }) => bot_id === BOT && files.length === 0);
const isDone = (message: Message | undefined) =>
  message !== undefined && shownIn(message).includes('mini · ');

describe('an event', () => {
  it('is confirmed when it was taken care of, and anyway before Slack loses patience', async () => {
    const server = await SlackServer.start();
    const log = createLogger('silent');
    const { slack } = loadConfig(slackEnvironment(server.address, 'socket'));
    if (slack === undefined) throw new Error('no settings');
    const connection = openConnection(slack, log);
    const app = new App({
      receiver: connection.receiver,
      authorize: async () => ({ botToken: slack.botToken, botId: BOT, botUserId: BOT_USER }),
      clientOptions: clientOptions(slack),
    });
    const order: string[] = [];
    let release = () => undefined as unknown;
    const held = new Promise((resolve) => {
      release = () => resolve(undefined);
    });
    app.event('message', async ({ event }) => {
      order.push('heard');
      if ('text' in event && event.text === 'never') await new Promise(() => undefined);
      await held;
      order.push('written down');
    });
    await connection.start(app);
    const driver = new Driver(server, socketWire(server));
    const said = driver.say(ALICE, DIRECT_ALICE, 'hello').then(() => order.push('confirmed'));
    await until('the event', () => order.includes('heard'));
    release();
    await said;
    expect(order).toEqual(['heard', 'written down', 'confirmed']);
    await driver.say(ALICE, DIRECT_ALICE, 'never');
    await connection.receiver.stop();
    await server.close();
  });
});

describe('Redis away', () => {
  it('is said, and what was asked is answered once when it is back', async () => {
    const redis = await RedisProcess.create();
    const bot = await startTestBot({ mode: 'socket', environment: { REDIS_URL: redis.url } });
    const { server, driver } = bot;
    await driver.command(ALICE, GENERAL, '/ask', 'Before?');
    await until('an answer', () => isDone(answersIn(server)[0]));
    await redis.kill();
    await driver.command(ALICE, GENERAL, '/ask', 'Meanwhile?');
    const status = await until('a word', () => answersIn(server)[1]);
    await until('the right word', () => shownIn(status).includes(wordsFor('en').moment));
    await redis.start();
    await until('the answer', () => isDone(status), 50);
    expect(answersIn(server)).toHaveLength(2);
    expect(server.api.problems).toEqual([]);
    await bot.close();
    await redis.close();
  });
});

describe('the operator’s rules', () => {
  let bot: TestBot;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mumu-policy-'));
    const file = join(folder, 'policy.json');
    const rules = [
      { allow: true, roles: [EDITORS], commands: ['generate'] },
      { allow: false, commands: ['generate'], say: 'Editors only.' },
    ];
    const answers = { strike: ['waltz'] };
    await writeFile(file, JSON.stringify({ access: { rules }, prompts: { refuse: ['polka'] }, answers }));
    bot = await startTestBot({ mode: 'socket', environment: { MUMU_POLICY: file } });
  });
  afterAll(async () => {
    await bot?.close();
    await rm(folder, { recursive: true, force: true });
  });
  afterEach(() => expect(bot.server.api.problems.splice(0)).toEqual([]));

  const next = async (user: string, text: string) => {
    const before = answersIn(bot.server).length;
    await bot.driver.command(user, GENERAL, '/mumu', text);
    const message = await until('an answer', () => answersIn(bot.server)[before]);
    await until(
      'its end',
      () =>
        (!shownIn(message).includes('▱') && message.blocks.every(({ type }) => type === 'section')) ||
        isDone(message),
    );
    return shownIn(message);
  };

  it('count user groups of the workspace', async () => {
    expect(await next(ALICE, 'generate a march')).toContain('Editors only.');
    expect(await next(BORIS, 'generate a march')).toContain('Paket mini');
    expect(bot.server.api.calls.filter((method) => method === 'usergroups.list')).toHaveLength(1);
  });

  it('hold for words and answers', async () => {
    expect(await next(ALICE, 'ask Is this a polka?')).not.toContain('seed');
    // The worker's engine answers "a waltz" to everything.
    expect(await next(ALICE, 'ask What is it?')).not.toContain('waltz');
  });
});
