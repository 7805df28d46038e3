import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MumuError } from '#contracts/errors';
import { probe } from '#inference/media/probe';
import { startWorker } from '#inference/worker';
import { Intake } from '#src/chat/intake';
import type { EngineState } from '#src/chat/local/context';
import { createServer, listen } from '#src/chat/local/server';
import { ensurePack } from '#src/cli/packs';
import { ProgressView } from '#src/cli/terminal';
import { type Config, repositoryFolder } from '#src/config';
import { createLogger } from '#src/log';
import { JobQueue } from '#src/queue/job-queue';
import { openRedis } from '#src/redis/access';
import { FolderStorage } from '#src/storage/folder-storage';

/** How often stored files are looked through for expired ones, milliseconds. */
const SWEEP_INTERVAL = 3600_000;
/** Whatever hangs while stopping is given up after the drain and this, milliseconds. */
const STOP_SLACK = 5_000;

/**
 * Serves the local page until SIGINT or SIGTERM: Redis, storage, queue, page, engine, in this order, and back.
 * @returns the exit code: 0 after SIGTERM, 130 after SIGINT.
 * @throws MumuError if something cannot be started, or if Redis dies.
 */
export async function runChat(config: Config): Promise<number> {
  const log = createLogger(config.logLevel);
  const view = new ProgressView(process.stderr);
  const stopped = untilStopped();
  /** What has been started, to be ended in the opposite order. */
  const running: Array<() => Promise<unknown>> = [];
  let engine: EngineState = { state: 'starting' };
  let sweeper: NodeJS.Timeout | undefined;

  try {
    const redis = await openRedis(config, log);
    running.push(() => redis.close());
    const queue = new JobQueue(redis, {
      activeJobs: config.limits.activeJobs,
      keepMilliseconds: config.limits.keepMilliseconds,
      log,
    });
    running.push(() => queue.close());
    await queue.ready();
    const storage = await FolderStorage.open({
      folder: join(config.dataFolder, 'storage'),
      maxBytes: config.limits.storageBytes,
      keepMilliseconds: config.limits.keepMilliseconds,
      filesInUse: () => queue.filesInUse(),
      log,
    });
    sweeper = setInterval(() => {
      storage.sweep().catch((error: Error) => log.warn({ error: error.message }, 'could not clean up'));
    }, SWEEP_INTERVAL);
    const app = await createServer({
      config,
      queue,
      storage,
      intake: new Intake({
        queue,
        storage,
        maxFileBytes: config.limits.uploadBytes,
        inspect: async (path, signal) => {
          const { kind, mime, seconds } = await probe(path, signal);
          return { kind, mime, ...(seconds === undefined ? {} : { seconds }) };
        },
      }),
      engineState: () => engine,
      pageFolder: join(repositoryFolder(), 'dist', 'page'),
      examplesFolder: join(repositoryFolder(), 'examples'),
      log,
    });
    running.push(() => app.close());
    const port = await listen(app, config.host, config.port);

    const start = async () => {
      const packFolder = await ensurePack(config, config.pack, {
        onProgress: (fraction) => view.show('building', fraction),
        onWait: () => view.note('another mumu builds this pack: waiting for it'),
      });
      view.clear();
      const worker = await startWorker({
        redis,
        storage,
        packFolder,
        device: config.device,
        ...(config.threads === undefined ? {} : { threads: config.threads }),
        dataFolder: config.dataFolder,
        keepMilliseconds: config.limits.keepMilliseconds,
        log,
      });
      running.push(() => worker.close(config.drainMilliseconds));
      return worker;
    };
    const worker = await Promise.race([start(), stopped]);
    if (typeof worker === 'number') return worker;
    engine = { state: 'ready', pack: worker.pack, device: worker.device };
    const address = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
    view.note(`pack ${worker.pack} on ${worker.device} (${worker.why})`);
    view.note(`chat at ${address}, until Ctrl-C`);
    openBrowser(address);

    const died = redis.lost.then(() => {
      throw new MumuError('missing_dependency', 'redis-server has ended by itself: start mumu again.');
    });
    return await Promise.race([stopped, died]);
  } finally {
    view.clear();
    clearInterval(sweeper);
    const ending = endAll(running, (error) => log.warn({ error: error.message }, 'while stopping'));
    await Promise.race([ending, delay(config.drainMilliseconds + STOP_SLACK, undefined, { ref: false })]);
  }
}

/** The last that was started ends first: no request comes in when no worker is left, and Redis goes last. */
async function endAll(
  running: ReadonlyArray<() => Promise<unknown>>,
  onError: (error: Error) => void,
): Promise<void> {
  for (const end of [...running].reverse()) await end().catch(onError);
}

/** The exit code of the first signal; a second one ends the process at once. */
function untilStopped(): Promise<number> {
  return new Promise((resolve) => {
    let asked = false;
    const on = (code: number) => () => {
      if (asked) process.exit(code);
      asked = true;
      resolve(code);
    };
    process.on('SIGINT', on(130));
    process.on('SIGTERM', on(0));
  });
}

/** Opens the page for someone who sits at this machine; whoever does not reads the address. */
function openBrowser(address: string): void {
  const hasDisplay = process.platform === 'darwin' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  if (process.stderr.isTTY !== true || !hasDisplay || process.env.SSH_CONNECTION) return;
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const child = spawn(opener, [address], { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}
