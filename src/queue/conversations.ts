import type { Redis } from 'ioredis';
import { z } from 'zod';
import { fitFileName } from '#contracts/file-name';
import { type FileRef, fileRefSchema, type Request, requestSchema } from '#contracts/request';
import { type Result, resultSchema } from '#contracts/result';
import { lastTrackOf } from '#src/queue/snapshot';

/** Requests of a conversation that are kept for a reload. */
const LONGEST_HISTORY = 200;
/** The index of a user who asked for nothing in so long goes, milliseconds. */
const INDEX_KEEP = 2 * 365 * 24 * 3600 * 1000;

/**
 * KEYS: requests, order, the request's own key, track. ARGV: id, entry, conversation, milliseconds, track or nothing.
 * All or nothing: what an intake that died half-way had noted is noted whole when it is tried again.
 */
const BEGIN = `
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[1])
redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])
if ARGV[5] ~= '' then redis.call('SET', KEYS[4], ARGV[5]) end
return 1`;

/**
 * KEYS: the request's own key, results. ARGV: id, result. The first result stands: one who cancels in the moment a job
 * ends, or a worker that was taken for dead, comes too late. A request that was forgotten is noted nothing of.
 */
const END = `
if redis.call('EXISTS', KEYS[1]) == 0 then return nil end
redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[2], ARGV[1])`;

const storedRequestSchema = z.object({
  /** Milliseconds since 1970. */
  at: z.number(),
  request: requestSchema,
  /** What the user typed, where that was a command line. */
  typed: z.string().optional(),
});

const ownedFileSchema = z.object({
  /** Fit for a request that names the file again, whatever was stored. */
  name: z.string().transform((name) => fitFileName(name)),
  mime: z.string(),
  /** The user who brought it into the conversation, or for whom it was made. */
  by: z.string().optional(),
});
export type OwnedFile = z.infer<typeof ownedFileSchema>;

