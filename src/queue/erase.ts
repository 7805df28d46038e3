import type { Job, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Request, requestSchema } from '#contracts/request';

/**
 * Takes ended and waiting jobs out of a queue with everything that was kept of them: data, result, and what its
 * stream of events repeats of both. A job that runs stays; cancel it first.
 */
export async function eraseJobs<Data, Result>(
  queue: Queue<Data, Result, string>,
  redis: Redis,
  isMeant: (request: Request) => boolean,
): Promise<void> {
  const erased = new Set<string>();
  const jobs: Array<Job<unknown> | undefined> = await queue.getJobs();
  for (const job of jobs) {
    const request = requestSchema.safeParse(job?.data);
    if (job?.id === undefined || !request.success || !isMeant(request.data)) continue;
    try {
      await job.remove();
      erased.add(job.id);
    } catch (error) {
      // Locked by the worker that runs it; anything else is Redis being away.
      if ((await job.getState()) !== 'active') throw error;
    }
  }
  if (erased.size > 0) await eraseEvents(redis, queue.toKey('events'), erased);
}

async function eraseEvents(redis: Redis, stream: string, jobIds: ReadonlySet<string>): Promise<void> {
  const entries = await redis.xrange(stream, '-', '+');
  const meant = entries.filter(([, fields]) => {
    const place = fields.findIndex((name, index) => index % 2 === 0 && name === 'jobId');
    return place >= 0 && jobIds.has(fields[place + 1] ?? '');
  });
  if (meant.length > 0) await redis.xdel(stream, ...meant.map(([id]) => id));
}
