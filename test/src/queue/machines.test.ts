import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { loadConfig } from '#src/config';
import { JobQueue } from '#src/queue/job-queue';
import { openRedis, type RedisAccess } from '#src/redis/access';
import { openStorage } from '#src/storage/open';
import { Part } from '#test/chaos/parts';
import { events, KEEP, log } from '#test/src/queue/support';
import { makeRequest } from '#test/support/requests';
import { startTestS3, type TestS3 } from '#test/support/s3';

/**
 * Two machines: each worker has a data folder of its own and, where this process may make them (as root on Linux), a
 * network of its own, with one cable to Redis and S3 and no other way out.
 */
interface Machine {
  name: string;
  /** Where Redis and S3 are, seen from it. */
  host: string;
  network: string | undefined;
}

vi.setConfig({ testTimeout: 240_000 });
const tag = process.pid % 10_000;
const machines: Machine[] = [];
const parts: Part[] = [];
const proxies: Server[] = [];
let folder: string;
let s3: TestS3;
let server: ReturnType<typeof spawn>;
let access: RedisAccess;
let queue: JobQueue;

const ip = (...words: string[]) => execFileSync('ip', words, { stdio: 'ignore' });

/** A network namespace with a cable to us; undefined where that is not allowed. */
function makeNetwork(index: number): Machine {
  const name = `mumu${tag}-${index}`;
  const cable = `mm${tag}${index}`;
  const net = `10.213.${index}`;
  try {
    ip('netns', 'add', name);
  } catch {
    return { name, host: '127.0.0.1', network: undefined };
  }
  ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  ip('addr', 'add', `${net}.1/24`, 'dev', cable);
  ip('link', 'set', cable, 'up');
  ip('-n', name, 'addr', 'add', `${net}.2/24`, 'dev', 'eth0');
  ip('-n', name, 'link', 'set', 'eth0', 'up');
  ip('-n', name, 'link', 'set', 'lo', 'up');
  return { name, host: `${net}.1`, network: name };
}

/** The S3 server of the tests listens to this machine alone. */
async function passOn(host: string, port: number): Promise<number> {
  const proxy = createServer((socket) => {
    const other = connect(port, '127.0.0.1');
    for (const one of [socket, other]) one.on('error', () => undefined);
    socket.pipe(other).pipe(socket);
  }).listen(0, host);
  proxies.push(proxy);
  await once(proxy, 'listening');
  const address = proxy.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mumu-machines-'));
  machines.push(makeNetwork(1), makeNetwork(2));
  const hosts = [...new Set(['127.0.0.1', ...machines.map(({ host }) => host)])];
  const port = String(20_000 + tag);
  const settings = ['--port', port, '--bind', ...hosts, '--dir', folder, '--save', '', '--appendonly', 'yes'];
  server = spawn('redis-server', [...settings, '--protected-mode', 'no'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  for await (const chunk of server.stdout ?? []) if (String(chunk).includes('Ready to accept')) break;
  s3 = await startTestS3();
  const at = (host: string) => `redis://${host}:${port}`;
  access = await openRedis({ redisUrl: at('127.0.0.1'), redisPrefix: 'chaos', dataFolder: folder }, log);
  queue = new JobQueue(access, { keepMilliseconds: KEEP, log });
  const s3Port = Number(new URL(s3.settings.endpoint ?? '').port);
  for (const { name, host, network } of machines) {
    const endpoint = `http://${host}:${await passOn(host, s3Port)}`;
    const settings = {
      redisUrl: at(host),
      dataFolder: join(folder, name),
      storageFolder: join(folder, name, 'nothing'),
      s3: environment(endpoint),
      platformUrl: '',
      patience: 5_000,
      log: 'silent',
    };
    parts.push(new Part(name, 'worker', settings, () => undefined, network));
  }
  await Promise.all(parts.map((part) => part.start()));
}, 240_000);

afterAll(async () => {
  await Promise.all(parts.map((part) => part.stop('SIGKILL')));
  await queue?.close();
  await access?.close();
  server?.kill('SIGKILL');
  for (const proxy of proxies) proxy.close();
  await s3?.close();
  for (const { network } of machines) if (network !== undefined) ip('netns', 'del', network);
  await rm(folder, { recursive: true, force: true });
});

function environment(endpoint: string): Record<string, string> {
  const { bucket, region, prefix, credentials } = s3.settings;
  return {
    ...{ S3_BUCKET: bucket, S3_ENDPOINT: endpoint, S3_REGION: region, S3_PREFIX: prefix },
    S3_ACCESS_KEY_ID: credentials?.id ?? '',
    S3_SECRET_ACCESS_KEY: credentials?.secret ?? '',
  };
}

it('two workers on machines of their own share the load, and their files by S3', async () => {
  const config = loadConfig({ ...environment(s3.settings.endpoint ?? ''), MUMU_DATA: join(folder, 'bot') });
  const opened = await openStorage({ config, redis: access, filesInUse: () => queue.filesInUse(), log });
  const requests = Array.from({ length: 12 }, (_, index) =>
    makeRequest({
      command: 'generate',
      text: 'please, slow 300',
      user: `user-${index}`,
      conversation: `c${index}`,
    }),
  );
  for (const request of requests) await queue.submit(request);
  const engines = new Set<string>();
  for (const { id } of requests) {
    const last = (await events(queue, id)).at(-1);
    if (last?.type !== 'result' || last.result.status !== 'done') throw new Error(JSON.stringify(last));
    for (const note of last.result.notes) engines.add(note);
    // What the worker made on its machine is here by way of S3.
    const [file] = last.result.files;
    let content = '';
    for await (const chunk of await opened.storage.read(file?.key ?? '')) content += String(chunk);
    expect(content).toBe(`music of ${id}`);
    const kind = 'audio' as const;
    const again = makeRequest({
      user: id,
      conversation: id,
      files: [{ ...file, kind, name: 'music.wav' } as never],
    });
    await queue.submit(again);
    expect((await events(queue, again.id)).at(-1)).toMatchObject({ result: { status: 'done' } });
  }
  expect(engines.size).toBe(2);
  await opened.close();
});
