/**
 * What the queue costs: how soon a command is acknowledged while 200 users send 1,000 of them in 10 s, commands a
 * second through the whole path (courier, queue, worker, courier), and a job's overhead against bare BullMQ. The worker
 * is a process of its own and answers at once; the platform answers at once too.
 *
 *   npm run bench            (tsx --conditions=mumu-source bench/queue.ts)
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Queue, QueueEvents } from 'bullmq';
import { requestSchema } from '#contracts/request';
import { startCourier } from '#src/chat/delivery/courier';
import type { Courier, Messenger, Receipt } from '#src/chat/delivery/types';
import { Intake } from '#src/chat/intake';
import { createLogger } from '#src/log';
import { OPEN_POLICY } from '#src/policy/policy';
import { JobQueue } from '#src/queue/job-queue';
import { openRedis } from '#src/redis/access';
import { FolderStorage } from '#src/storage/folder-storage';

const COMMANDS = 1000;
const USERS = 200;
const WITHIN = 10_000;
/** Jobs of a worker at once. */
const AT_ONCE = 8;

const folder = mkdtempSync(join(tmpdir(), 'mumu-bench-'));
const log = createLogger('warn');
const rows: [string, string][] = [];
const row = (name: string, value: string) => {
  rows.push([name, value]);
  process.stderr.write(`  ${name}: ${value}\n`);
};
const quantile = (values: number[], part: number): number => {
  const sorted = values.slice().sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] as number;
};

const redis = await openRedis({ redisUrl: undefined, redisPrefix: 'bench', dataFolder: folder }, log);
const address = `unix://${join(folder, 'redis', 'redis.sock')}`;
const worker = fork(
  fileURLToPath(new URL('./queue-worker.ts', import.meta.url)),
  [address, join(folder, 'worker'), String(AT_ONCE)],
  { execArgv: ['--import', 'tsx', '--conditions=mumu-source'] },
);
const queue = new JobQueue(redis, { keepMilliseconds: 3600_000, log });
/** Who waits for the answer to which command. */
const answered = new Map<string, () => void>();
const messenger: Messenger = {
  ...{ platform: 'discord', interval: 1500, secretsMilliseconds: 900_000 },
  show: async () => undefined,
  finish: async ({ id }) => answered.get(id)?.(),
  openFile: async () => Readable.from([]),
};
let courier: Courier | undefined;

try {
  await once(worker, 'message');
  const storage = await FolderStorage.open({
    ...{ folder: join(folder, 'storage'), maxBytes: 1e9, keepMilliseconds: 3600_000, log },
    filesInUse: () => queue.filesInUse(),
  });
  const intake = new Intake({
    ...{ queue, storage, maxFileBytes: 1e6 },
    inspect: async () => ({ kind: 'audio', mime: 'audio/wav', seconds: 1 }),
  });
  courier = await startCourier({
    ...{ redis, queue, storage, intake, messenger, log, policy: OPEN_POLICY, keepMilliseconds: 3600_000 },
    answers: { answer: async ({ command }) => command },
    secret: 'of the bench',
  });

  process.stderr.write(`${COMMANDS} commands from ${USERS} users in ${WITHIN / 1000} s\n`);
  await measure(courier, 50, 'warm', 0);
  const load = await measure(courier, COMMANDS, 'load', WITHIN);
  row('acknowledged after, median, ms', quantile(load.acknowledged, 0.5).toFixed(1));
  row('acknowledged after, 99th percentile, ms', quantile(load.acknowledged, 0.99).toFixed(1));
  row('answered after, median, ms', quantile(load.answered, 0.5).toFixed(1));
  row('answered after, 99th percentile, ms', quantile(load.answered, 0.99).toFixed(1));

  process.stderr.write('the same commands as fast as they go\n');
  const burst = await measure(courier, COMMANDS, 'burst', 0);
  row('commands a second through the whole path', (COMMANDS / (burst.total / 1000)).toFixed(0));

  process.stderr.write('a job on its queue and back\n');
  const bare = await bareJobs(COMMANDS);
  const ours = await queuedJobs(COMMANDS);
  row('a job on bare BullMQ, ms', bare.toFixed(2));
  row('a job on our queue (limits, history, turns, following), ms', ours.toFixed(2));
  row('ratio: our queue / bare BullMQ', `${(ours / bare).toFixed(2)} x`);
  const whole = burst.total / COMMANDS;
  row('ratio: the whole path / bare BullMQ', `${(whole / bare).toFixed(2)} x`);
} finally {
  await courier?.close();
  await queue.close();
  worker.disconnect();
  await once(worker, 'exit');
  await redis.close();
  rmSync(folder, { recursive: true, force: true });
}

process.stdout.write('\n| measure | value |\n|---|---|\n');
for (const [name, value] of rows) process.stdout.write(`| ${name} | ${value} |\n`);

/** Sends commands evenly over a time, milliseconds. @returns milliseconds of each command, and of all */
async function measure(to: Courier, count: number, name: string, within: number) {
  const acknowledged: number[] = [];
  const answers: number[] = [];
  const start = performance.now();
  const send = async (index: number): Promise<void> => {
    if (within > 0) await delay((index * within) / count);
    const id = `${name}-${index}`;
    const person = index % USERS;
    const receipt: Receipt = {
      ...{ id, platform: 'discord', user: `discord:${person}`, conversation: `discord:${person}`, roles: [] },
      server: `discord:server-${person % 10}`,
      intent: {
        ...{ type: 'command', command: index % 3 === 0 ? 'generate' : 'ask', action: 'new' },
        ...{ text: 'What is playing?', options: {} },
      },
      address: {},
    };
    const sent = performance.now();
    const answer = new Promise<void>((resolve) => answered.set(id, resolve));
    await to.receive(receipt, { files: [] });
    acknowledged.push(performance.now() - sent);
    await answer;
    answers.push(performance.now() - sent);
  };
  await Promise.all(Array.from({ length: count }, (_, index) => send(index)));
  return { acknowledged, answered: answers, total: performance.now() - start };
}

/** Milliseconds a job, all at once. */
async function bareJobs(count: number): Promise<number> {
  const bare = new Queue('bare', { connection: redis.connect('producer'), prefix: 'bench' });
  const events = new QueueEvents('bare', {
    ...{ connection: redis.connect('worker'), prefix: 'bench' },
    // From the beginning: "from now on" may be later than the first job's end.
    lastEventId: '0-0',
  });
  const waiting = new Map<string, () => void>();
  events.on('completed', ({ jobId }) => waiting.get(jobId)?.());
  await events.waitUntilReady();
  const start = performance.now();
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const jobId = `b-${index}`;
      const ended = new Promise<void>((resolve) => waiting.set(jobId, resolve));
      await bare.add('ask', { text: 'What is playing?' }, { jobId });
      await ended;
    }),
  );
  const total = performance.now() - start;
  await events.close();
  await bare.close();
  return total / count;
}

async function queuedJobs(count: number): Promise<number> {
  const start = performance.now();
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const id = `q-${index}`;
      const person = index % USERS;
      const request = requestSchema.parse({
        ...{ id, command: 'ask', conversation: `c${person}`, user: `u${person}`, server: `s${person % 10}` },
        ...{ files: [], options: {}, text: 'What is playing?' },
      });
      await queue.submit(request);
      await new Promise<void>((resolve) => {
        const stop = queue.watch(id, (event) => {
          if (event.type !== 'result') return;
          queueMicrotask(() => stop());
          resolve();
        });
      });
    }),
  );
  return (performance.now() - start) / count;
}
