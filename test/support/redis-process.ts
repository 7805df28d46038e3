import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '#src/log';
import { openRedis, type RedisAccess } from '#src/redis/access';

/** A redis-server that a test may freeze, kill and start again, reached as an operator's own by its address. */
export class RedisProcess {
  private child: ChildProcess | undefined;

  private constructor(readonly folder: string) {}

  static async create(): Promise<RedisProcess> {
    const server = new RedisProcess(await mkdtemp(join(tmpdir(), 'mumu-redis-')));
    await server.start();
    return server;
  }

  get url(): string {
    return `unix://${this.socket}`;
  }

  connect(prefix: string): Promise<RedisAccess> {
    const config = { redisUrl: this.url, redisPrefix: prefix, dataFolder: this.folder };
    return openRedis(config, createLogger('silent'));
  }

  async start(): Promise<void> {
    const settings = `--port 0 --unixsocket ${this.socket} --appendonly yes --save --maxmemory-policy noeviction`;
    this.child = spawn('redis-server', [...settings.split(' '), '--dir', this.folder], { stdio: 'ignore' });
    while (!(await this.answers())) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** As a power cut to the process: no goodbye. */
  async kill(): Promise<void> {
    const child = this.child;
    this.child = undefined;
    if (child === undefined) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Stands still with its connections open. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  private get socket(): string {
    return join(this.folder, 'redis.sock');
  }

  private answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const connection = createConnection(this.socket);
      connection.once('error', () => resolve(false));
      connection.once('data', () => {
        connection.destroy();
        resolve(true);
      });
      connection.write('PING\r\n');
    });
  }
}
