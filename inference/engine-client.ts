import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type EngineJob, type EngineResult, fromEngineSchema, type ToEngine } from '#contracts/engine';
import { MumuError } from '#contracts/errors';
import type { Progress } from '#contracts/progress';
import type { EngineSettings } from '#inference/engine-process';
import { throwIfAborted, unlessCancelled } from '#inference/runtime/abort';
import type { DeviceChoice } from '#inference/runtime/device';

export type EngineClientOptions = {
  packFolder: string;
  device: DeviceChoice;
  threads?: number | undefined;
  cacheFolder: string;
  /** Whether the engine tells of what goes well too; it writes JSON lines to standard error. */
  verbose?: boolean;
  /** A cancelled job has this long to end by itself before the engine is killed, milliseconds. Default 15,000. */
  cancelMilliseconds?: number;
  /** The engine has this long to be ready, milliseconds. Default 300,000. */
  startMilliseconds?: number;
  /** Told when the process ends without having been asked to. */
  onExit?: (why: string) => void;
  /** What runs as the engine's process: a module that speaks `src/contracts/engine`. Default: the engine. */
  module?: { path: string; execArgv: string[] };
};

export type EngineClient = {
  /** Name of the pack and device of the engine that runs now; null while none does. */
  readonly state: { pack: string; device: string; why: string } | null;
  /** Process id of the running engine; null while none does. */
  readonly pid: number | null;
  /** Waits until the engine is ready. @throws MumuError why it cannot start */
  ready(): Promise<void>;
  /**
   * Does one job. A dead engine is started anew first.
   * @throws MumuError engine_lost when the engine dies under the job; else what the job failed with
   */
  run(job: EngineJob, options?: RunOptions): Promise<EngineResult>;
  close(): Promise<void>;
};

type RunOptions = { signal?: AbortSignal | undefined; onProgress?: (progress: Progress) => void };
type Waiting = {
  done(result: EngineResult): void;
  fail(error: MumuError): void;
  onProgress: ((progress: Progress) => void) | undefined;
};
type State = { pack: string; device: string; why: string };

/**
 * What a run is called between client and engine: its job's id, or one like it while another run has that. A job may
 * come a second time while its first run still goes on, when this worker was held up for so long that the queue took
 * it for dead.
 */
function runName(id: string, taken: ReadonlyMap<string, unknown>): string {
  let name = id;
  // Ids have 64 characters at most.
  for (let run = 2; taken.has(name); run++) name = `${id.slice(0, 56)}_${run}`;
  return name;
}

/** A running engine process and the jobs it is at. */
class EngineChild {
  /** By the name of the run. */
  readonly waiting = new Map<string, Waiting>();
  readonly ready: Promise<State>;
  state: State | null = null;
  gone = false;
  private stopping = false;
  private readonly child: ChildProcess;

  constructor(options: EngineClientOptions) {
    const settings: EngineSettings = {
      packFolder: options.packFolder,
      device: options.device,
      threads: options.threads,
      cacheFolder: options.cacheFolder,
      verbose: options.verbose ?? false,
    };
    const { path, execArgv } = options.module ?? processModule();
    this.child = fork(path, [JSON.stringify(settings)], {
      execArgv,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.ready = new Promise((done, fail) => {
      const limit = options.startMilliseconds ?? 300_000;
      const timer = setTimeout(() => {
        fail(new MumuError('internal', 'The engine did not start in time.'));
        this.kill();
      }, limit);
      timer.unref();
      this.child.on('message', (raw) => {
        const parsed = fromEngineSchema.safeParse(raw);
        if (!parsed.success) return;
        const message = parsed.data;
        if (message.type === 'ready') {
          clearTimeout(timer);
          this.state = { pack: message.pack, device: message.device, why: message.why };
          done(this.state);
        } else if (message.type === 'fatal') {
          fail(new MumuError(message.error.code, message.error.message));
        } else if (message.type === 'progress') this.waiting.get(message.id)?.onProgress?.(message.progress);
        else if (message.type === 'result') this.waiting.get(message.id)?.done(message.result);
        else this.waiting.get(message.id)?.fail(new MumuError(message.error.code, message.error.message));
      });
      const end = (why: string) => {
        if (this.gone) return;
        this.gone = true;
        clearTimeout(timer);
        const lost = new MumuError('engine_lost', 'The engine stopped in the middle of the job; try again.');
        fail(lost);
        for (const waiting of this.waiting.values()) waiting.fail(lost);
        if (!this.stopping) options.onExit?.(why);
      };
      this.child.on('error', (error) => end(error.message));
      this.child.on('exit', (code, signal) => end(signal ?? `exit code ${code}`));
    });
    // Whoever waits for it hears of it; nobody waiting is no crash.
    this.ready.catch(() => {});
  }

  get pid(): number | null {
    return this.gone ? null : (this.child.pid ?? null);
  }

  send(message: ToEngine): void {
    if (this.child.connected) this.child.send(message, () => {});
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  /** Asks the process to end, kills it if it does not. */
  async stop(): Promise<void> {
    if (this.gone) return;
    this.stopping = true;
    const ended = new Promise<void>((done) => this.child.once('exit', () => done()));
    this.send({ type: 'stop' });
    const timer = setTimeout(() => this.kill(), 3000);
    await ended;
    clearTimeout(timer);
  }
}

/** Starts an engine in a process of its own and starts it anew when it dies. */
export function startEngine(options: EngineClientOptions): EngineClient {
  let child = new EngineChild(options);
  let closed = false;

  const current = (): EngineChild => {
    if (closed) throw new MumuError('engine_lost', 'The engine was stopped.');
    if (child.gone) child = new EngineChild(options);
    return child;
  };

  async function run(job: EngineJob, { signal, onProgress }: RunOptions = {}): Promise<EngineResult> {
    throwIfAborted(signal);
    const engine = current();
    await unlessCancelled(engine.ready, signal);
    throwIfAborted(signal);
    const id = runName(job.request.id, engine.waiting);
    let killer: NodeJS.Timeout | undefined;
    const onAbort = () => {
      engine.send({ type: 'cancel', id });
      // A job that does not reach its next step is ended with its process.
      killer = setTimeout(() => engine.kill(), options.cancelMilliseconds ?? 15_000);
    };
    try {
      return await new Promise<EngineResult>((done, fail) => {
        engine.waiting.set(id, { done, fail, onProgress });
        signal?.addEventListener('abort', onAbort, { once: true });
        engine.send({ type: 'run', job: { ...job, request: { ...job.request, id } } });
        if (engine.gone)
          fail(new MumuError('engine_lost', 'The engine stopped in the middle of the job; try again.'));
      });
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    } finally {
      clearTimeout(killer);
      signal?.removeEventListener('abort', onAbort);
      engine.waiting.delete(id);
    }
  }

  return {
    get state() {
      return child.gone ? null : child.state;
    },
    get pid() {
      return child.pid;
    },
    async ready() {
      await current().ready;
    },
    run,
    async close() {
      closed = true;
      await child.stop();
    },
  };
}

/** The child's main module: compiled beside this one, or the source where this runs from sources (tests, tsx). */
function processModule(): { path: string; execArgv: string[] } {
  const compiled = fileURLToPath(new URL('./engine-process.js', import.meta.url));
  if (existsSync(compiled)) return { path: compiled, execArgv: [] };
  const source = fileURLToPath(new URL('./engine-process.ts', import.meta.url));
  return { path: source, execArgv: ['--import', 'tsx', '--conditions', 'mumu-source'] };
}
