import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Deliveries, forgetDeliveries, type Lease } from '#src/chat/delivery/deliveries';
import { Sealer } from '#src/chat/delivery/seal';
import type { Delivery, Secrets } from '#src/chat/delivery/types';
import { makeReceipt } from '#test/src/chat/delivery/support';
import { startTestRedis, type TestRedis } from '#test/support/redis';

let server: TestRedis;
let redis: Redis;
let prefix: string;
let deliveries: Deliveries;
let count = 0;

const mine: Lease = { holder: 'me', milliseconds: 60_000 };
const theirs: Lease = { holder: 'they', milliseconds: 60_000 };
const secrets: Secrets = { files: [], token: 'hush' };

beforeAll(async () => {
  server = await startTestRedis();
  redis = server.access.connect('producer');
});
afterAll(() => server.close());
beforeEach(() => {
  count += 1;
  prefix = `deliveries${count}`;
  deliveries = new Deliveries({ redis, prefix, sealer: new Sealer('one'), keepMilliseconds: 60_000 });
});

function makeDelivery(given: Partial<Delivery> = {}): Delivery {
  return { ...makeReceipt(), receivedAt: Date.now(), state: 'received', posted: {}, fileCount: 0, ...given };
}

const open = (delivery: Delivery, lease = mine, mark = 'mark', until = Date.now() + 60_000) =>
  deliveries.open(delivery, secrets, until, lease, mark);

describe('a delivery', () => {
  it('is opened once; the same command sent twice by a broken connection is still its own', async () => {
    const delivery = makeDelivery();
    expect(await open(delivery)).toBe(true);
    expect(await open(delivery)).toBe(true);
    expect(await open(delivery, theirs, 'another')).toBe(false);
    expect(await deliveries.get(delivery.id)).toEqual(delivery);
    expect(await deliveries.secrets(delivery.id)).toEqual(secrets);
    expect(await deliveries.openIds('discord')).toEqual([delivery.id]);
    expect(await deliveries.openIds('slack')).toEqual([]);
  });

  it('keeps its secrets only as long as they are worth something', async () => {
    const delivery = makeDelivery();
    await open(delivery, mine, 'mark', Date.now() + 100);
    expect(await deliveries.secrets(delivery.id)).toEqual(secrets);
    await delay(150);
    expect(await deliveries.secrets(delivery.id)).toBeUndefined();
    const late = makeDelivery();
    await open(late, mine, 'mark', Date.now() - 1);
    expect(await deliveries.secrets(late.id)).toBeUndefined();
  });

  it('that was closed is remembered for a while, and not opened anew', async () => {
    const delivery = makeDelivery();
    await open(delivery);
    await deliveries.patch(delivery.id, { posted: { message: '1' } });
    await deliveries.close(delivery.id, 'discord');
    expect(await deliveries.get(delivery.id)).toMatchObject({ state: 'closed', posted: { message: '1' } });
    expect(await open(delivery, theirs, 'another')).toBe(false);
    expect(await deliveries.openIds('discord')).toEqual([]);
    expect(await deliveries.secrets(delivery.id)).toBeUndefined();
    expect(await redis.pttl(`${prefix}:delivery:${delivery.id}`)).toBeGreaterThan(0);
  });

  it('written by another version is not read', async () => {
    await redis.hset(`${prefix}:delivery:old`, { receipt: '{"id":1}', state: 'open' });
    expect(await deliveries.get('old')).toBeUndefined();
    expect(await deliveries.get('never')).toBeUndefined();
  });
});

describe('a lease', () => {
  it('is held by one, until it ends or runs out', async () => {
    const delivery = makeDelivery();
    await open(delivery);
    expect(await deliveries.claim([delivery.id], theirs)).toEqual([]);
    expect(await deliveries.renew([delivery.id], mine)).toEqual([]);
    expect(await deliveries.renew([delivery.id], theirs)).toEqual([delivery.id]);
    await deliveries.release(delivery.id, 'they');
    expect(await deliveries.claim([delivery.id], theirs)).toEqual([]);
    await deliveries.release(delivery.id, 'me');
    expect(await deliveries.claim([delivery.id], { ...theirs, milliseconds: 100 })).toEqual([delivery.id]);
    expect(await deliveries.renew([delivery.id], mine)).toEqual([delivery.id]);
    await delay(150);
    expect(await deliveries.renew([delivery.id], mine)).toEqual([]);
    expect(await deliveries.claim([delivery.id], theirs)).toEqual([]);
  });
});

describe('forgetting', () => {
  it('takes closed deliveries at once, open ones when they end, and nobody else’s', async () => {
    const [closed, running] = [makeDelivery(), makeDelivery()];
    const other = makeDelivery({ user: 'discord:2' });
    for (const delivery of [closed, running, other]) await open(delivery);
    await deliveries.close(closed.id, 'discord');
    await forgetDeliveries(redis, prefix, 'discord:1');
    expect(await deliveries.get(closed.id)).toBeUndefined();
    expect(await deliveries.isCancelled(running.id)).toBe(true);
    expect(await deliveries.isCancelled(other.id)).toBe(false);
    // What its adapter still notes must not bring it back.
    await deliveries.close(running.id, 'discord');
    await deliveries.patch(running.id, { posted: { message: '1' } });
    expect(await deliveries.get(running.id)).toBeUndefined();
    const left = await redis.keys(`${prefix}:*`);
    expect(left.filter((key) => key.includes(running.id) || key.includes(closed.id))).toEqual([]);
    expect(left.some((key) => key.includes('discord:1'))).toBe(false);
    expect(await deliveries.get(other.id)).toBeDefined();
  });
});
