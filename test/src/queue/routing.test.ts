import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { queueName, readQueueName, routeOf } from '#src/queue/names';
import { events, QueueRig } from '#test/src/queue/support';
import { makeRequest, makeResult } from '#test/support/requests';

let rig: QueueRig;
beforeAll(async () => {
  rig = await QueueRig.start();
});
afterEach(() => rig.rest());
afterAll(() => rig.close());

const wanting = (options: object, given: object = {}) => makeRequest({ ...given, options });

describe('the queue of a request', () => {
  it('is of its kind, pack and device, and its name says all three', () => {
    const routes = [
      routeOf(wanting({}), 'mini'),
      routeOf(wanting({ pack: 'mumu-7b.v2', device: 'cuda' }, { command: 'remix', text: 'slower' }), 'mini'),
    ];
    expect(routes.map(queueName)).toEqual(['text.mini', 'music.mumu-7b.v2@cuda']);
    expect(routes.map((route) => readQueueName(queueName(route)))).toEqual(routes);
    expect(['text', 'other.mini', 'text.', 'text.a@'].map(readQueueName)).toEqual(Array(4).fill(undefined));
  });
});

describe('a job goes only to a worker', () => {
  it('that has its pack', async () => {
    const queue = rig.fresh();
    const [small, large] = [wanting({}), wanting({ pack: 'large' })];
    await queue.submit(small);
    await queue.submit(large);
    const packs: string[] = [];
    const handle = async (request: typeof small, { pack }: { pack: string }) => {
      packs.push(pack);
      return makeResult(request);
    };
    await rig.consume({ packs: ['mini'], handle });
    await events(queue, small.id);
    expect(await queue.view(large.id)).toEqual({ state: 'queued', position: 1 });
    await rig.consume({ packs: ['other', 'large'], handle });
    await events(queue, large.id);
    expect(packs).toEqual(['mini', 'large']);
  });

  it('on the device it asks for; where it asks for none, any does', async () => {
    const queue = rig.fresh();
    const done: string[] = [];
    const by = (name: string) => async (request: ReturnType<typeof makeRequest>) => {
      done.push(`${name}: ${request.options.device ?? 'any'}`);
      return makeResult(request);
    };
    const jobs = [wanting({}), wanting({ device: 'cuda' }), wanting({ device: 'cpu' })];
    for (const job of jobs) await queue.submit(job);
    await rig.consume({ device: 'cpu', handle: by('cpu') });
    await events(queue, jobs[0]?.id ?? '');
    await events(queue, jobs[2]?.id ?? '');
    expect(await queue.view(jobs[1]?.id ?? '')).toEqual({ state: 'queued', position: 1 });
    await rig.consume({ device: 'cuda', handle: by('cuda') });
    await events(queue, jobs[1]?.id ?? '');
    expect(done.sort()).toEqual(['cpu: any', 'cpu: cpu', 'cuda: cuda']);
  });
});

describe('intake', () => {
  it('refuses what no worker would take, naming what there is', async () => {
    const queue = rig.fresh();
    await rig.consume({ packs: ['mini', 'large'], device: 'cpu' });
    await rig.consume({ packs: ['large'], device: 'cuda' });
    await expect(queue.submit(wanting({ pack: 'huge' }))).rejects.toMatchObject({
      code: 'not_found',
      message: 'No worker has the pack huge: there is large and mini.',
    });
    await expect(queue.submit(wanting({ device: 'cuda' }))).rejects.toMatchObject({
      code: 'cannot_do',
      message: 'No worker has the pack mini on cuda: there is cpu.',
    });
    await queue.submit(wanting({ pack: 'large', device: 'cuda' }));
    expect((await queue.overview('conversation-1')).jobs.length).toBeLessThanOrEqual(1);
  });

  it('takes everything until there was a worker, and what names no pack always', async () => {
    const queue = rig.fresh();
    await queue.submit(wanting({ pack: 'huge', device: 'webgpu' }));
    const consumer = await rig.consume({ packs: ['large'] });
    await queue.submit(wanting({}));
    await expect(queue.submit(wanting({ pack: 'huge' }))).rejects.toMatchObject({ code: 'not_found' });
    // Between two workers what the last one took may wait for the next, and nothing else.
    await consumer.close(0);
    await queue.submit(wanting({ pack: 'large' }));
    await expect(queue.submit(wanting({ pack: 'hgue' }))).rejects.toMatchObject({
      message: 'No worker has the pack hgue: there is large.',
    });
    await queue.submit(wanting({}));
    expect(await queue.counts()).toMatchObject([
      { name: 'text.huge@webgpu', device: 'webgpu', waiting: 1 },
      { name: 'text.large', kind: 'text', pack: 'large', waiting: 1, active: 0 },
      { name: 'text.mini', pack: 'mini', waiting: 2 },
    ]);
  });

  it('knows a worker as soon as it is there, and no longer than it is', async () => {
    const queue = rig.fresh();
    await rig.consume({ packs: ['mini'] });
    await expect(queue.submit(wanting({ pack: 'large' }))).rejects.toMatchObject({ code: 'not_found' });
    const consumer = await rig.consume({ packs: ['large'], device: 'cuda' });
    await queue.submit(wanting({ pack: 'large' }));
    const found = (await queue.workers()).find(({ id }) => id === consumer.id);
    expect(found).toMatchObject({ pid: process.pid, packs: ['large'], device: 'cuda' });
    await consumer.close(0);
    expect((await queue.workers()).map(({ packs }) => packs)).toEqual([['mini']]);
  });
});

describe('what one asks of the queue', () => {
  it('covers every queue, asked from a process that never used it', async () => {
    const queue = rig.fresh();
    const key = 'c'.repeat(64);
    const file = { key, kind: 'audio' as const, name: 'a.wav', mime: 'audio/wav', bytes: 1 };
    const request = wanting({ pack: 'large', device: 'cuda' }, { files: [file] });
    await queue.submit(request);
    await queue.submit(wanting({}, { command: 'generate', text: 'a waltz' }));
    const elsewhere = rig.open();
    expect(await elsewhere.view(request.id)).toEqual({ state: 'queued', position: 1 });
    expect((await elsewhere.overview(request.conversation)).queues).toEqual({
      text: { waiting: 1, active: 0 },
      music: { waiting: 1, active: 0 },
    });
    expect(await elsewhere.filesInUse()).toEqual(new Set([key]));
    expect(await elsewhere.names()).toEqual(['music.mini', 'text.large@cuda']);
    const told = events(elsewhere, request.id);
    expect(await elsewhere.cancel(request.id)).toBe('cancelled');
    expect((await told).at(-1)).toMatchObject({ result: { error: { code: 'cancelled' } } });
    expect(await elsewhere.filesInUse()).toEqual(new Set());
  });
});
