import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Request } from '#contracts/request';
import { QueueRig } from '#test/src/queue/support';
import { makeRequest, makeResult } from '#test/support/requests';

const COMMANDS = 1000;
const USERS = 200;
/** In which they come, milliseconds. */
const WITHIN = 10_000;

vi.setConfig({ testTimeout: 240_000 });
let rig: QueueRig;
beforeAll(async () => {
  rig = await QueueRig.start();
});
afterAll(() => rig.close());

it('takes 1,000 commands from 200 users in 10 s: all are answered, none lost, none twice', async () => {
  const bot = rig.fresh({
    activeJobs: 1000,
    serverActiveJobs: 10_000,
    jobsPerHour: 1000,
    serverJobsPerHour: 100_000,
  });
  const otherBot = rig.open({
    activeJobs: 1000,
    serverActiveJobs: 10_000,
    jobsPerHour: 1000,
    serverJobsPerHour: 100_000,
  });
  const worked = new Map<string, number>();
  const handle = async (request: Request) => {
    worked.set(request.id, (worked.get(request.id) ?? 0) + 1);
    return makeResult(request, { text: `answer to ${request.id}` });
  };
  for (let worker = 0; worker < 2; worker += 1)
    await rig.consume({ handle, concurrency: { text: 4, music: 2 } });

  const results = new Map<string, string[]>();
  const refused: unknown[] = [];
  const ask = async (index: number): Promise<void> => {
    await delay((index * WITHIN) / COMMANDS);
    const person = index % USERS;
    const request = makeRequest({
      id: String(10n ** 18n + BigInt(index)),
      ...{ user: `user-${person}`, server: `server-${person % 7}`, conversation: `conversation-${person}` },
      ...(index % 3 === 0 ? { command: 'generate' as const, text: 'a waltz' } : {}),
    });
    const queue = index % 2 === 0 ? bot : otherBot;
    // One in ten is delivered twice, to both bots.
    const deliveries = index % 10 === 0 ? [bot, otherBot] : [queue];
    const taken = await Promise.allSettled(deliveries.map((one) => one.submit(request)));
    refused.push(...taken.filter((one) => one.status === 'rejected'));
    results.set(request.id, []);
    await new Promise<void>((resolve) => {
      queue.watch(request.id, (event) => {
        if (event.type !== 'result') return;
        results
          .get(request.id)
          ?.push(event.result.status === 'done' ? event.result.text : event.result.error.code);
        resolve();
      });
    });
  };
  await Promise.all(Array.from({ length: COMMANDS }, (_, index) => ask(index)));

  expect(refused).toEqual([]);
  expect(results.size).toBe(COMMANDS);
  const wrong = [...results].filter(([id, told]) => told.length !== 1 || told[0] !== `answer to ${id}`);
  expect(wrong).toEqual([]);
  expect(worked.size).toBe(COMMANDS);
  expect([...worked.values()].filter((times) => times !== 1)).toEqual([]);
  expect(await bot.openRequests()).toEqual([]);
});
