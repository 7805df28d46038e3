import { MumuError } from '#contracts/errors';
import type { RunningWorker } from '#inference/worker';
import { openAdapters, type PatientAdapter, requirePlatform } from '#src/app/adapters';
import { type Opened, openServices } from '#src/app/open';
import { startOps } from '#src/app/ops';
import { openBrowser, startPage } from '#src/app/page';
import { Running, untilStopped } from '#src/app/running';
import { startWorkerPart } from '#src/app/worker';
import type { EngineState } from '#src/chat/local/context';
import { ProgressView } from '#src/cli/terminal';
import type { Config } from '#src/config';
import { createLogger } from '#src/log';
import type { Health } from '#src/ops/health';

/** What one process runs. Parts meet on Redis and in storage only, so any of them may be in any process. */
export interface Parts {
  /** Discord and Slack, as far as there are tokens. */
  bot: boolean;
  /** The local page. */
  page: boolean;
  /** Engine and queue. */
  worker: boolean;
}

/** Whatever hangs while stopping is given up after the drain and this, milliseconds. */
const STOP_SLACK = 5_000;

/**
 * Runs parts until SIGINT or SIGTERM. Bot and worker start side by side, so that a platform that does not answer holds
 * up no work, and the worker ends first: what it finishes while it drains is still shown.
 * @returns the exit code: 0 after SIGTERM, 130 after SIGINT.
 * @throws MumuError if something cannot be started, or if Redis dies.
 */
export async function runParts(config: Config, parts: Parts): Promise<number> {
  if (parts.bot) requirePlatform(config);
  const asks = parts.bot || parts.page;
  if (config.redisUrl === undefined && !(asks && parts.worker)) {
    throw new MumuError(
      'missing_dependency',
      'A bot and a worker in processes of their own meet on a Redis: set REDIS_URL, or run "mumu all".',
    );
  }
  const log = createLogger(config.logLevel, config.logTexts);
  const view = new ProgressView(process.stderr);
  const stopped = untilStopped();
  const running = new Running(log);
  let engine: EngineState = { state: 'starting' };
  try {
    const opened = await openServices(config, log, running);
    const { health, address: opsAddress } = await startOps(opened, running);
    if (opsAddress !== undefined) view.note(`metrics and health at ${opsAddress}`);
    const page = parts.page ? await startPage(opened.services, () => engine, running) : undefined;
    const adapters = parts.bot ? await openAdapters(opened.services, running) : [];
    const startWorker = async () => {
      if (parts.worker) {
        const up = await startWorkerSide(opened, running, health, view);
        if (up === undefined) return;
        engine = up;
      }
      if (page === undefined) return;
      view.note(`chat at ${page}, until Ctrl-C`);
      openBrowser(page);
    };
    const died = opened.services.redis.lost.then(() => {
      throw new MumuError('missing_dependency', 'redis-server has ended by itself: start mumu again.');
    });
    const started = Promise.all([startBot(adapters, health, view), startWorker()]);
    // What fails ends everything, and so does a signal, also while some of it has not come up yet.
    const early = await Promise.race([started, stopped, died]);
    return typeof early === 'number' ? early : await Promise.race([stopped, died]);
  } finally {
    view.clear();
    await running.close(config.drainMilliseconds + STOP_SLACK);
  }
}

/** Connects to every platform. @throws MumuError what is wrong with a platform's tokens */
async function startBot(
  adapters: readonly PatientAdapter[],
  health: Health,
  view: ProgressView,
): Promise<void> {
  await Promise.all(
    adapters.map(async (adapter) => {
      health.watch(adapter.platform, () => adapter.connected);
      await adapter.start();
      view.note(adapter.connected ? `${adapter.platform} connected` : `${adapter.platform}: connecting`);
    }),
  );
}

/**
 * Starts a worker that ends with everything else, whether it is up by then or not.
 * @returns undefined where it came up too late
 */
async function startWorkerSide(
  opened: Opened,
  running: Running,
  health: Health,
  view: ProgressView,
): Promise<EngineState | undefined> {
  const { drainMilliseconds } = opened.services.config;
  let worker: RunningWorker | undefined;
  let isOver = false;
  running.add('worker', async () => {
    isOver = true;
    await worker?.close(drainMilliseconds);
  });
  health.watch('worker', () => worker !== undefined && worker.enginePid !== null);
  worker = await startWorkerPart(opened, view);
  const { pack, device, why } = worker;
  // Nobody waits for it any more: it takes no jobs.
  if (isOver) {
    await worker.close(0);
    return undefined;
  }
  view.note(`pack ${pack} on ${device} (${why})`);
  return { state: 'ready', pack, device };
}
