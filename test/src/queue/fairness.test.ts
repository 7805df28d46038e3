import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Request } from '#contracts/request';
import type { JobQueue } from '#src/queue/job-queue';
import { events, QueueRig } from '#test/src/queue/support';
import { makeRequest, makeResult } from '#test/support/requests';

let rig: QueueRig;
beforeAll(async () => {
  rig = await QueueRig.start();
});
afterEach(() => rig.rest());
afterAll(() => rig.close());

/** Submits in the order given, then lets one worker do them all. @returns who came when */
async function order(queue: JobQueue, requests: Request[]): Promise<Request[]> {
  for (const request of requests) await queue.submit(request);
  const done: Request[] = [];
  await rig.consume({
    handle: async (request) => {
      done.push(request);
      return makeResult(request);
    },
  });
  await Promise.all(requests.map(({ id }) => events(queue, id)));
  expect(done).toHaveLength(requests.length);
  return done;
}

const many = (count: number, given: Partial<Request>) =>
  Array.from({ length: count }, () => makeRequest(given as Parameters<typeof makeRequest>[0]));

describe('turns', () => {
  it('one person’s twenty jobs do not hold up another’s first', async () => {
    const queue = rig.fresh();
    const done = await order(queue, [...many(20, { user: 'anna' }), makeRequest({ user: 'ben' })]);
    expect(done[0]?.user).toBe('anna');
    expect(done[1]?.user).toBe('ben');
  });

  it('nor does a server’s crowd hold up another server’s, or somebody in private', async () => {
    const queue = rig.fresh();
    const crowd = Array.from({ length: 20 }, (_, index) =>
      makeRequest({ user: `user-${index}`, server: 'crowd' }),
    );
    const done = await order(queue, [
      ...crowd,
      makeRequest({ user: 'ben', server: 'small' }),
      makeRequest({ user: 'carla' }),
    ]);
    const places = ['ben', 'carla'].map((user) => done.findIndex((request) => request.user === user));
    expect(Math.max(...places)).toBeLessThanOrEqual(2);
  });

  it('everybody’s first comes before anybody’s second, in any server', async () => {
    const queue = rig.fresh();
    const requests = Array.from({ length: 5 }, (_, person) =>
      many(4, { user: `user-${person}`, server: `server-${person % 2}` }),
    ).flat();
    const done = await order(queue, requests);
    for (let round = 0; round < 4; round += 1) {
      const users = done.slice(round * 5, round * 5 + 5).map(({ user }) => user);
      expect(new Set(users).size).toBe(5);
    }
  });

  it('a person’s own jobs come in the order they were asked for', async () => {
    const queue = rig.fresh();
    const requests = many(12, { user: 'anna' });
    const done = await order(queue, requests);
    expect(done.map(({ id }) => id)).toEqual(requests.map(({ id }) => id));
  });

  it('a job that was put back comes first again', async () => {
    const queue = rig.fresh();
    const [first, ...others] = many(4, { user: 'anna' }) as [Request, ...Request[]];
    await queue.submit(first);
    let begun = () => {};
    const started = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const consumer = await rig.consume({
      handle: () => {
        begun();
        return new Promise(() => {});
      },
    });
    await started;
    for (const request of others) await queue.submit(request);
    await queue.submit(makeRequest({ user: 'ben' }));
    await consumer.close(0);
    expect(await queue.view(first.id)).toEqual({ state: 'queued', position: 1 });
  });
});
