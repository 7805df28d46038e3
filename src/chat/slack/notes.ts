import type { Redis } from 'ioredis';
import { z } from 'zod';

const placeSchema = z.object({
  channel: z.string(),
  /** Slack's name of the message. */
  ts: z.string(),
  /** The thread it stands in. */
  thread: z.string().optional(),
});
/** Where a request's status message is. */
export type Place = z.infer<typeof placeSchema>;

/** Places kept in memory too: enough for everything that is under way. */
const REMEMBERED = 5000;

/**
 * What the adapter has to remember between processes: where each request's status message is, and which threads
 * belong to which conversation. A place is noted twice, before and after posting, so that a crash in between is seen.
 */
export class Notes {
  private readonly places = new Map<string, Place>();
  /** Posted while Redis was away. */
  private readonly unsaved = new Set<string>();

  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
    private readonly keepMilliseconds: number,
  ) {}

  /** Where the status message of a request is; undefined if none was posted, or nobody knows. */
  async place(id: string): Promise<Place | undefined> {
    const known = this.places.get(id);
    if (known !== undefined) {
      if (this.unsaved.has(id)) await this.save(id, known).catch(() => undefined);
      return known;
    }
    const stored = await this.redis.hget(this.placeKey(id), 'place');
    if (stored === null) return undefined;
    const place = placeSchema.parse(JSON.parse(stored));
    this.remember(id, place);
    return place;
  }

  /** The same as far as this process knows, without asking Redis. */
  recall(id: string): Place | undefined {
    return this.places.get(id);
  }

  /**
   * Notes that a status message is about to be posted.
   * @returns false if that was noted before, so one may stand somewhere already.
   */
  async begin(id: string): Promise<boolean> {
    const first = await this.redis.hsetnx(this.placeKey(id), 'begun', Date.now().toString());
    await this.redis.pexpire(this.placeKey(id), Math.ceil(this.keepMilliseconds));
    return first === 1;
  }

  /** Notes where it was posted; where Redis cannot be told, when it is asked for the next time. */
  async placed(id: string, place: Place): Promise<void> {
    this.placedUnsaved(id, place);
    await this.save(id, place).catch(() => undefined);
  }

  /** Notes it in memory, to be told to Redis when it is back. */
  placedUnsaved(id: string, place: Place): void {
    this.remember(id, place);
    this.unsaved.add(id);
  }

  /** The message is gone: somebody deleted it. */
  async lost(id: string): Promise<void> {
    this.places.delete(id);
    this.unsaved.delete(id);
    await this.redis.del(this.placeKey(id));
  }

  /** The conversation that a thread belongs to, where it was started by a message of the bot's. */
  async conversationOf(channel: string, thread: string): Promise<string | undefined> {
    return (await this.redis.get(this.threadKey(channel, thread))) ?? undefined;
  }

  /** What is said in this thread belongs to this conversation from now on. The first word counts. */
  async link(channel: string, thread: string, conversation: string): Promise<void> {
    const lifetime = Math.ceil(this.keepMilliseconds);
    await this.redis.set(this.threadKey(channel, thread), conversation, 'PX', lifetime, 'NX');
  }

  private async save(id: string, place: Place): Promise<void> {
    await this.redis
      .multi()
      .hset(this.placeKey(id), 'place', JSON.stringify(place))
      .pexpire(this.placeKey(id), Math.ceil(this.keepMilliseconds))
      .exec();
    this.unsaved.delete(id);
  }

  private remember(id: string, place: Place): void {
    this.places.set(id, place);
    for (const oldest of this.places.keys()) {
      if (this.places.size <= REMEMBERED) break;
      this.places.delete(oldest);
      this.unsaved.delete(oldest);
    }
  }

  private placeKey(id: string): string {
    return `${this.prefix}:slack:place:${id}`;
  }

  private threadKey(channel: string, thread: string): string {
    return `${this.prefix}:slack:thread:${channel}:${thread}`;
  }
}
