/** A worker of bench/queue.ts, in a process of its own: jobs are done as soon as they are taken. */
import { Worker } from 'bullmq';
import { createLogger } from '#src/log';
import { consumeJobs } from '#src/queue/consume';
import { openRedis } from '#src/redis/access';

const [redisUrl = '', dataFolder = '', at = '1'] = process.argv.slice(2);
const log = createLogger('warn');
const redis = await openRedis({ redisUrl, redisPrefix: 'bench', dataFolder }, log);
await consumeJobs({
  ...{ redis, log, queues: ['text', 'music'], keepMilliseconds: 3600_000 },
  concurrency: { text: Number(at), music: Number(at) },
  handle: async ({ id, command, options }) => ({
    ...{ status: 'done', id, files: [], seed: options.seed ?? 1, pack: 'mini', notes: [] },
    text: `answer to a ${command}`,
    timings: { decode: 0, encode: 0, language: 0, music: 0, total: 0 },
  }),
});
// What BullMQ does by itself, to measure ours against.
const bare = new Worker('bare', async () => ({ text: 'answer' }), {
  ...{ connection: redis.connect('worker'), prefix: 'bench', concurrency: Number(at) },
});
await bare.waitUntilReady();
process.send?.('ready');
process.on('disconnect', () => process.exit(0));
