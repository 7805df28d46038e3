import { randomInt } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Telemetry } from 'bullmq';
import type { EngineFile, EngineOutput } from '#contracts/engine';
import { MumuError } from '#contracts/errors';
import { fitFileName } from '#contracts/file-name';
import type { Progress } from '#contracts/progress';
import { optionsSchema, type Request } from '#contracts/request';
import type { DoneResult, ResultFile } from '#contracts/result';
import { type EngineClient, type EngineClientOptions, startEngine } from '#inference/engine-client';
import { unlessCancelled } from '#inference/runtime/abort';
import type { DeviceChoice } from '#inference/runtime/device';
import { listPacks, loadPack } from '#models/packs/read';
import type { Logger } from '#src/log';
import { OPEN_POLICY, type Policy } from '#src/policy/policy';
import { shownNames } from '#src/policy/shown-names';
import { ShownText } from '#src/policy/shown-text';
import { consumeJobs, type JobContext } from '#src/queue/consume';
import { QUEUE_KINDS } from '#src/queue/names';
import type { JobObserver } from '#src/queue/observer';
import type { RedisAccess } from '#src/redis/access';
import type { Storage } from '#src/storage/storage';

export type WorkerOptions = {
  redis: RedisAccess;
  storage: Storage;
  /** Folder of the pack that is loaded at once; its name is what the worker is known by. */
  packFolder: string;
  /** Further packs that are served, each loaded on first need. Default: every pack built beside `packFolder`. */
  packs?: readonly string[] | undefined;
  /** Makes a further pack ready, building it if it has to. Default: it has to be built. @returns its folder */
  openPack?: ((name: string) => Promise<string>) | undefined;
  /** What answers may show. Default: everything. */
  policy?: Policy | undefined;
  observer?: JobObserver | undefined;
  telemetry?: Telemetry | undefined;
  /** What runs as the engine's process. Default: the engine. */
  engineModule?: EngineClientOptions['module'] | undefined;
  /** How soon the jobs of a worker that died are free, milliseconds. Default: what `consumeJobs` says. */
  lockMilliseconds?: number | undefined;
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
 * Takes jobs of its packs and device, text and music one at a time each (the engine lets them take turns at every
 * step), fetches their files from storage, has the engine do them and stores what comes out. Resolves once the engine
 * is ready.
 * @throws MumuError why the engine cannot start
 */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { log, packFolder } = options;
  const defaultName = basename(packFolder);
  const policy = options.policy ?? OPEN_POLICY;
  const engines = new Map<string, Promise<EngineClient>>();
  const workRoot = join(options.dataFolder, 'work');
  await mkdir(workRoot, { recursive: true });
  await removeOrphans(workRoot);

  const open = (folder: string): EngineClient =>
    startEngine({
      packFolder: folder,
      device: options.device,
      threads: options.threads,
      cacheFolder: join(options.dataFolder, 'cache'),
      verbose: log.isLevelEnabled('debug'),
      onExit: (why) => log.warn({ pack: basename(folder), why }, 'engine ended'),
      ...(options.engineModule ? { module: options.engineModule } : {}),
    });

  const openPack = async (name: string): Promise<EngineClient> => {
    const folder = (await options.openPack?.(name)) ?? join(dirname(packFolder), name);
    await loadPack(folder);
    return open(folder);
  };

  const engineFor = (name: string): Promise<EngineClient> => {
    const known = engines.get(name);
    if (known) return known;
    const opening = openPack(name);
    engines.set(name, opening);
    // The next job tries again: the pack may have been built in the meantime.
    opening.catch(() => engines.delete(name));
    return opening;
  };

  const handle = async (request: Request, context: JobContext): Promise<DoneResult> => {
    // A cancelled job frees its place at once; the pack is built all the same, for whoever waits for it.
    const engine = await unlessCancelled(engineFor(context.pack), context.signal);
    const { user, server } = request;
    const show = new ShownText(policy, { user, server }, context.onProgress);
    const workFolder = await mkdtemp(join(workRoot, `${process.pid}-`));
    const hold = options.storage.hold(request.files.map((file) => file.key));
    try {
      const files = await fetchFiles(request, options.storage, workFolder);
      const seed = request.options.seed ?? randomInt(2 ** 32);
      const { signal } = context;
      const onProgress = (progress: Progress) => show.progress(progress);
      const result = await engine.run({ request, files, workFolder, seed }, { signal, onProgress });
      const text = await show.last(result.text);
      const caption = result.caption === undefined ? undefined : await show.last(result.caption);
      const stored: ResultFile[] = [];
      const outputs = shownNames(result.files, request.command, result.caption, caption);
      for (const file of outputs) stored.push(await store(file, options.storage));
      const { pack, timings, counts, notes, plan } = result;
      return {
        ...{ status: 'done', id: request.id, text, files: stored, seed, pack, timings, notes },
        ...(counts ? { counts } : {}),
        ...(plan ? { plan } : {}),
        ...(caption ? { caption } : {}),
      };
    } finally {
      hold.release();
      await rm(workFolder, { recursive: true, force: true });
    }
  };

  const engine = open(packFolder);
  engines.set(defaultName, Promise.resolve(engine));
  try {
    await engine.ready();
    const { pack = defaultName, device = 'cpu', why = '' } = engine.state ?? {};
    const packs = [...new Set([defaultName, ...(options.packs ?? (await builtBeside(packFolder)))])];
    const consumer = await consumeJobs({
      redis: options.redis,
      queues: QUEUE_KINDS,
      packs,
      device,
      concurrency: { text: 1, music: 1 },
      handle,
      keepMilliseconds: options.keepMilliseconds,
      ...(options.observer ? { observer: options.observer } : {}),
      ...(options.telemetry ? { telemetry: options.telemetry } : {}),
      ...(options.lockMilliseconds === undefined ? {} : { lockMilliseconds: options.lockMilliseconds }),
      log,
    });
    log.info({ pack, packs, device, why }, 'worker ready');
    return {
      ...{ pack, device, why },
      get enginePid() {
        return engine.pid;
      },
      async close(deadline) {
        await consumer.close(deadline);
        const all = await Promise.allSettled(engines.values());
        await Promise.all(all.map((one) => (one.status === 'fulfilled' ? one.value.close() : undefined)));
      },
    };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** Packs that lie beside one and can be read. */
async function builtBeside(packFolder: string): Promise<string[]> {
  const found = await listPacks(dirname(packFolder));
  return found.flatMap((pack) =>
    'problem' in pack || !optionsSchema.shape.pack.safeParse(pack.name).success ? [] : [pack.name],
  );
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
  const { mime, seconds, peaks } = file;
  const name = fitFileName(file.name);
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
