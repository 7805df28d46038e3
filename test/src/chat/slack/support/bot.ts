import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Opened, openServices } from '#src/app/open';
import { Running } from '#src/app/running';
import type { Services } from '#src/app/services';
import { startCourier } from '#src/chat/delivery/courier';
import { loadSecret } from '#src/chat/delivery/seal';
import { type RunningSlack, startSlack } from '#src/chat/slack/start';
import { loadConfig } from '#src/config';
import { createLogger, type Logger } from '#src/log';
import { consumeJobs, type JobHandler } from '#src/queue/consume';
import { Driver, httpWire, SIGNING_SECRET, socketWire } from '#test/src/chat/slack/support/driver';
import { APP_TOKEN, BOT_TOKEN, SlackServer } from '#test/src/chat/slack/support/slack-server';
import { makeResult } from '#test/support/requests';

export interface TestBot {
  server: SlackServer;
  driver: Driver;
  slack: RunningSlack;
  opened: Opened;
  folder: string;
  /** What the worker does with a job; by default it answers at once. */
  handle: JobHandler;
  close(): Promise<void>;
}

export interface TestBotOptions {
  mode: 'socket' | 'http';
  /** Without: jobs wait for a worker that the test starts. */
  worker?: boolean;
  environment?: Record<string, string>;
  /** A Slack that others are connected to already; it stays when the bot is closed. */
  server?: SlackServer;
}

/** Another bot takes over from one that died after so long, milliseconds. */
const SHORT_LEASE = 3000;

/** Services as `mumu bot` opens them, but a bot that dies is noticed sooner. */
export async function openMortalServices(
  environment: Record<string, string>,
  running: Running,
  log: Logger,
): Promise<Opened> {
  const config = loadConfig(environment);
  const opened = await openServices(config, log, running);
  const { redis, queue, storage, intake, policy, answers, settings } = opened.services;
  const secret = await loadSecret(config);
  const courier: Services['courier'] = (messenger) =>
    startCourier({
      ...{ redis, queue, storage, intake, policy, answers, messenger, secret, log },
      defaults: (who, command) => settings.defaults(who, command),
      keepMilliseconds: config.limits.keepMilliseconds,
      leaseMilliseconds: SHORT_LEASE,
    });
  return { ...opened, services: { ...opened.services, courier } };
}

/** What a bot needs to know to find a Slack on this machine. */
export function slackEnvironment(address: string, mode: 'socket' | 'http'): Record<string, string> {
  return {
    SLACK_BOT_TOKEN: BOT_TOKEN,
    MUMU_SLACK_API: `${address}/api/`,
    ...(mode === 'socket'
      ? { SLACK_APP_TOKEN: APP_TOKEN }
      : { SLACK_SIGNING_SECRET: SIGNING_SECRET, MUMU_SLACK_PORT: '0' }),
  };
}

/**
 * The bot as `mumu bot` starts it, on a Redis of its own, connected to a Slack on this machine, and a worker whose
 * engine is a function of the test.
 */
export async function startTestBot(options: TestBotOptions): Promise<TestBot> {
  const folder = await mkdtemp(join(tmpdir(), 'mumu-slack-'));
  const server = options.server ?? (await SlackServer.start());
  const log = createLogger(process.env.MUMU_TEST_LOG ?? 'silent');
  const running = new Running(log);
  running.add('folder', () => rm(folder, { recursive: true, force: true }));
  if (options.server === undefined) running.add('slack server', () => server.close());
  try {
    const environment = { MUMU_DATA: folder, ...slackEnvironment(server.address, options.mode) };
    const all = { ...environment, ...options.environment };
    const opened = await (options.server === undefined
      ? openServices(loadConfig(all), log, running)
      : openMortalServices(all, running, log));
    const { config } = opened.services;
    const slack = await startSlack(opened.services);
    running.add('slack', () => slack.close());
    const wire = options.mode === 'socket' ? socketWire(server) : httpWire(() => slack.port ?? 0);
    const bot: TestBot = {
      server,
      driver: new Driver(server, wire),
      slack,
      opened,
      folder,
      handle: async (request) => makeResult(request),
      close: () => running.close(20_000),
    };
    if (options.worker !== false) {
      const consumer = await consumeJobs({
        redis: opened.services.redis,
        queues: ['text', 'music'],
        concurrency: { text: 4, music: 4 },
        handle: (request, context) => bot.handle(request, context),
        keepMilliseconds: config.limits.keepMilliseconds,
        log,
      });
      running.add('worker', () => consumer.close(0));
    }
    return bot;
  } catch (error) {
    await running.close(20_000);
    throw error;
  }
}
