import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLogger } from '#src/log';
import { openRedis } from '#src/redis/access';
import { startPrivateRedis } from '#src/redis/private-redis';

const log = createLogger('silent');
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mumu-private-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = (dataFolder = folder) =>
  openRedis({ redisUrl: undefined, redisPrefix: 'test', dataFolder }, log);

describe('the private Redis', () => {
  it('keeps what was written over a stop and never evicts', async () => {
    const first = await open();
    await first.connect('producer').set('song', 'waltz');
    await first.close();
    const second = await open();
    const connection = second.connect('producer');
    expect(await connection.get('song')).toBe('waltz');
    expect(await connection.info('memory')).toContain('maxmemory_policy:noeviction');
    await second.close();
  });

  it('refuses a second mumu on the same folder with a sentence, and takes a dead one’s place', async () => {
    const first = await open();
    await expect(open()).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringContaining(`process ${process.pid}`),
    });
    await first.close();
    await mkdir(join(folder, 'redis'), { recursive: true });
    const dead = { pid: 2 ** 22 - 1, started: '1', nonce: 'gone' };
    await writeFile(join(folder, 'redis', 'mumu.lock'), JSON.stringify(dead));
    await (await open()).close();
  });

  it('starts over a socket that a crash left behind', async () => {
    await mkdir(join(folder, 'redis'), { recursive: true });
    const socket = join(folder, 'redis', 'redis.sock');
    const code = `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await once(spawn(process.execPath, ['-e', code]), 'close');
    expect(existsSync(socket)).toBe(true);
    await (await open()).close();
  });

  it('finds a place for its socket when the folder’s path is long', async () => {
    const deep = join(folder, 'a'.repeat(60), 'b'.repeat(60));
    const access = await open(deep);
    expect(await access.connect('producer').ping()).toBe('PONG');
    await access.close();
  });

  it('does not outlive a process that is killed', async () => {
    const script = `
      import { createLogger } from '#src/log';
      import { startPrivateRedis } from '#src/redis/private-redis';
      const server = await startPrivateRedis({ folder: process.argv[1] ?? '', log: createLogger('silent') });
      console.log(server.socket);
      setInterval(() => {}, 1000);
    `;
    const child = spawn(
      process.execPath,
      ['--conditions=mumu-source', '--import', 'tsx', '--input-type=module', '-e', script, folder],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(child.stdout, 'data');
    const isUp = () => {
      const found = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
      return found.split('\n').some((line) => line.includes('redis-server') && line.includes(folder));
    };
    expect(isUp()).toBe(true);
    child.kill('SIGKILL');
    for (let tries = 0; tries < 100 && isUp(); tries += 1) await delay(50);
    expect(isUp()).toBe(false);
  });

  it('says what to install where redis-server is missing', async () => {
    const path = process.env.PATH;
    process.env.PATH = folder;
    try {
      await expect(startPrivateRedis({ folder, log })).rejects.toMatchObject({
        code: 'missing_dependency',
        message: expect.stringMatching(/apt-get install redis-server.*brew install redis/),
      });
    } finally {
      process.env.PATH = path;
    }
  });

  /** Process ids of the redis-servers on this test's folder; theirs, not the shells' that watch them. */
  const serverPids = () =>
    execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => /^\s*\d+ redis-server /.test(line) && line.includes(folder))
      .map((line) => Number.parseInt(line, 10));

  it('is brought back when it is killed, with all that was written', async () => {
    const access = await open();
    const connection = access.connect('worker');
    for (let index = 0; index < 500; index += 1) await connection.rpush('songs', `song ${index}`);
    const [pid] = serverPids();
    process.kill(pid as number, 'SIGKILL');
    expect(await connection.llen('songs')).toBe(500);
    expect(serverPids()).toHaveLength(1);
    expect(serverPids()).not.toEqual([pid]);
    await access.close();
    expect(serverPids()).toEqual([]);
  });

  it('tells its owner when it cannot be brought back', async () => {
    const server = await startPrivateRedis({ folder, log });
    const path = process.env.PATH;
    process.env.PATH = folder;
    await writeFile(join(folder, 'sh'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    try {
      const { Redis } = await import('ioredis');
      const client = new Redis({ path: server.socket, retryStrategy: () => null });
      client.on('error', () => undefined);
      await client.shutdown('NOSAVE').catch(() => undefined);
      client.disconnect();
      await server.ended;
    } finally {
      process.env.PATH = path;
    }
    await server.stop();
  });
});

describe('a Redis of one’s own', () => {
  async function freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    server.close();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async function withServer(policy: string, use: (url: string) => Promise<void>): Promise<void> {
    const port = await freePort();
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--maxmemory-policy', policy];
    const server = spawn('redis-server', args, { cwd: folder });
    try {
      for await (const chunk of server.stdout) if (String(chunk).includes('Ready to accept')) break;
      await use(`redis://127.0.0.1:${port}`);
    } finally {
      server.kill('SIGTERM');
      await once(server, 'exit');
    }
  }

  it('is refused if it may evict, with the line that changes it', async () => {
    await withServer('allkeys-lru', async (redisUrl) => {
      await expect(
        openRedis({ redisUrl, redisPrefix: 'test', dataFolder: folder }, log),
      ).rejects.toMatchObject({
        code: 'missing_dependency',
        message: expect.stringContaining('redis-cli CONFIG SET maxmemory-policy noeviction'),
      });
    });
  });

  it('is used if it never evicts', async () => {
    await withServer('noeviction', async (redisUrl) => {
      const access = await openRedis({ redisUrl, redisPrefix: 'test', dataFolder: folder }, log);
      expect(await access.connect('producer').ping()).toBe('PONG');
      await access.close();
    });
  });

  it('that does not answer is named without its password', async () => {
    const redisUrl = `redis://:hidden@127.0.0.1:${await freePort()}`;
    const error = await openRedis({ redisUrl, redisPrefix: 'test', dataFolder: folder }, log).catch((e) => e);
    expect(error).toMatchObject({ code: 'missing_dependency' });
    expect(error.message).not.toContain('hidden');
  });
});
