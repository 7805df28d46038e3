import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type FileRef, fileRefSchema, type Request, requestSchema } from '#contracts/request';
import { type Result, resultSchema } from '#contracts/result';
import { lastTrackOf } from '#src/queue/snapshot';

/** Requests of a conversation that are kept for a reload. */
const LONGEST_HISTORY = 200;

const storedRequestSchema = z.object({
  /** Milliseconds since 1970. */
  at: z.number(),
  request: requestSchema,
  /** What the user typed, where that was a command line. */
  typed: z.string().optional(),
});

const ownedFileSchema = z.object({ name: z.string(), mime: z.string() });
export type OwnedFile = z.infer<typeof ownedFileSchema>;

/** One exchange as a reloaded page shows it; without a result while the job waits or runs. */
export interface Exchange {
  at: number;
  request: Request;
  typed?: string;
  result?: Result;
}

/**
 * What is remembered of conversations, in Redis: their exchanges, which files belong to them, and the track the
 * next message without a file is about. Everything is under the conversation's own keys and is forgotten after
 * `keepMilliseconds` without use.
 */
export class Conversations {
  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
    private readonly keepMilliseconds: number,
  ) {}

  /**
   * Notes a request at intake; its last sound or clip becomes the conversation's track.
   * @returns false if this id was noted before (an event delivered twice).
   */
  async begin(request: Request, typed?: string): Promise<boolean> {
    const { conversation, id } = request;
    const entry = JSON.stringify({ at: Date.now(), request, ...(typed === undefined ? {} : { typed }) });
    const added = await this.redis.hsetnx(this.key(conversation, 'requests'), id, entry);
    if (added === 0) return false;
    const track = request.files.findLast((file) => file.kind !== 'image');
    const write = this.redis
      .multi()
      .rpush(this.key(conversation, 'order'), id)
      .set(this.requestKey(id), conversation, 'PX', Math.ceil(this.keepMilliseconds));
    if (track !== undefined) write.set(this.key(conversation, 'track'), JSON.stringify(track));
    await write.exec();
    await this.own(conversation, request.files);
    await this.trim(conversation);
    return true;
  }

  /** Takes a request back that could not be queued. */
  async forget(request: Request): Promise<void> {
    await this.redis
      .multi()
      .hdel(this.key(request.conversation, 'requests'), request.id)
      .lrem(this.key(request.conversation, 'order'), 0, request.id)
      .del(this.requestKey(request.id))
      .exec();
  }

  /** Notes how a request ended; a result's last track becomes the conversation's. */
  async end(request: Pick<Request, 'id' | 'conversation'>, result: Result): Promise<void> {
    const { conversation, id } = request;
    await this.redis.hset(this.key(conversation, 'results'), id, JSON.stringify(result));
    if (result.status === 'done') {
      await this.own(conversation, result.files);
      const track = lastTrackOf(result);
      if (track !== undefined) {
        const reference: FileRef = {
          key: track.key,
          kind: track.mime.startsWith('video/') ? 'video' : 'audio',
          name: track.name,
          mime: track.mime,
          bytes: track.bytes,
          ...(track.seconds === undefined ? {} : { seconds: track.seconds }),
        };
        await this.redis.set(this.key(conversation, 'track'), JSON.stringify(reference));
      }
    }
    await this.touch(conversation);
  }

  /** The track a message without a file is about. */
  async lastTrack(conversation: string): Promise<FileRef | undefined> {
    const stored = await this.redis.get(this.key(conversation, 'track'));
    return stored === null ? undefined : fileRefSchema.parse(JSON.parse(stored));
  }

  /** Lets a conversation use and fetch files. */
  async own(conversation: string, files: ReadonlyArray<{ key: string } & OwnedFile>): Promise<void> {
    if (files.length > 0) {
      await this.redis.hset(
        this.key(conversation, 'files'),
        Object.fromEntries(files.map(({ key, name, mime }) => [key, JSON.stringify({ name, mime })])),
      );
    }
    await this.touch(conversation);
  }

  /** Name and type of a file of this conversation; undefined if it is not one of its files. */
  async ownedFile(conversation: string, key: string): Promise<OwnedFile | undefined> {
    const stored = await this.redis.hget(this.key(conversation, 'files'), key);
    return stored === null ? undefined : ownedFileSchema.parse(JSON.parse(stored));
  }

  /** The exchanges, oldest first. */
  async history(conversation: string): Promise<Exchange[]> {
    const [order, requests, results] = await Promise.all([
      this.redis.lrange(this.key(conversation, 'order'), 0, -1),
      this.redis.hgetall(this.key(conversation, 'requests')),
      this.redis.hgetall(this.key(conversation, 'results')),
    ]);
    return order.flatMap((id) => {
      const stored = requests[id];
      if (stored === undefined) return [];
      const { at, request, typed } = storedRequestSchema.parse(JSON.parse(stored));
      const ended = results[id];
      return [
        {
          at,
          request,
          ...(typed === undefined ? {} : { typed }),
          ...(ended === undefined ? {} : { result: resultSchema.parse(JSON.parse(ended)) }),
        },
      ];
    });
  }

  /** How a request ended, as long as its conversation is remembered. */
  async result(id: string): Promise<Result | undefined> {
    const conversation = await this.conversationOf(id);
    if (conversation === undefined) return undefined;
    const stored = await this.redis.hget(this.key(conversation, 'results'), id);
    return stored === null ? undefined : resultSchema.parse(JSON.parse(stored));
  }

  async conversationOf(id: string): Promise<string | undefined> {
    return (await this.redis.get(this.requestKey(id))) ?? undefined;
  }

  private async trim(conversation: string): Promise<void> {
    const order = this.key(conversation, 'order');
    const surplus = (await this.redis.llen(order)) - LONGEST_HISTORY;
    if (surplus <= 0) return;
    const old = await this.redis.lpop(order, surplus);
    if (old === null || old.length === 0) return;
    await this.redis.hdel(this.key(conversation, 'requests'), ...old);
    await this.redis.hdel(this.key(conversation, 'results'), ...old);
  }

  private async touch(conversation: string): Promise<void> {
    const write = this.redis.multi();
    for (const part of ['requests', 'order', 'results', 'files', 'track'] as const) {
      write.pexpire(this.key(conversation, part), Math.ceil(this.keepMilliseconds));
    }
    await write.exec();
  }

  private key(conversation: string, part: 'requests' | 'order' | 'results' | 'files' | 'track'): string {
    return `${this.prefix}:conversation:${conversation}:${part}`;
  }

  private requestKey(id: string): string {
    return `${this.prefix}:request:${id}`;
  }
}
