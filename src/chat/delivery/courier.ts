import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { MumuError } from '#contracts/errors';
import type { RequestCommand, RequestOptions } from '#contracts/request';
import type { Answers } from '#src/chat/answers';
import { Deliveries } from '#src/chat/delivery/deliveries';
import {
  type CourierObserver,
  type FollowContext,
  Follower,
  type HeldLease,
} from '#src/chat/delivery/follower';
import { RedisHealth } from '#src/chat/delivery/health';
import { pauseBefore } from '#src/chat/delivery/patience';
import { Sealer } from '#src/chat/delivery/seal';
import {
  type Courier,
  type Delivery,
  type Messenger,
  type Receipt,
  receiptSchema,
  type Secrets,
} from '#src/chat/delivery/types';
import type { Intake } from '#src/chat/intake';
import type { Logger } from '#src/log';
import type { Policy, Who } from '#src/policy/policy';
import type { CancelOutcome, JobQueue } from '#src/queue/job-queue';
import { type RedisAccess, redisFailure } from '#src/redis/access';
import type { Storage } from '#src/storage/storage';

/** A bot that shows no sign of life for this long is dead: others take up what it followed, milliseconds. */
const LEASE = 30_000;
const RENEW = 5000;
/** Deliveries that nobody follows are looked for this often, milliseconds. */
const SWEEP = 10_000;
/** A receipt that is not written down by then is answered for all the same, milliseconds. */
const WRITE_PATIENCE = 2000;
/** A stop waits this long for calls to the platform that are under way, milliseconds. */
const STOP_PATIENCE = 5000;

export interface CourierOptions {
  redis: RedisAccess;
  queue: JobQueue;
  storage: Storage;
  intake: Intake;
  policy: Policy;
  answers: Answers;
  messenger: Messenger;
  /** A user's own settings, which hold where a request says nothing else; default: none. */
  defaults?(who: Who, command: RequestCommand): Promise<RequestOptions>;
  /** The operator's secret (`loadSecret`): seals what is kept of tokens and addresses of files. */
  secret: string;
  /** How long answered requests are remembered for their buttons, milliseconds. */
  keepMilliseconds: number;
  log: Logger;
  observer?: CourierObserver;
  /** Milliseconds; default 30,000. Another process takes over what one that died has followed, after this long. */
  leaseMilliseconds?: number;
}

/** Starts the courier of one platform, which first takes up what an earlier process left open. */
export async function startCourier(options: CourierOptions): Promise<Courier> {
  const courier = new PlatformCourier(options);
  await courier.sweep();
  return courier;
}

interface Followed {
  follower: Follower;
  /** Who asked. */
  user: string;
  running: Promise<unknown>;
}

class PlatformCourier implements Courier {
  private readonly connection;
  private readonly health: RedisHealth;
  private readonly deliveries: Deliveries;
  private readonly followers = new Map<string, Followed>();
  private readonly context: FollowContext;
  private readonly lease: HeldLease;
  private readonly timers: NodeJS.Timeout[];
  private readonly closing = new AbortController();

  constructor(private readonly options: CourierOptions) {
    const { redis, queue, storage, intake, policy, answers, messenger, log } = options;
    // One listener for every receipt that waits for Redis.
    setMaxListeners(0, this.closing.signal);
    this.connection = redis.connect('producer');
    this.health = new RedisHealth(this.connection);
    this.deliveries = new Deliveries({
      redis: this.connection,
      prefix: redis.prefix,
      sealer: new Sealer(options.secret),
      keepMilliseconds: options.keepMilliseconds,
    });
    const defaults = options.defaults ?? (async () => ({}));
    const milliseconds = options.leaseMilliseconds ?? LEASE;
    this.lease = { holder: randomUUID(), milliseconds, until: Date.now() + milliseconds };
    const { deliveries, health, lease } = this;
    const observer = options.observer ?? {};
    this.context = {
      ...{ deliveries, queue, storage, intake, policy, answers, messenger, defaults, health, lease, log },
      observer,
    };
    this.timers = [
      setInterval(() => void this.renew(), Math.min(RENEW, milliseconds / 3)),
      setInterval(() => void this.sweep(), Math.min(SWEEP, milliseconds / 2)),
    ];
    for (const timer of this.timers) timer.unref();
  }

  async receive(receipt: Receipt, secrets: Secrets): Promise<boolean> {
    this.closing.signal.throwIfAborted();
    const parsed = receiptSchema.parse(receipt);
    if (this.followers.has(parsed.id)) return false;
    const receivedAt = Date.now();
    const fileCount = secrets.files.length;
    const delivery: Delivery = { ...parsed, receivedAt, state: 'received', posted: {}, fileCount };
    const secretsUntil = receivedAt + this.options.messenger.secretsMilliseconds;
    const written = this.write(delivery, secrets, secretsUntil);
    this.follow(
      new Follower({ delivery, secrets, secretsUntil, isTakenUp: false }, this.context),
      delivery,
      written,
    );
    this.options.observer?.received?.(delivery.platform);
    return await Promise.race([written, delay(WRITE_PATIENCE, true, { ref: false })]);
  }

