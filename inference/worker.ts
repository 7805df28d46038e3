import { randomInt } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { EngineFile, EngineOutput } from '#contracts/engine';
import { MumuError } from '#contracts/errors';
import type { Request } from '#contracts/request';
import type { DoneResult, ResultFile } from '#contracts/result';
import { type EngineClient, startEngine } from '#inference/engine-client';
import type { DeviceChoice } from '#inference/runtime/device';
import { loadPack } from '#models/packs/read';
import type { Logger } from '#src/log';
import { consumeJobs, type JobContext } from '#src/queue/consume';
import { QUEUE_NAMES } from '#src/queue/names';
import type { RedisAccess } from '#src/redis/access';
import type { Storage } from '#src/storage/storage';

export type WorkerOptions = {
  redis: RedisAccess;
  storage: Storage;
  /** Folder of the pack that answers where a request names none; its neighbours are the other packs. */
  packFolder: string;
  device: DeviceChoice;
  /** Threads of one graph; default: what the machine has. */
  threads?: number;
  /** For the feature cache and the folders of running jobs. */
  dataFolder: string;
  /** How long results and conversations are remembered, milliseconds. */
  keepMilliseconds: number;
  log: Logger;
};

export type RunningWorker = {
  pack: string;
  device: string;
  /** Why this device, in words. */
  why: string;
  /** Process id of the engine of the default pack; null while it is being started anew. */
  readonly enginePid: number | null;
  /** Takes no more jobs; those under way have `deadline` milliseconds before they go back to the queue. */
  close(deadline: number): Promise<void>;
};

/**
 * Takes jobs from both queues, one of each at a time (the engine lets them take turns at every step), fetches their
 * files from storage, has the engine do them and stores what comes out. Resolves once the engine is ready.
 * @throws MumuError why the engine cannot start
 */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { log, packFolder } = options;
  const defaultName = basename(packFolder);
  const engines = new Map<string, EngineClient>();
  const workRoot = join(options.dataFolder, 'work');
  await mkdir(workRoot, { recursive: true });
  await removeOrphans(workRoot);

  const open = (name: string): EngineClient => {
    const engine = startEngine({
      packFolder: join(dirname(packFolder), name),
      device: options.device,
      threads: options.threads,
      cacheFolder: join(options.dataFolder, 'cache'),
      verbose: log.isLevelEnabled('debug'),
      onExit: (why) => log.warn({ pack: name, why }, 'engine ended'),
    });
    engines.set(name, engine);
    return engine;
  };

  const engineFor = async (name: string): Promise<EngineClient> => {
    const known = engines.get(name);
    if (known) return known;
    await loadPack(join(dirname(packFolder), name));
    return engines.get(name) ?? open(name);
  };

  const handle = async (request: Request, context: JobContext): Promise<DoneResult> => {
    const engine = await engineFor(request.options.pack ?? defaultName);
    const workFolder = await mkdtemp(join(workRoot, `${process.pid}-`));
    const hold = options.storage.hold(request.files.map((file) => file.key));
    try {
      const files = await fetchFiles(request, options.storage, workFolder);
      const seed = request.options.seed ?? randomInt(2 ** 32);
      const { signal, onProgress } = context;
      const result = await engine.run({ request, files, workFolder, seed }, { signal, onProgress });
      const stored: ResultFile[] = [];
      for (const file of result.files) stored.push(await store(file, options.storage));
      const { text, pack, timings, notes, plan, caption } = result;
      return {
        ...{ status: 'done', id: request.id, text, files: stored, seed, pack, timings, notes },
        ...(plan ? { plan } : {}),
        ...(caption ? { caption } : {}),
      };
    } finally {
      hold.release();
      await rm(workFolder, { recursive: true, force: true });
    }
  };

  const engine = open(defaultName);
  try {
    await engine.ready();
    const consumer = await consumeJobs({
      redis: options.redis,
      queues: QUEUE_NAMES,
      concurrency: { text: 1, music: 1 },
      handle,
      keepMilliseconds: options.keepMilliseconds,
      log,
    });
    const { pack = defaultName, device = '', why = '' } = engine.state ?? {};
    log.info({ pack, device, why }, 'worker ready');
    return {
      ...{ pack, device, why },
      get enginePid() {
        return engine.pid;
      },
      async close(deadline) {
        await consumer.close(deadline);
        await Promise.all([...engines.values()].map((one) => one.close()));
      },
    };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function fetchFiles(request: Request, storage: Storage, folder: string): Promise<EngineFile[]> {
  const files: EngineFile[] = [];
  for (const { key, kind, name } of request.files) {
    const path = await storage.localPath(key, folder).catch((cause: unknown) => {
      if (!(cause instanceof MumuError) || cause.code !== 'not_found') throw cause;
      throw new MumuError('not_found', `The file ${name} is no longer stored: send it again.`, { cause });
    });
    files.push({ path, key, kind, name });
  }
  return files;
}

async function store(file: EngineOutput, storage: Storage): Promise<ResultFile> {
  const { name, mime, seconds, peaks } = file;
  const kind = mime.startsWith('video/') ? 'video' : 'audio';
  const content = { kind, mime, ...(seconds === undefined ? {} : { seconds }) } as const;
  const { key, bytes } = await storage.putFile(file.path, content);
  return {
    ...{ key, name, mime, bytes },
    ...(seconds === undefined ? {} : { seconds }),
    ...(peaks ? { peaks } : {}),
  };
}

/** Folders of jobs whose process died without clearing up. */
async function removeOrphans(workRoot: string): Promise<void> {
  for (const name of await readdir(workRoot)) {
    const pid = Number(/^(\d+)-/.exec(name)?.[1]);
    if (!Number.isInteger(pid) || (pid !== process.pid && isAlive(pid))) continue;
    await rm(join(workRoot, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
