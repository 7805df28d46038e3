import type { Redis } from 'ioredis';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { MumuError } from '#contracts/errors';
import type { Request } from '#contracts/request';
import { musicSecondsOf } from '#src/queue/music-seconds';
import { OpenJobs, type Party } from '#src/queue/open-jobs';

/** A job noted by an intake that died before it queued it stops counting after this long, milliseconds. */
const GRACE = 30_000;
const HOUR = 3600;
const DAY = 24 * HOUR;

/** Absent: no limit. */
export interface LimitSettings {
  /** Waiting and running jobs of one user. */
  activeJobs?: number;
  /** Of one server or workspace. */
  serverActiveJobs?: number;
  /** Jobs asked for within an hour, from the first one on. */
  jobsPerHour?: number;
  serverJobsPerHour?: number;
  /** Seconds of new music asked for within a day, from the first on. */
  musicSecondsPerDay?: number;
  serverMusicSecondsPerDay?: number;
  /** Whether a remix needs no new music. */
  isExactRemix?(instruction: string): boolean;
}

/** Whose limits are meant. */
export type Who = Pick<Request, 'user' | 'server'>;

/** How many jobs of the same user and server were open before a request. */
export interface Standing {
  ofUser: number;
  ofServer: number;
}

interface Rate {
  party: Party;
  what: 'jobs' | 'music';
  most: number;
  limiter: RateLimiterRedis;
}

/** What one may ask for: so much at once, within the hour, within the day. */
export class Limits {
  private readonly open: OpenJobs;
  private readonly rates: Rate[] = [];
  private readonly musicSeconds = new WeakMap<Request, number>();

  constructor(
    redis: Redis,
    prefix: string,
    private readonly settings: LimitSettings,
    /** Whether a request is waiting or running; undefined if there is no job of it. */
    private readonly isOpen: (id: string) => Promise<boolean | undefined>,
  ) {
    this.open = new OpenJobs(redis, prefix);
    const add = (party: Party, what: Rate['what'], most: number | undefined, duration: number) => {
      if (most === undefined) return;
      const keyPrefix = `${prefix}:rate:${what}:${party}`;
      const limiter = new RateLimiterRedis({ storeClient: redis, keyPrefix, points: most, duration });
      this.rates.push({ party, what, most, limiter });
    };
    add('user', 'jobs', settings.jobsPerHour, HOUR);
    add('server', 'jobs', settings.serverJobsPerHour, HOUR);
    add('user', 'music', settings.musicSecondsPerDay, DAY);
    add('server', 'music', settings.serverMusicSecondsPerDay, DAY);
  }

  /**
   * Takes what a request needs, once however often its id comes.
   * @throws MumuError limit_reached, saying when more is possible
   */
  async take(request: Request): Promise<Standing> {
    const place = await this.takePlace(request);
    if (place.isNew) {
      const taken: Rate[] = [];
      try {
        for (const rate of this.rates) {
          if (await this.consume(rate, request)) taken.push(rate);
        }
      } catch (error) {
        for (const rate of taken) await this.reward(rate, request);
        await this.open.leave(request, false);
        throw error;
      }
    }
    return place;
  }

  /**
   * Whether one more request could be taken at all, before its files are fetched and stored.
   * @throws MumuError limit_reached, as `take` would
   */
  async requireRoom(who: Who): Promise<void> {
    for (const party of ['user', 'server'] as const) {
      const most = party === 'user' ? this.settings.activeJobs : this.settings.serverActiveJobs;
      if (most === undefined || who[party] === undefined) continue;
      const count = (await this.open.all(who, party)).length;
      if (count >= most && !(await this.dropEnded(who, party))) throw tooMany(party, count);
    }
    for (const rate of this.rates) {
      const key = rate.what === 'jobs' ? partyOf(rate, who) : undefined;
      const state = key === undefined ? null : await rate.limiter.get(key);
      if (state !== null && state.remainingPoints <= 0 && state.msBeforeNext > 0)
        throw refusal(rate, 1, state);
    }
  }

  /** Gives back what a request took that got on no queue. */
  async giveBack(request: Request): Promise<void> {
    for (const rate of this.rates) await this.reward(rate, request);
    await this.open.leave(request, false);
  }

