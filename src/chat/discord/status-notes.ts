import type { Redis } from 'ioredis';

/** Status messages are edited for a day at most; after that nobody looks for them. Milliseconds. */
const KEEP = 2 * 24 * 3600_000;
/** Kept in memory too: enough for all that is under way. */
const REMEMBERED = 5000;

/** A message of ours. */
export interface Posted {
  channel: string;
  message: string;
}

/**
 * Where the status message of each request is, for this process and those after it. While Redis is away memory has to
 * do; what comes twice then is kept from showing twice by Discord's nonce.
 */
export class StatusNotes {
  private readonly known = new Map<string, Posted>();

  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
  ) {}

  async get(id: string): Promise<Posted | undefined> {
    const known = this.known.get(id);
    if (known !== undefined) return known;
    const stored = await this.redis.get(this.key(id)).catch(() => null);
    const [channel, message] = stored?.split('/') ?? [];
    if (channel === undefined || message === undefined) return undefined;
    return this.remember(id, { channel, message });
  }

  async set(id: string, posted: Posted): Promise<void> {
    const known = this.known.get(id);
    if (known?.message === posted.message) return;
    this.remember(id, posted);
    await this.redis
      .set(this.key(id), `${posted.channel}/${posted.message}`, 'PX', KEEP)
      .catch(() => undefined);
  }

  private remember(id: string, posted: Posted): Posted {
    this.known.set(id, posted);
    const oldest = this.known.keys().next();
    if (this.known.size > REMEMBERED && oldest.done !== true) this.known.delete(oldest.value);
    return posted;
  }

  private key(id: string): string {
    return `${this.prefix}:discord:status:${id}`;
  }
}
