import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MumuError } from '#contracts/errors';
import { loadConfig } from '#src/config';
import { createLogger } from '#src/log';
import { Metrics } from '#src/ops/metrics';
import { openTraces } from '#src/ops/traces';
import { consumeJobs } from '#src/queue/consume';
import { JobQueue } from '#src/queue/job-queue';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeRequest, makeResult } from '#test/support/requests';

interface Span {
  traceId: string;
  name: string;
  attributes: Array<{ key: string; value: object }>;
}

let redis: TestRedis;
beforeAll(async () => {
  redis = await startTestRedis();
});
afterAll(() => redis?.close());

it('follows a request through the queue without a word of what was said, and counts it', async () => {
  const bodies: string[] = [];
  const collector = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      bodies.push(`${request.url} ${body}`);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const address = collector.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');

  const { telemetry, close } = openTraces(`http://127.0.0.1:${address.port}/`, 'mumu-test');
  const log = createLogger('silent');
  const metrics = new Metrics();
  const queue = new JobQueue(redis.access, { ...loadConfig({}).limits, telemetry, log });
  const consumer = await consumeJobs({
    redis: redis.access,
    queues: ['text'],
    concurrency: { text: 1, music: 1 },
    handle: async (request) => {
      if (request.text === 'a secret failure') {
        throw new MumuError('invalid_input', 'diary.mp3: This is no music.');
      }
      return makeResult(request, { text: 'a secret answer' });
    },
    observer: metrics.work,
    keepMilliseconds: 60_000,
    telemetry,
    log,
  });
  const ended = (id: string) =>
    new Promise<void>((resolve) => {
      const stop = queue.watch(id, (event) => {
        if (event.type !== 'result') return;
        queueMicrotask(() => stop());
        resolve();
      });
    });
  for (const text of ['a secret question', 'a secret failure']) {
    const request = makeRequest({ command: 'ask', text });
    await queue.submit(request);
    await ended(request.id);
  }
  await consumer.close(0);
  await queue.close();
  await close();
  collector.close();

  const spans = bodies.flatMap((body) => {
    expect(body.startsWith('/v1/traces ')).toBe(true);
    const sent = JSON.parse(body.slice('/v1/traces '.length));
    return sent.resourceSpans.flatMap((one: { scopeSpans: Array<{ spans: Span[] }> }) =>
      one.scopeSpans.flatMap((scope) => scope.spans),
    ) as Span[];
  });
  const added = spans.find((span) => /^add /.test(span.name));
  const processed = spans.find((span) => /^process /.test(span.name) && span.traceId === added?.traceId);
  expect(added).toBeDefined();
  // The same trace on both sides of Redis.
  expect(processed).toBeDefined();
  expect(bodies.join()).toContain('bullmq.job.id');
  expect(bodies.join()).not.toMatch(/secret|diary/);

  const figures = await metrics.registry.metrics();
  expect(figures).toContain('mumu_jobs_total{command="ask",outcome="done"} 1');
  expect(figures).toContain('mumu_jobs_total{command="ask",outcome="invalid_input"} 1');
  expect(figures).toContain('mumu_queue_wait_seconds_count{command="ask"} 2');
});
