import type { Redis } from 'ioredis';
import { z } from 'zod';
import { type Failure, MumuError } from '#contracts/errors';
import type { Request } from '#contracts/request';

/** Jobs that are remembered: the newest ones. */
const MOST = 100;

const setAsideSchema = z.object({
  id: z.string(),
  command: z.string(),
  pack: z.string(),
  /** Milliseconds since 1970. */
  at: z.number(),
  /** How many workers ended under it. */
  deaths: z.number().int(),
});
/** A job that is not given to a further worker, as the operator sees it: nothing that its owner wrote. */
export type SetAside = z.infer<typeof setAsideSchema>;

/** What its owner is told. */
export const SET_ASIDE: Failure = new MumuError(
  'set_aside',
  'This job stopped its worker twice, so it was set aside and the operator was told. Try it in another way: a shorter file, or other words.',
).toFailure();

/** The list of jobs set aside, in Redis. */
export class SetAsideList {
  private readonly key: string;

  constructor(
    private readonly redis: Redis,
    prefix: string,
  ) {
    this.key = `${prefix}:set-aside`;
  }

  /** @returns false if it was there already. */
  async add(request: Request, pack: string, deaths: number): Promise<boolean> {
    const entry: SetAside = { id: request.id, command: request.command, pack, at: Date.now(), deaths };
    const added = await this.redis.hsetnx(this.key, request.id, JSON.stringify(entry));
    if (added === 0) return false;
    const all = await this.all();
    const surplus = all.slice(MOST).map(({ id }) => id);
    if (surplus.length > 0) await this.redis.hdel(this.key, ...surplus);
    return true;
  }

  /** The newest first. */
  async all(): Promise<SetAside[]> {
    const entries = Object.values(await this.redis.hgetall(this.key)) as string[];
    return entries.map((text) => setAsideSchema.parse(JSON.parse(text))).sort((a, b) => b.at - a.at);
  }
}
