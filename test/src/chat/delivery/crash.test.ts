import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Receipt, Secrets } from '#src/chat/delivery/types';
import { repositoryFolder } from '#src/config';
import type { RedisAccess } from '#src/redis/access';
import { makeReceipt, NO_SECRETS, Rig, TestMessenger, until } from '#test/src/chat/delivery/support';
import { tone } from '#test/support/media-fixtures';
import { RedisProcess } from '#test/support/redis-process';
import { makeResult } from '#test/support/requests';

let server: RedisProcess;
let redis: RedisAccess;
let rig: Rig;
let messenger: TestMessenger;
let song: Buffer;

beforeAll(async () => {
  server = await RedisProcess.create();
  song = await readFile(tone(join(server.folder, 'song.wav'), { seconds: 1, rate: 8000 }));
});
afterAll(() => server.close());

let count = 0;
let prefix = '';
beforeEach(async () => {
  count += 1;
  prefix = `crash${count}`;
  redis = await server.connect(prefix);
  rig = await Rig.start(redis, server.folder);
  messenger = new TestMessenger();
});
afterEach(async () => {
  await rig.close();
  await redis.close();
});

/** A bot in a process of its own, which takes something over and dies of kill -9 at the given moment. */
async function botThatDies(
  moment: 'fetching' | 'running' | 'posted',
  receipt: Receipt,
  secrets: Secrets = NO_SECRETS,
): Promise<void> {
  const script = join(repositoryFolder(), 'test/src/chat/delivery/bot-process.ts');
  const given = [server.url, prefix, server.folder, moment, JSON.stringify({ receipt, secrets })];
  const child = spawn(process.execPath, ['--conditions=mumu-source', '--import', 'tsx', script, ...given], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [, signal] = await once(child, 'exit');
  expect(signal).toBe('SIGKILL');
}

describe('a bot that is killed', () => {
  it('while files are fetched: the next one fetches them, by what was sealed', async () => {
    const receipt = makeReceipt();
    const file = messenger.give('song.wav', song);
    await botThatDies('fetching', receipt, { files: [file], token: 'hush-hush' });
    await rig.work(async (request) => makeResult(request));
    await rig.courier(messenger, { leaseMilliseconds: 1500 });
    const { view, secrets } = await messenger.end(receipt.id);
    expect(view).toMatchObject({ state: 'done', request: { files: [{ name: 'song.wav' }] } });
    expect(secrets?.token).toBe('hush-hush');
  });

  it('while the job runs: the next one follows the same job', async () => {
    let runs = 0;
    let finish = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    await rig.work(async (request, { onProgress }) => {
      runs += 1;
      onProgress({ type: 'stage', stage: 'language', fraction: 0.5 });
      await finished;
      return makeResult(request);
    });
    const receipt = makeReceipt();
    await botThatDies('running', receipt);
    await rig.courier(messenger, { leaseMilliseconds: 1500 });
    await until(() => messenger.viewsOf(receipt.id).some((view) => view.state === 'active'));
    finish();
    expect((await messenger.end(receipt.id)).view).toMatchObject({ state: 'done' });
    expect(runs).toBe(1);
  });

  it('between posting and closing: the next one knows what was posted', async () => {
    let runs = 0;
    await rig.work(async (request) => {
      runs += 1;
      return makeResult(request);
    });
    const receipt = makeReceipt();
    await botThatDies('posted', receipt);
    const courier = await rig.courier(messenger, { leaseMilliseconds: 1500 });
    expect((await messenger.end(receipt.id)).posted).toEqual({ message: '4711' });
    await until(async () => (await courier.lookUp(receipt.id))?.delivery.state === 'closed');
    await delay(1000);
    expect(messenger.finished).toHaveLength(1);
    expect(runs).toBe(1);
  });
});

describe('two bots', () => {
  it('share deliveries: one that lives keeps its own, one that ends hands them on', async () => {
    const other = new TestMessenger();
    const first = await rig.courier(messenger, { leaseMilliseconds: 600 });
    await rig.courier(other, { leaseMilliseconds: 600 });
    const receipt = makeReceipt();
    await first.receive(receipt, NO_SECRETS);
    await until(() => messenger.viewsOf(receipt.id).length > 0);
    await delay(1500);
    expect(other.shown).toEqual([]);
    await first.close();
    await until(() => other.shown.length > 0);
    await rig.work(async (request) => makeResult(request));
    await other.end(receipt.id);
    expect(messenger.finished).toEqual([]);
  });
});

describe('an answer that cannot be posted', () => {
  it('is posted later, and nothing is lost in between', async () => {
    let failures = 0;
    messenger.onFinish = async () => {
      failures += 1;
      if (failures <= 2) throw new Error('the platform answers 503');
    };
    await rig.work(async (request) => makeResult(request));
    const courier = await rig.courier(messenger);
    const receipt = makeReceipt();
    await courier.receive(receipt, NO_SECRETS);
    expect((await messenger.end(receipt.id)).view).toMatchObject({ state: 'done' });
    expect(failures).toBe(3);
  });
});

/** All that lies under a prefix, as text: DUMP would do, did it not compress. */
async function everything(store: Redis, under: string): Promise<string> {
  const parts: unknown[] = [];
  for (const key of await store.keys(`${under}:*`)) {
    const read: Record<string, () => Promise<unknown>> = {
      string: () => store.get(key),
      hash: () => store.hgetall(key),
      list: () => store.lrange(key, '0', '-1'),
      set: () => store.smembers(key),
      zset: () => store.zrange(key, '0', '-1'),
      stream: () => store.xrange(key, '-', '+'),
      none: async () => undefined,
    };
    parts.push(key, await read[await store.type(key)]?.());
  }
  return JSON.stringify(parts);
}

describe('Redis', () => {
  it('frozen: one moment, and then all goes on', async () => {
    await rig.work(async (request) => makeResult(request));
    const courier = await rig.courier(messenger);
    server.freeze();
    try {
      const receipt = makeReceipt();
      expect(await courier.receive(receipt, NO_SECRETS)).toBe(true);
      expect(await courier.receive(receipt, NO_SECRETS)).toBe(false);
      await until(() => messenger.viewsOf(receipt.id).some((view) => view.state === 'moment'));
      server.thaw();
      expect((await messenger.end(receipt.id)).view).toMatchObject({ state: 'done' });
    } finally {
      server.thaw();
    }
  });

  it('killed and started: what was accepted before and during it ends once', async () => {
    let runs = 0;
    let finish = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    await rig.work(async (request) => {
      runs += 1;
      await finished;
      return makeResult(request);
    });
    const courier = await rig.courier(messenger);
    const before = makeReceipt();
    await courier.receive(before, NO_SECRETS);
    await until(() => messenger.viewsOf(before.id).some((view) => view.state === 'active'));
    await server.kill();
    const during = makeReceipt();
    await courier.receive(during, { files: [messenger.give('song.wav', song)], token: 'hush-hush' });
    await until(() => [before, during].every(({ id }) => messenger.viewsOf(id).at(-1)?.state === 'moment'));
    await server.start();
    await until(() => messenger.viewsOf(before.id).at(-1)?.state === 'active');
    finish();
    expect((await messenger.end(before.id)).view).toMatchObject({ state: 'done' });
    expect((await messenger.end(during.id)).view).toMatchObject({ state: 'done' });
    expect(messenger.finished).toHaveLength(2);
    expect(runs).toBe(2);
  });

  it('never holds a token or a signed address in clear text', async () => {
    const courier = await rig.courier(messenger);
    await rig.work(async (request) => {
      await delay(300);
      return makeResult(request);
    });
    const receipt = makeReceipt();
    await courier.receive(receipt, { files: [messenger.give('song.wav', song)], token: 'hush-hush' });
    const store = redis.connect('producer');
    const contents = () => everything(store, prefix);
    await until(() => messenger.viewsOf(receipt.id).some((view) => view.state === 'active'));
    const during = await contents();
    expect(during).toContain(`delivery-secrets:${receipt.id}`);
    expect(during).not.toContain('hush');
    await messenger.end(receipt.id);
    await until(async () => (await courier.lookUp(receipt.id))?.delivery.state === 'closed');
    expect(await contents()).not.toContain('delivery-secrets');
    expect(await contents()).not.toContain('hush');
  });
});