  /** A job has ended. */
  async ended(request: Request): Promise<void> {
    await this.open.leave(request, true);
  }

  private async takePlace(request: Request): Promise<Standing & { isNew: boolean }> {
    const { activeJobs = Number.MAX_SAFE_INTEGER, serverActiveJobs = Number.MAX_SAFE_INTEGER } =
      this.settings;
    const limits = { user: activeJobs, server: serverActiveJobs };
    for (;;) {
      const place = await this.open.take(request, limits);
      if (!('full' in place)) return place;
      if (await this.dropEnded(request, place.full)) continue;
      throw tooMany(place.full, place.count);
    }
  }

  /** @returns whether there was one. */
  private async dropEnded(request: Who, party: Party): Promise<boolean> {
    const gone: string[] = [];
    for (const { id, at } of await this.open.all(request, party)) {
      const state = await this.isOpen(id);
      // Without a job it may be on its way to its queue just now.
      if (state === false || (state === undefined && Date.now() - at > GRACE)) gone.push(id);
    }
    await this.open.drop(request, party, gone);
    return gone.length > 0;
  }

  /** @returns whether anything was taken. */
  private async consume(rate: Rate, request: Request): Promise<boolean> {
    const key = partyOf(rate, request);
    const points = this.pointsOf(rate, request);
    if (key === undefined || points === 0) return false;
    try {
      await rate.limiter.consume(key, points);
      return true;
    } catch (thrown) {
      if (!(thrown instanceof RateLimiterRes)) throw thrown;
      // What was refused is counted too, until it is given back.
      await this.reward(rate, request);
      throw refusal(rate, points, thrown);
    }
  }

  private async reward(rate: Rate, request: Request): Promise<void> {
    const key = partyOf(rate, request);
    const points = this.pointsOf(rate, request);
    if (key !== undefined && points > 0) await rate.limiter.reward(key, points);
  }

  private pointsOf(rate: Rate, request: Request): number {
    if (rate.what === 'jobs') return 1;
    // An instruction is read once, however many limits ask for it.
    const known = this.musicSeconds.get(request) ?? musicSecondsOf(request, this.settings.isExactRemix);
    this.musicSeconds.set(request, known);
    return Math.ceil(known);
  }
}

function tooMany(party: Party, count: number): MumuError {
  const jobs = count === 1 ? 'job' : 'jobs';
  return new MumuError(
    'limit_reached',
    party === 'user'
      ? `You have ${count} ${jobs} under way, which is the most at once: wait for one to end, or cancel one.`
      : `Everyone here together has ${count} ${jobs} under way, which is the most at once: wait for one to end.`,
  );
}

function partyOf(rate: Rate, request: Who): string | undefined {
  return rate.party === 'user' ? request.user : request.server;
}

function refusal(rate: Rate, points: number, state: RateLimiterRes): MumuError {
  const { party, what, most } = rate;
  const wait = inWords(state.msBeforeNext);
  const who = party === 'user' ? 'You' : 'Everyone here together';
  if (what === 'jobs') {
    const jobs = most === 1 ? 'one job' : `${most} jobs`;
    return new MumuError(
      'limit_reached',
      `${who} asked for ${jobs} within the hour: the next one is possible in ${wait}.`,
    );
  }
  const left = Math.max(0, most - (state.consumedPoints - points));
  const has = party === 'user' ? 'have' : 'has';
  return new MumuError(
    'limit_reached',
    left === 0
      ? `${who} asked for ${most} seconds of music within the day: more is possible in ${wait}.`
      : `${who} ${has} ${left} of ${most} seconds of music a day left, and this asks for ${points}: ask for less, or wait ${wait}.`,
  );
}

/** A waiting time, rounded up so that it is true when it is over: "40 seconds", "12 minutes", "3 hours". */
export function inWords(milliseconds: number): string {
  const seconds = Math.max(1, Math.ceil(milliseconds / 1000));
  const [count, unit] =
    seconds < 90
      ? [seconds, 'second']
      : seconds < 90 * 60
        ? [Math.ceil(seconds / 60), 'minute']
        : [Math.ceil(seconds / HOUR), 'hour'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