  async lookUp(id: string) {
    try {
      const delivery = await this.deliveries.get(id);
      const request = delivery?.request;
      if (delivery === undefined || request === undefined) return undefined;
      const result = await this.options.queue.conversations.result(id);
      return { delivery, request, ...(result?.status === 'done' ? { result } : {}) };
    } catch (error) {
      throw redisFailure(error);
    }
  }

  async cancel(id: string, user: string): Promise<CancelOutcome> {
    try {
      const followed = this.followers.get(id);
      const owner = followed?.user ?? (await this.deliveries.get(id))?.user;
      if (owner === undefined) return 'unknown';
      if (owner !== user) throw new MumuError('not_allowed', 'Only the one who asked for it can cancel it.');
      if (followed?.follower.cancel()) return 'stopping';
      const outcome = await this.options.queue.cancel(id);
      if (outcome !== 'unknown') return outcome;
      return (await this.deliveries.cancel(id)) ? 'stopping' : 'ended';
    } catch (error) {
      throw redisFailure(error);
    }
  }

  async close(): Promise<void> {
    this.closing.abort();
    for (const timer of this.timers) clearInterval(timer);
    const ended = [...this.followers].map(async ([id, { follower, running }]) => {
      follower.stop();
      await running;
      await this.deliveries.release(id, this.lease.holder).catch(() => undefined);
    });
    await Promise.race([Promise.all(ended), delay(STOP_PATIENCE, undefined, { ref: false })]);
    this.health.close();
    this.connection.disconnect();
  }

  /** Takes up what nobody follows. */
  async sweep(): Promise<void> {
    const { messenger, log } = this.options;
    try {
      const open = await this.deliveries.openIds(messenger.platform);
      const others = open.filter((id) => !this.followers.has(id));
      for (const id of await this.deliveries.claim(others, this.lease)) await this.takeUp(id);
    } catch (error) {
      log.warn({ platform: messenger.platform, error: (error as Error).name }, 'open deliveries not read');
    }
  }

  private async takeUp(id: string): Promise<void> {
    const { messenger, log } = this.options;
    if (this.closing.signal.aborted || this.followers.has(id)) return;
    const [delivery, secrets] = await Promise.all([this.deliveries.get(id), this.deliveries.secrets(id)]);
    if (delivery === undefined || delivery.state === 'closed') {
      if (delivery === undefined) log.error({ id }, 'a delivery cannot be read and is given up');
      await this.deliveries.close(id, messenger.platform);
      return;
    }
    log.info({ id, state: delivery.state }, 'delivery taken up');
    const secretsUntil = delivery.receivedAt + messenger.secretsMilliseconds;
    const follower = new Follower({ delivery, secrets, secretsUntil, isTakenUp: true }, this.context);
    this.follow(follower, delivery, Promise.resolve(true));
  }

  private follow(follower: Follower, { id, user }: Delivery, written: Promise<boolean>): void {
    const running = follower.run(written).finally(() => {
      if (this.followers.get(id)?.follower === follower) this.followers.delete(id);
    });
    this.followers.set(id, { follower, user, running });
  }

  /** Writes a receipt down, however long Redis is away. @returns false if it was known before. */
  private async write(delivery: Delivery, secrets: Secrets, until: number): Promise<boolean> {
    const mark = randomUUID();
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.deliveries.open(delivery, secrets, until, this.lease, mark);
      } catch (error) {
        this.options.log.warn({ id: delivery.id, error: (error as Error).name }, 'receipt not written yet');
      }
      if (this.closing.signal.aborted) {
        this.options.log.error(
          { id: delivery.id },
          'a receipt is lost: Redis was away until this process ended',
        );
        return false;
      }
      await this.health.check();
      await delay(Math.min(2000, pauseBefore(attempt)), undefined, { signal: this.closing.signal }).catch(
        () => undefined,
      );
    }
  }

  /** Says that this process lives; lets go of what others have taken over. */
  private async renew(): Promise<void> {
    try {
      const asked = Date.now();
      for (const id of await this.deliveries.renew([...this.followers.keys()], this.lease)) {
        this.followers.get(id)?.follower.stop();
      }
      this.lease.until = asked + this.lease.milliseconds;
    } catch {
      // Redis is away: the health check shows it, and nobody else can take anything over.
    }
  }
}
