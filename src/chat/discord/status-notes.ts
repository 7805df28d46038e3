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
 * do; what was posted then is told to Redis when it is back.
 */
export class StatusNotes {
  private readonly known = new Map<string, Posted>();
  /** Posted while Redis was away. */
  private readonly unsaved = new Set<string>();

  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
  ) {
    // The process may end before anybody asks for them again.
    redis.on('ready', () => void this.saveAll());
  }

  /** Undefined if none was posted. @throws where this process does not know and Redis does not answer */
  async get(id: string): Promise<Posted | undefined> {
    const known = this.known.get(id);
    if (known !== undefined) {
      if (this.unsaved.has(id)) void this.save(id, known).catch(() => undefined);
      return known;
    }
    const stored = await this.redis.get(this.key(id));
    const [channel, message] = stored?.split('/') ?? [];
    if (channel === undefined || message === undefined) return undefined;
    return this.remember(id, { channel, message });
  }

  async set(id: string, posted: Posted): Promise<void> {
    const known = this.known.get(id);
    if (known?.message === posted.message && !this.unsaved.has(id)) return;
    this.remember(id, posted);
    this.unsaved.add(id);
    await this.save(id, posted).catch(() => undefined);
  }

  private async saveAll(): Promise<void> {
    try {
      for (const id of this.unsaved) {
        const posted = this.known.get(id);
        if (posted !== undefined) await this.save(id, posted);
      }
    } catch {
      // Away again: it will be back again.
    }
  }

  private async save(id: string, posted: Posted): Promise<void> {
    await this.redis.set(this.key(id), `${posted.channel}/${posted.message}`, 'PX', KEEP);
    if (this.known.get(id)?.message === posted.message) this.unsaved.delete(id);
  }

  private remember(id: string, posted: Posted): Posted {
    this.known.set(id, posted);
    const oldest = this.known.keys().next();
    if (this.known.size > REMEMBERED && oldest.done !== true) {
      this.known.delete(oldest.value);
      this.unsaved.delete(oldest.value);
    }
    return posted;
  }

  private key(id: string): string {
    return `${this.prefix}:discord:status:${id}`;
  }
}
