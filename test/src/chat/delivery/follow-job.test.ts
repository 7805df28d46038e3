import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { followJob } from '#src/chat/delivery/follow-job';
import { RedisHealth } from '#src/chat/delivery/health';
import type { StatusView } from '#src/chat/delivery/types';
import { ViewBuilder } from '#src/chat/delivery/views';
import { AGAIN } from '#src/queue/again';
import { Rig } from '#test/src/chat/delivery/support';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeRequest, makeResult } from '#test/support/requests';

let server: TestRedis;
let rig: Rig;
let health: RedisHealth;
let count = 0;

beforeAll(async () => {
  server = await startTestRedis();
});
afterAll(() => server.close());
beforeEach(async () => {
  count += 1;
  rig = await Rig.start({ ...server.access, prefix: `follow${count}` }, server.folder);
  health = new RedisHealth(rig.redis.connect('producer'));
});
afterEach(async () => {
  health.close();
  await rig.close();
});

const following = (isCancelled: boolean, shown: StatusView[] = []) => ({
  queue: rig.queue,
  health,
  signal: new AbortController().signal,
  isCancelled: async () => isCancelled,
  show: (view: StatusView) => void shown.push(view),
  lookMilliseconds: 100,
});

describe('a job', () => {
  it('that Redis has lost is queued once more', async () => {
    const request = makeRequest();
    await rig.queue.submit(request);
    const result = followJob(request, following(false));
    await rig.queue.erase(({ id }) => id === request.id);
    await rig.work(async (job) => makeResult(job));
    expect(await result).toEqual(makeResult(request));
  });

  it('that somebody wanted stopped is none to queue again', async () => {
    const request = makeRequest();
    await rig.queue.submit(request);
    const result = followJob(request, following(true));
    await rig.queue.erase(({ id }) => id === request.id);
    let runs = 0;
    await rig.work(async (job) => {
      runs += 1;
      return makeResult(job);
    });
    expect(await result).toMatchObject({ status: 'failed', error: { code: 'cancelled' } });
    await delay(300);
    expect(runs).toBe(0);
  });

  it('that a stopping worker hands back says that it begins again', async () => {
    const request = makeRequest();
    await rig.queue.submit(request);
    const shown: StatusView[] = [];
    const result = followJob(request, following(false, shown));
    const worker = await rig.work(async (job, { signal, onProgress }) => {
      onProgress({ type: 'stage', stage: 'language', fraction: 0.7 });
      await delay(60_000, undefined, { signal });
      return makeResult(job);
    });
    while (!shown.some((view) => view.state === 'active' && view.fraction === 0.7)) await delay(20);
    await worker.close(0);
    await rig.work(async (job, { onProgress }) => {
      onProgress({ type: 'stage', stage: 'language', fraction: 0.1 });
      await delay(300);
      return makeResult(job);
    });
    await result;
    const last = shown.findLast((view) => view.state === 'active');
    // Said once, in the words of the chat, and not also as a note.
    expect(last).toMatchObject({ again: true, fraction: 0.1, notes: [] });
  });
});

describe('views', () => {
  it('know a job that another worker took over at once, which nobody saw waiting', () => {
    const builder = new ViewBuilder();
    builder.next({ type: 'queued', position: 0 });
    builder.next({ type: 'note', text: AGAIN.worker });
    const view = builder.next({ type: 'stage', stage: 'decode', fraction: 0 });
    expect(view).toMatchObject({ state: 'active', again: true, notes: [] });
  });

  it('gather what a job tells, and begin anew when it does', () => {
    const builder = new ViewBuilder();
    expect(builder.next({ type: 'queued', position: 3 })).toEqual({ state: 'queued', position: 3 });
    expect(builder.next({ type: 'queued', position: 0 })).toEqual({ state: 'active', notes: [] });
    builder.next({ type: 'note', text: 'only the first 10 minutes' });
    builder.next({ type: 'stage', stage: 'language', fraction: 0.5 });
    expect(builder.next({ type: 'text', text: 'a wal' })).toEqual({
      state: 'active',
      notes: ['only the first 10 minutes'],
      stage: 'language',
      fraction: 0.5,
      text: 'a wal',
    });
    expect(builder.next({ type: 'queued', position: 1 })).toEqual({
      state: 'queued',
      position: 1,
      again: true,
    });
    expect(builder.next({ type: 'queued', position: 0 })).toEqual({
      state: 'active',
      notes: [],
      again: true,
    });
  });
});
