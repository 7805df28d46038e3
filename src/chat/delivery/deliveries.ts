import type { Redis } from 'ioredis';
import { z } from 'zod';
import { requestSchema } from '#contracts/request';
import type { Sealer } from '#src/chat/delivery/seal';
import { type Delivery, type Platform, receiptSchema, type Secrets } from '#src/chat/delivery/types';

/** For the index of a user's deliveries: none is open for longer, milliseconds. */
const LONGEST_OPEN = 7 * 24 * 3600_000;

const json = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'is no JSON' });
    return z.NEVER;
  }
});

/** A delivery as it lies in Redis: a hash, so that its fields change one by one. */
const recordSchema = z.object({
  receipt: json.pipe(receiptSchema),
  receivedAt: z.coerce.number(),
  fileCount: z.coerce.number(),
  state: z.enum(['received', 'queued', 'closed']),
  posted: json.pipe(z.record(z.string(), z.unknown())).default({}),
  request: json.pipe(requestSchema).optional(),
  /** Somebody asked to stop it before it was on a queue. */
  cancelled: z.literal('1').optional(),
});

/**
 * All or nothing, so that a crash leaves no delivery that nobody looks for. Answers who opened it first: a command
 * that a broken connection made ioredis send twice finds its own mark.
 */
const OPEN = `
local known = redis.call('HGET', KEYS[1], 'mark')
if known then return known end
redis.call('HSET', KEYS[1], 'mark', ARGV[1], 'receipt', ARGV[2], 'receivedAt', ARGV[3], 'fileCount', ARGV[4],
  'state', 'received')
if ARGV[5] ~= '' then redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[6]) end
redis.call('SET', KEYS[3], ARGV[7], 'PX', ARGV[8])
redis.call('ZADD', KEYS[4], ARGV[3], ARGV[9])
redis.call('ZADD', KEYS[5], ARGV[3], ARGV[9])
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', ARGV[11])
redis.call('PEXPIRE', KEYS[5], ARGV[10])
return ARGV[1]`;

/** Renews a lease, also one that ran out while nobody else wanted it. */
const RENEW = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`;

const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

/** Changes fields of a delivery that is still remembered; one that was forgotten meanwhile stays forgotten. */
const CHANGE = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1`;

/** Ends a delivery: remembered for its buttons, unless its owner wants to be forgotten. */
const CLOSE = `
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('DEL', KEYS[2], KEYS[3])
if redis.call('HGET', KEYS[1], 'forget') then
  redis.call('DEL', KEYS[1])
elseif redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'state', 'closed')
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1`;

export interface DeliveriesOptions {
  redis: Redis;
  prefix: string;
  sealer: Sealer;
  /** How long closed deliveries are remembered, milliseconds. */
  keepMilliseconds: number;
}

/** Who follows a delivery, and for how long without a sign of life. */
export interface Lease {
  holder: string;
  milliseconds: number;
}

/** Deliveries in Redis: what is known of each, which are open, and which process follows which. */
export class Deliveries {
  constructor(private readonly options: DeliveriesOptions) {}

  /**
   * Writes a new delivery down, its lease taken.
   * @param mark drawn by the caller, once for each receipt.
   * @returns false if the id is known already.
   */
  async open(delivery: Delivery, secrets: Secrets, until: number, lease: Lease, mark: string) {
    const { redis, sealer } = this.options;
    const { id, platform, user } = delivery;
    const left = Math.floor(until - Date.now());
    const remembered = Math.ceil(this.options.keepMilliseconds) + LONGEST_OPEN;
    const isSecret = secrets.files.length > 0 || secrets.token !== undefined;
    const opener = await redis.eval(
      OPEN,
      5,
      ...[this.key(id), this.secretsKey(id), this.leaseKey(id), this.openKey(platform), this.userKey(user)],
      ...[mark, JSON.stringify(receiptSchema.parse(delivery)), delivery.receivedAt, delivery.fileCount],
      ...[isSecret && left > 0 ? sealer.seal(id, secrets) : '', Math.max(1, left)],
      ...[lease.holder, lease.milliseconds, id, remembered, Date.now() - remembered],
    );
    return opener === mark;
  }

  /** Undefined for what is not (or no longer) remembered, or was written by a version that did it otherwise. */
  async get(id: string): Promise<Delivery | undefined> {
    const record = recordSchema.safeParse(await this.options.redis.hgetall(this.key(id)));
    if (!record.success) return undefined;
    const { receipt, receivedAt, fileCount, state, posted, request } = record.data;
    return {
      ...receipt,
      receivedAt,
      fileCount,
      state,
      posted,
      ...(request === undefined ? {} : { request }),
    };
  }