/** What went when a user was forgotten in a conversation. */
export interface ForgottenExchanges {
  /** How many requests, with their results. */
  requests: number;
  /** Keys of the files that went from the conversation. */
  files: string[];
  /** Those of them that no other conversation has: nobody needs their content any more. */
  orphans: string[];
}

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
 * `keepMilliseconds` without use. Two indexes lead to them: from a user to the conversations that hold something of
 * theirs, and from a file to the conversations that have it. They are written before what they lead to, so that a
 * crash leaves nothing that forgetting would not find.
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
    await this.indexUser(request.user, conversation);
    const entry = JSON.stringify({ at: Date.now(), request, ...(typed === undefined ? {} : { typed }) });
    const track = request.files.findLast((file) => file.kind !== 'image');
    const added = await this.redis.eval(
      BEGIN,
      4,
      this.key(conversation, 'requests'),
      this.key(conversation, 'order'),
      this.requestKey(id),
      this.key(conversation, 'track'),
      ...[id, entry, conversation, Math.ceil(this.keepMilliseconds)],
      track === undefined ? '' : JSON.stringify(track),
    );
    await this.own(conversation, request.user, request.files);
    await this.trim(conversation);
    return added === 1;
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

  /**
   * Notes how a request ended, unless that was noted before; a result's last track becomes the conversation's. A
   * request that was forgotten while it ran leaves nothing behind.
   * @returns the result that stands; undefined where nothing is remembered of the request
   */
  async end(
    request: Pick<Request, 'id' | 'conversation' | 'user'>,
    result: Result,
  ): Promise<Result | undefined> {
    const { conversation, id, user } = request;
    const stored = await this.redis.eval(
      END,
      2,
      this.requestKey(id),
      this.key(conversation, 'results'),
      ...[id, JSON.stringify(result)],
    );
    if (typeof stored !== 'string') return undefined;
    const standing = resultSchema.parse(JSON.parse(stored));
    // Also where it stood before: who noted it may have died in the middle of this.
    if (standing.status === 'done') {
      await this.own(conversation, user, standing.files);
      const track = lastTrackOf(standing);
      if (track !== undefined) {
        const reference: FileRef = {
          key: track.key,
          kind: track.mime.startsWith('video/') ? 'video' : 'audio',
          name: fitFileName(track.name),
          mime: track.mime,
          bytes: track.bytes,
          ...(track.seconds === undefined ? {} : { seconds: track.seconds }),
        };
        await this.redis.set(this.key(conversation, 'track'), JSON.stringify(reference));
      }
    }
    await this.touch(conversation);
    return standing;
  }

  /** The track a message without a file is about; one that cannot be read is none. */
  async lastTrack(conversation: string): Promise<FileRef | undefined> {
    return readTrack(await this.redis.get(this.key(conversation, 'track')));
  }

  /** Lets a conversation use and fetch files that a user brought, or that were made for them. */
  private async own(
    conversation: string,
    user: string,
    files: ReadonlyArray<{ key: string; name: string; mime: string }>,
  ): Promise<void> {
    if (files.length > 0) {
      const index = this.redis.multi();
      for (const { key } of files) {
        index.sadd(this.fileKey(key), conversation);
        index.pexpire(this.fileKey(key), Math.ceil(2 * this.keepMilliseconds));
      }
      await index.exec();
      const known = await this.redis.hmget(this.key(conversation, 'files'), ...files.map((file) => file.key));
      const entries = files.map(({ key, name, mime }, place) => {
        // Whoever was first stays the one whose file it is, also when others ask about it.
        const by = known[place] ? (ownedFileSchema.parse(JSON.parse(known[place])).by ?? user) : user;
        return [key, JSON.stringify({ name, mime, by } satisfies OwnedFile)];
      });
      await this.redis.hset(this.key(conversation, 'files'), Object.fromEntries(entries));
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

  /** Conversations that hold something of a user. */
  async ofUser(user: string): Promise<string[]> {
    return await this.redis.zrange(this.userKey(user), '0', '-1');
  }

  /** Forgets what a user gave to a conversation and got in it; what others did there stays. */
  async forgetUser(user: string, conversation: string): Promise<ForgottenExchanges> {
    const [requests, files, stored] = await Promise.all([
      this.redis.hgetall(this.key(conversation, 'requests')) as Promise<Record<string, string>>,
      this.redis.hgetall(this.key(conversation, 'files')) as Promise<Record<string, string>>,
      this.redis.get(this.key(conversation, 'track')),
    ]);
    const ids = Object.keys(requests).filter((id) => {
      return storedRequestSchema.parse(JSON.parse(requests[id] ?? '')).request.user === user;
    });
    const keys = Object.keys(files).filter((key) => {
      return ownedFileSchema.parse(JSON.parse(files[key] ?? '')).by === user;
    });
    const write = this.redis.multi();
    for (const id of ids) {
      write.hdel(this.key(conversation, 'requests'), id);
      write.hdel(this.key(conversation, 'results'), id);
      write.lrem(this.key(conversation, 'order'), 0, id);
      write.del(this.requestKey(id));
    }
    for (const key of keys) {
      write.hdel(this.key(conversation, 'files'), key);
      write.srem(this.fileKey(key), conversation);
    }
    const track = readTrack(stored);
    // One that cannot be read is of no use to anybody, and may be theirs.
    if (stored !== null && (track === undefined || keys.includes(track.key)))
      write.del(this.key(conversation, 'track'));
    // Last: after a crash in the middle the same can be asked again.
    write.zrem(this.userKey(user), conversation);
    await write.exec();
    const orphans: string[] = [];
    for (const key of keys) if (!(await this.isKnownAnywhere(key))) orphans.push(key);
    return { requests: ids.length, files: keys, orphans };
  }

  /**
   * Notes that a conversation holds something of a user. A shared one may live on long after the user's last word in
   * it, so entries go only when their conversation is gone: the oldest are looked at with each request.
   */
  private async indexUser(user: string, conversation: string): Promise<void> {
    const key = this.userKey(user);
    await this.redis.multi().zadd(key, Date.now(), conversation).pexpire(key, INDEX_KEEP).exec();
    const old = await this.redis.zrangebyscore(
      key,
      '-inf',
      Date.now() - this.keepMilliseconds,
      'LIMIT',
      0,
      5,
    );
    for (const candidate of old) {
      const isAlive = (await this.redis.exists(this.key(candidate, 'order'))) === 1;
      await (isAlive ? this.redis.zadd(key, Date.now(), candidate) : this.redis.zrem(key, candidate));
    }
  }

  private async isKnownAnywhere(key: string): Promise<boolean> {
    for (const conversation of await this.redis.smembers(this.fileKey(key))) {
      if ((await this.redis.hexists(this.key(conversation, 'files'), key)) === 1) return true;
    }
    return false;
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

  private userKey(user: string): string {
    return `${this.prefix}:conversations-of:${user}`;
  }

  private fileKey(key: string): string {
    return `${this.prefix}:conversations-with:${key}`;
  }

  private requestKey(id: string): string {
    return `${this.prefix}:request:${id}`;
  }
}

function readTrack(stored: string | null): FileRef | undefined {
  if (stored === null) return undefined;
  try {
    return fileRefSchema.safeParse(JSON.parse(stored)).data;
  } catch {
    return undefined;
  }
}
