import type { Redis } from 'ioredis';
import type { Request } from '#contracts/request';

/** Whose jobs are counted together. */
export type Party = 'user' | 'server';
type Owned = Pick<Request, 'id' | 'user' | 'server'>;
type Owner = Omit<Owned, 'id'>;

/** A set that nobody asked for so long is forgotten, milliseconds. */
const FORGET = 24 * 3600_000;

/** An intake that was held up may ask for a place for a job that has ended meanwhile: known for so long, milliseconds. */
const ENDED = 3600_000;

/**
 * KEYS: user's set, server's set, mark of an ended one. ARGV: id, now, limits of user and server, forget, 1 with a
 * server.
 * Returns whether it was new, then the jobs before it; or -1 or -2 and the count of who has too many.
 */
const TAKE = `
local place = redis.call('ZRANK', KEYS[1], ARGV[1])
local user = redis.call('ZCARD', KEYS[1])
local server = ARGV[6] == '1' and redis.call('ZCARD', KEYS[2]) or 0
if redis.call('EXISTS', KEYS[3]) == 1 then return {0, user, server} end
if place then return {0, place, math.max(server - 1, 0)} end
if user >= tonumber(ARGV[3]) then return {-1, user, 0} end
if server >= tonumber(ARGV[4]) then return {-2, server, 0} end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
if ARGV[6] == '1' then
  redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
end
return {1, user, server}`;

export type Place =
  /** `isNew` is false for an id that had its place already. */
  { isNew: boolean; ofUser: number; ofServer: number } | { full: Party; count: number };

/**
 * The waiting and running jobs of each user and server: sorted sets of request ids by time. Who ends a job takes it
 * out; what a crash left in is found by looking the jobs up, which is done when a limit is reached.
 */
export class OpenJobs {
  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
  ) {}

  /** Takes a place within the limits, in one step: of requests that come at once only so many get one. */
  async take(request: Owned, limits: Record<Party, number>): Promise<Place> {
    const [state, first, second] = (await this.redis.eval(
      TAKE,
      3,
      this.key('user', request.user),
      this.key('server', request.server ?? ''),
      this.endedKey(request.id),
      ...[request.id, Date.now(), limits.user, limits.server, FORGET, request.server === undefined ? 0 : 1],
    )) as [number, number, number];
    if (state === -1) return { full: 'user', count: first };
    if (state === -2) return { full: 'server', count: first };
    return { isNew: state === 1, ofUser: first, ofServer: second };
  }

  /** Gives a place up. @param hasEnded whether its job is over, and not only got nowhere for now */
  async leave(request: Owned, hasEnded: boolean): Promise<void> {
    const write = this.redis.multi().zrem(this.key('user', request.user), request.id);
    if (request.server !== undefined) write.zrem(this.key('server', request.server), request.id);
    if (hasEnded) write.set(this.endedKey(request.id), '1', 'PX', ENDED);
    await write.exec();
  }

  /** Ids of a party with the time they were taken, milliseconds since 1970. */
  async all(request: Owner, party: Party): Promise<Array<{ id: string; at: number }>> {
    const entries = await this.redis.zrange(this.partyKey(request, party), '0', '-1', 'WITHSCORES');
    const all: Array<{ id: string; at: number }> = [];
    for (let index = 0; index + 1 < entries.length; index += 2) {
      all.push({ id: entries[index] ?? '', at: Number(entries[index + 1]) });
    }
    return all;
  }

  async drop(request: Owner, party: Party, ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.redis.zrem(this.partyKey(request, party), ...ids);
  }

  private partyKey(request: Owner, party: Party): string {
    return this.key(party, (party === 'user' ? request.user : request.server) ?? '');
  }

  private endedKey(id: string): string {
    return `${this.prefix}:ended:${id}`;
  }

  private key(party: Party, name: string): string {
    return `${this.prefix}:open:${party}:${name}`;
  }
}
