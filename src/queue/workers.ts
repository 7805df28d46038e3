import type { Redis } from 'ioredis';
import { z } from 'zod';
import { MumuError } from '#contracts/errors';
import type { Request } from '#contracts/request';
import type { Logger } from '#src/log';

/** A worker that has not been heard of for so long is taken for dead, milliseconds; it is heard of thrice as often. */
const SILENCE = 15_000;

/** What no worker offered in so long is offered by none, milliseconds. */
const OFFER_KEEP = 30 * 24 * 3600 * 1000;

const workerSchema = z.object({
  id: z.string(),
  host: z.string(),
  pid: z.number().int(),
  packs: z.array(z.string()),
  /** cpu, cuda or webgpu; absent where jobs that ask for a device are not taken. */
  device: z.string().optional(),
  /** Milliseconds since 1970. */
  startedAt: z.number(),
});
/** What decides whether a worker takes a job. */
export type Offer = z.infer<typeof offerSchema>;
/** A worker as it announces itself. */
export type WorkerInfo = z.infer<typeof workerSchema>;
const offerSchema = workerSchema.pick({ packs: true, device: true });

/** Who takes jobs at the moment, in Redis: one key per worker, which runs out when its worker is silent. */
export class WorkerRegistry {
  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
  ) {}

  /**
   * Announces a worker and goes on doing so.
   * @param silence after which it counts as dead, milliseconds.
   * @returns takes it back.
   */
  async announce(info: WorkerInfo, log: Logger, silence = SILENCE): Promise<() => Promise<void>> {
    const value = JSON.stringify(info);
    const { packs, device } = info;
    const offer = JSON.stringify({ packs, ...(device === undefined ? {} : { device }) } satisfies Offer);
    const say = async () => {
      await this.redis
        .multi()
        .set(this.key(info.id), value, 'PX', Math.ceil(silence))
        .sadd(this.setKey(), info.id)
        .zadd(this.offersKey(), Date.now(), offer)
        .exec();
    };
    await say();
    const timer = setInterval(() => {
      say().catch((error: Error) => log.warn({ error: error.message }, 'could not announce this worker'));
    }, silence / 3);
    timer.unref();
    return async () => {
      clearInterval(timer);
      await this.redis.multi().del(this.key(info.id)).srem(this.setKey(), info.id).exec();
    };
  }

  async alive(): Promise<WorkerInfo[]> {
    const ids = await this.redis.smembers(this.setKey());
    if (ids.length === 0) return [];
    const found = await this.redis.mget(ids.map((id) => this.key(id)));
    const gone = ids.filter((_id, index) => found[index] === null);
    if (gone.length > 0) await this.redis.srem(this.setKey(), ...gone);
    return found.flatMap((text) => {
      const parsed = workerSchema.safeParse(JSON.parse(text ?? 'null'));
      return parsed.success ? [parsed.data] : [];
    });
  }

  /**
   * What workers offer, or offered not long ago: between two workers (at a start, while they are replaced) what none
   * of them ever took is refused all the same.
   */
  async offers(): Promise<Offer[]> {
    const alive = await this.alive();
    if (alive.length > 0) return alive;
    const key = this.offersKey();
    await this.redis.zremrangebyscore(key, '-inf', Date.now() - OFFER_KEEP);
    return (await this.redis.zrange(key, '0', '-1')).flatMap((text) => {
      const parsed = offerSchema.safeParse(JSON.parse(text));
      return parsed.success ? [parsed.data] : [];
    });
  }

  private offersKey(): string {
    return `${this.prefix}:offers`;
  }

  private key(id: string): string {
    return `${this.prefix}:worker:${id}`;
  }

  private setKey(): string {
    return `${this.prefix}:workers`;
  }
}

/**
 * Refuses what none of these workers would ever take. Where there never was a worker everything may wait for one; so
 * may a request that names no pack, for the worker of the default one.
 * @throws MumuError not_found naming the packs there are; cannot_do naming the devices
 */
export function requireTaker(
  options: Request['options'],
  workers: readonly Offer[],
  defaultPack: string,
): void {
  const { pack = defaultPack, device } = options;
  if (workers.length === 0) return;
  const able = workers.filter((worker) => worker.packs.includes(pack));
  if (able.length === 0) {
    if (options.pack === undefined) return;
    const packs = [...new Set(workers.flatMap((worker) => worker.packs))].sort();
    throw new MumuError('not_found', `No worker has the pack ${pack}: there is ${listed(packs)}.`);
  }
  if (device === undefined || able.some((worker) => worker.device === device)) return;
  const devices = [...new Set(able.flatMap((worker) => worker.device ?? []))].sort();
  const there = devices.length === 0 ? 'leave the device open' : `there is ${listed(devices)}`;
  throw new MumuError('cannot_do', `No worker has the pack ${pack} on ${device}: ${there}.`);
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
