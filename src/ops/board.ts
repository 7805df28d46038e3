import { createHash, timingSafeEqual } from 'node:crypto';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import { Queue } from 'bullmq';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { Logger } from '#src/log';
import type { RedisAccess } from '#src/redis/access';

const USER = 'mumu';
/** Wrong passwords from one address within a minute. */
const TRIES = 10;

/**
 * Bull Board under `/board`: every queue and job, to look at only (a job retried by hand would pass by limits and
 * conversations), without what people wrote.
 */
export async function installBoard(
  app: FastifyInstance,
  options: {
    password: string;
    redis: RedisAccess;
    /** Queues there are: one comes into being with its first job. */
    names(): Promise<readonly string[]>;
    log: Logger;
  },
): Promise<void> {
  const { redis, log } = options;
  const queues = new Map<string, Queue>();
  const adapter = new FastifyAdapter().setBasePath('/board');
  const board = createBullBoard({
    queues: [],
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: 'mumu' } },
  });
  const refresh = async () => {
    for (const name of await options.names()) {
      if (queues.has(name)) continue;
      const queue = new Queue(name, { connection: redis.connect('producer'), prefix: redis.prefix });
      queue.on('error', (error) => log.warn({ queue: name, error: error.message }, 'board'));
      queues.set(name, queue);
      const shown = new BullMQAdapter(queue, { readOnlyMode: true, allowRetries: false });
      for (const part of ['data', 'returnValue', 'progress'] as const) shown.setFormatter(part, withoutWords);
      board.addQueue(shown);
    }
  };
  const failures = new RateLimiterMemory({ points: TRIES, duration: 60 });
  await app.register(async (scope) => {
    scope.addHook('onRequest', async (request, reply) => {
      const seen = await failures.get(request.ip);
      if (seen !== null && seen.remainingPoints <= 0) {
        return reply.code(429).header('retry-after', '60').send('Too many wrong passwords: wait a minute.');
      }
      if (isOperator(request, options.password)) {
        await refresh();
        return;
      }
      if (request.headers.authorization !== undefined)
        await failures.consume(request.ip).catch(() => undefined);
      return reply.code(401).header('www-authenticate', 'Basic realm="mumu", charset="UTF-8"').send();
    });
    await scope.register(adapter.registerPlugin(), { prefix: '/board' });
  });
  app.addHook('onClose', async () => {
    await Promise.all([...queues.values()].map((queue) => queue.close()));
  });
}

/** Compared by hashes of one length, in constant time. */
function isOperator(request: FastifyRequest, password: string): boolean {
  const encoded = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (encoded === undefined) return false;
  const given = createHash('sha256').update(Buffer.from(encoded, 'base64')).digest();
  const wanted = createHash('sha256').update(`${USER}:${password}`).digest();
  return timingSafeEqual(given, wanted);
}

/** What people or models wrote, by field. */
const WORDS = new Set(['text', 'caption', 'typed', 'notes', 'name', 'message']);

/** The same value with its words replaced by their number of characters. */
function withoutWords(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutWords);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([field, inner]) => [
      field,
      WORDS.has(field) && (typeof inner === 'string' || Array.isArray(inner))
        ? `(${JSON.stringify(inner).length} characters)`
        : withoutWords(inner),
    ]),
  );
}