  async secrets(id: string): Promise<Secrets | undefined> {
    const sealed = await this.options.redis.get(this.secretsKey(id));
    return sealed === null ? undefined : this.options.sealer.unseal(id, sealed);
  }

  async patch(id: string, changed: Partial<Pick<Delivery, 'state' | 'posted' | 'request'>>): Promise<void> {
    const fields: string[] = [];
    if (changed.state !== undefined) fields.push('state', changed.state);
    if (changed.posted !== undefined) fields.push('posted', JSON.stringify(changed.posted));
    if (changed.request !== undefined) fields.push('request', JSON.stringify(changed.request));
    await this.options.redis.eval(CHANGE, 1, this.key(id), ...fields);
  }

  /** Asks whoever follows it to stop it before it goes on its queue. @returns false if it is not open. */
  async cancel(id: string): Promise<boolean> {
    const { redis } = this.options;
    const state = await redis.hget(this.key(id), 'state');
    if (state === null || state === 'closed') return false;
    return (await redis.eval(CHANGE, 1, this.key(id), 'cancelled', '1')) === 1;
  }

  async isCancelled(id: string): Promise<boolean> {
    return (await this.options.redis.hexists(this.key(id), 'cancelled')) === 1;
  }

  async close(id: string, platform: Platform): Promise<void> {
    await this.options.redis.eval(
      CLOSE,
      4,
      ...[this.key(id), this.secretsKey(id), this.leaseKey(id), this.openKey(platform)],
      ...[id, Math.ceil(this.options.keepMilliseconds)],
    );
  }

  /** Open deliveries of a platform, oldest first. */
  async openIds(platform: Platform): Promise<string[]> {
    return await this.options.redis.zrange(this.openKey(platform), '0', '-1');
  }

  /** Takes those that nobody follows. @returns which were taken. */
  async claim(ids: readonly string[], lease: Lease): Promise<string[]> {
    if (ids.length === 0) return [];
    const batch = this.options.redis.pipeline();
    for (const id of ids) batch.set(this.leaseKey(id), lease.holder, 'PX', lease.milliseconds, 'NX');
    const answers = (await batch.exec()) ?? [];
    return ids.filter((_id, place) => answers[place]?.[1] === 'OK');
  }

  /** Says that its holder lives. @returns those that somebody else has taken over. */
  async renew(ids: readonly string[], lease: Lease): Promise<string[]> {
    if (ids.length === 0) return [];
    const batch = this.options.redis.pipeline();
    for (const id of ids) batch.eval(RENEW, 1, this.leaseKey(id), lease.holder, lease.milliseconds);
    const answers = (await batch.exec()) ?? [];
    return ids.filter((_id, place) => answers[place]?.[0] === null && answers[place]?.[1] === 0);
  }

  async release(id: string, holder: string): Promise<void> {
    await this.options.redis.eval(RELEASE, 1, this.leaseKey(id), holder);
  }

  private key(id: string): string {
    return `${this.options.prefix}:delivery:${id}`;
  }

  private secretsKey(id: string): string {
    return `${this.options.prefix}:delivery-secrets:${id}`;
  }

  private leaseKey(id: string): string {
    return `${this.options.prefix}:delivery-lease:${id}`;
  }

  private openKey(platform: Platform): string {
    return `${this.options.prefix}:deliveries:${platform}`;
  }

  private userKey(user: string): string {
    return deliveriesOfUser(this.options.prefix, user);
  }
}

function deliveriesOfUser(prefix: string, user: string): string {
  return `${prefix}:deliveries-of:${user}`;
}

/**
 * Forgets what deliveries hold of a user: closed ones at once; open ones are asked to stop and go when their answer
 * was posted.
 */
export async function forgetDeliveries(redis: Redis, prefix: string, user: string): Promise<void> {
  const index = deliveriesOfUser(prefix, user);
  for (const id of await redis.zrange(index, '0', '-1')) {
    const key = `${prefix}:delivery:${id}`;
    const state = await redis.hget(key, 'state');
    if (state === 'closed') await redis.del(key);
    else if (state !== null) await redis.eval(CHANGE, 1, key, 'cancelled', '1', 'forget', '1');
  }
  await redis.del(index);
}
