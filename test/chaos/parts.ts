import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { z } from 'zod';
import type { Settings } from '#test/chaos/settings';

const messageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), engine: z.number().nullable().optional() }),
  z.object({ type: z.literal('taken'), id: z.string(), isNew: z.boolean() }),
]);

/** A redis-server on a folder, which can be stopped in any way and started again. */
export class RedisPart {
  readonly url: string;
  private readonly socket: string;
  private child: ChildProcess | undefined;

  constructor(private readonly folder: string) {
    this.socket = join(folder, 'redis.sock');
    this.url = `unix://${this.socket}`;
  }

  async start(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const settings = ['--port', '0', '--unixsocket', this.socket, '--dir', this.folder, '--save', ''];
    const lasting = ['--appendonly', 'yes', '--appendfsync', 'everysec'];
    this.child = spawn('redis-server', [...settings, ...lasting], { stdio: 'ignore' });
    const client = this.connect();
    await client.ping();
    client.disconnect();
  }

  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  connect(): Redis {
    const connection = new Redis({ path: this.socket, maxRetriesPerRequest: null, retryStrategy: () => 50 });
    connection.on('error', () => undefined);
    return connection;
  }
}

/** A process of ours that can be killed and started again. */
export class Part {
  /** Of a worker: the process id of its engine. */
  engine: number | undefined;
  /** How often it ended without being asked to, after it was ready: that is a fault of ours. */
  crashes = 0;
  /** How often it gave up before it was ready, as without Redis; like a service, it is then started again. */
  failedStarts = 0;
  private child: ChildProcess | undefined;
  private isReady = false;

  constructor(
    readonly name: string,
    private readonly module: 'bot' | 'worker',
    private readonly settings: Settings,
    private readonly onTaken: (id: string, isNew: boolean) => void,
    /** Network namespace to run in; absent: the one we are in. */
    private readonly network?: string,
  ) {}

  get isUp(): boolean {
    return this.isReady;
  }

  /** Process id while it runs. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Starts it, again and again if need be; resolves when it is ready, or was stopped before it was. */
  async start(): Promise<void> {
    while ((await this.startOnce()) === 'failed') {
      this.failedStarts += 1;
      await delay(500);
    }
  }

  private startOnce(): Promise<'ready' | 'stopped' | 'failed'> {
    const child = fork(
      fileURLToPath(new URL(`./${this.module}.ts`, import.meta.url)),
      [JSON.stringify(this.settings)],
      {
        ...this.command(['--import', 'tsx', '--conditions=mumu-source']),
        stdio: ['ignore', 'ignore', this.settings.log === 'silent' ? 'ignore' : 'inherit', 'ipc'],
      },
    );
    this.child = child;
    return new Promise((resolve) => {
      child.on('message', (raw) => {
        const message = messageSchema.parse(raw);
        if (message.type === 'taken') this.onTaken(message.id, message.isNew);
        else {
          this.isReady = this.child === child;
          this.engine = message.engine ?? undefined;
          resolve('ready');
        }
      });
      child.once('exit', () => {
        // `stop` has taken it away before it ended it.
        if (this.child !== child) return resolve('stopped');
        this.child = undefined;
        if (this.isReady) this.crashes += 1;
        this.isReady = false;
        resolve('failed');
      });
    });
  }

  private command(execArgv: string[]): { execPath?: string; execArgv: string[] } {
    if (this.network === undefined) return { execArgv };
    return { execPath: 'ip', execArgv: ['netns', 'exec', this.network, process.execPath, ...execArgv] };
  }

  send(message: object): void {
    if (this.child?.connected) this.child.send(message, () => undefined);
  }

  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.child;
    this.child = undefined;
    this.isReady = false;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    // A part that does not end when it is asked to is killed like any other.
    const late = new AbortController();
    const kill = delay(15_000, undefined, { signal: late.signal }).then(
      () => child.kill('SIGKILL'),
      () => undefined,
    );
    await gone;
    late.abort();
    await kill;
  }

  /** Kills the engine of a worker. @returns whether there was one. */
  async killEngine(): Promise<boolean> {
    this.engine = undefined;
    this.send({ type: 'ask' });
    for (let tries = 0; tries < 20 && this.engine === undefined; tries += 1) await delay(25);
    if (this.engine === undefined) return false;
    try {
      process.kill(this.engine, 'SIGKILL');
      return true;
    } catch {
      return false;
    }
  }
}

const reportSchema = z.array(
  z.object({
    id: z.string(),
    /** Messages that were made for this command. */
    messages: z.number(),
    /** Of them, those that show an end. */
    finished: z.number(),
    edits: z.number(),
    /** Ends that were shown after an end was taken back. */
    undone: z.number(),
    finals: z.array(z.object({ message: z.string(), state: z.string(), text: z.string() })),
  }),
);
export type PlatformReport = z.infer<typeof reportSchema>;

/** The platform's process, which nobody harms. */
export class PlatformPart {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(): Promise<PlatformPart> {
    const child = fork(fileURLToPath(new URL('./platform.mjs', import.meta.url)), [], { execArgv: [] });
    const [message] = await once(child, 'message');
    const { port } = z.object({ port: z.number() }).parse(message);
    return new PlatformPart(child, `http://127.0.0.1:${port}`);
  }

  async report(): Promise<PlatformReport> {
    return reportSchema.parse(await (await fetch(`${this.url}/report`)).json());
  }

  stop(): void {
    this.child.kill();
  }
}
