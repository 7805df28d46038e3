import { MumuError } from '#contracts/errors';
import { requirePlatform, startAdapters } from '#src/app/adapters';
import { openServices } from '#src/app/open';
import { startOps } from '#src/app/ops';
import { openBrowser, startPage } from '#src/app/page';
import { Running, untilStopped } from '#src/app/running';
import { startWorkerPart } from '#src/app/worker';
import type { EngineState } from '#src/chat/local/context';
import { ProgressView } from '#src/cli/terminal';
import type { Config } from '#src/config';
import { createLogger } from '#src/log';

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
 * Runs parts until SIGINT or SIGTERM. The worker starts last and ends first: what it finishes while it drains is
 * still shown.
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
    if (parts.bot) {
      const adapters = await Promise.race([startAdapters(opened.services, running), stopped]);
      if (typeof adapters === 'number') return adapters;
      for (const adapter of adapters) {
        health.watch(adapter.platform, () => adapter.connected);
        view.note(adapter.connected ? `${adapter.platform} connected` : `${adapter.platform}: connecting`);
      }
    }
    if (parts.worker) {
      let enginePid = (): number | null => null;
      health.watch('worker', () => enginePid() !== null);
      const worker = await Promise.race([startWorkerPart(opened, view), stopped]);
      if (typeof worker === 'number') return worker;
      running.add('worker', () => worker.close(config.drainMilliseconds));
      enginePid = () => worker.enginePid;
      engine = { state: 'ready', pack: worker.pack, device: worker.device };
      view.note(`pack ${worker.pack} on ${worker.device} (${worker.why})`);
    }
    if (page !== undefined) {
      view.note(`chat at ${page}, until Ctrl-C`);
      openBrowser(page);
    }
    const died = opened.services.redis.lost.then(() => {
      throw new MumuError('missing_dependency', 'redis-server has ended by itself: start mumu again.');
    });
    return await Promise.race([stopped, died]);
  } finally {
    view.clear();
    await running.close(config.drainMilliseconds + STOP_SLACK);
  }
}
