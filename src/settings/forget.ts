import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { MumuError } from '#contracts/errors';
import type { Request } from '#contracts/request';
import { forgetDeliveries } from '#src/chat/delivery/deliveries';
import type { Logger } from '#src/log';
import type { JobQueue } from '#src/queue/job-queue';
import { redisFailure } from '#src/redis/access';
import type { Settings } from '#src/settings/settings';
import type { Storage } from '#src/storage/storage';

/** Running jobs are waited for so long after they were told to stop, milliseconds. */
const PATIENCE = 20_000;

/** What was deleted, in counts. */
export interface Forgotten {
  /** Requests with their answers. */
  requests: number;
  /** Conversations they were in. */
  conversations: number;
  /** Files whose content was deleted. */
  files: number;
  /** Files that somebody else has sent or received too: their content stays for those. */
  shared: number;
  /** Jobs that waited or ran. */
  jobs: number;
  settings: number;
}

type Owned = Pick<Request, 'user' | 'conversation'>;

export interface ForgetOptions {
  queue: JobQueue;
  storage: Storage;
  settings: Settings;
  /** A connection for commands. */
  redis: Redis;
  /** First part of every key. */
  prefix: string;
  log: Logger;
}

/** Deletes everything a user gave, and what came of it. */
export class Forget {
  constructor(private readonly options: ForgetOptions) {}

  /**
   * Everything of a user. What counts towards limits (numbers only) stays until it runs out within a day: else this
   * would be a way around them.
   * @throws MumuError unavailable if Redis goes away in the middle (asked again, it goes on), or if a job does not stop
   */
  async user(user: string): Promise<Forgotten> {
    const { queue, settings, redis, prefix } = this.options;
    try {
      const conversations = await queue.conversations.ofUser(user);
      // Before its jobs end: what is about to be posted is still posted, and then forgotten.
      await forgetDeliveries(redis, prefix, user);
      const isTheirs = (request: Owned) => request.user === user;
      const jobs = await this.stopJobs(isTheirs);
      const held = conversations.map((conversation) => ({ user, conversation }));
      const forgotten = await this.exchanges(held, isTheirs, jobs);
      forgotten.settings = await settings.reset(user);
      return forgotten;
    } catch (error) {
      throw redisFailure(error);
    }
  }

  /**
   * What was given to one conversation of the page, and the user's settings. There an address is all that is known of
   * somebody: it may be shared by many, and change. So whoever knows the conversation's name owns what every address
   * gave to it.
   * @throws as `user`
   */
  async conversation(user: string, conversation: string): Promise<Forgotten> {
    const { queue, settings } = this.options;
    try {
      const isTheirs = (request: Owned) => request.conversation === conversation && isOfPage(request.user);
      const jobs = await this.stopJobs(isTheirs);
      const history = await queue.conversations.history(conversation);
      const users = new Set([user, ...history.map(({ request }) => request.user).filter(isOfPage)]);
      const held = [...users].map((each) => ({ user: each, conversation }));
      const forgotten = await this.exchanges(held, isTheirs, jobs);
      forgotten.settings = await settings.reset(user);
      return forgotten;
    } catch (error) {
      throw redisFailure(error);
    }
  }

  /** @param held who gave something, and to which conversation */
  private async exchanges(
    held: readonly Owned[],
    isTheirs: (request: Owned) => boolean,
    jobs: number,
  ): Promise<Forgotten> {
    const { queue, storage, log } = this.options;
    const forgotten: Forgotten = { requests: 0, conversations: 0, files: 0, shared: 0, jobs, settings: 0 };
    const places = new Set<string>();
    for (const { user, conversation } of held) {
      const gone = await queue.conversations.forgetUser(user, conversation);
      for (const key of gone.orphans) await storage.remove(key);
      if (gone.requests > 0) places.add(conversation);
      forgotten.requests += gone.requests;
      forgotten.files += gone.orphans.length;
      forgotten.shared += gone.files.length - gone.orphans.length;
    }
    forgotten.conversations = places.size;
    await queue.erase(isTheirs);
    log.info({ ...forgotten }, 'a user was forgotten');
    return forgotten;
  }

  /** Cancels what waits and runs, and waits until it has ended: a job that ends later would leave its result behind. */
  private async stopJobs(isTheirs: (request: Owned) => boolean): Promise<number> {
    const { queue } = this.options;
    const openOnes = async () => (await queue.openRequests()).filter(isTheirs);
    const open = await openOnes();
    for (const { id } of open) await queue.cancel(id);
    const until = Date.now() + PATIENCE;
    while ((await openOnes()).length > 0) {
      if (Date.now() > until) {
        throw new MumuError(
          'unavailable',
          'One of your jobs is still stopping, so your files and requests are still there: say it again in a moment.',
        );
      }
      await delay(100);
    }
    return open.length;
  }
}

/** Users of the page are addresses: `page:127.0.0.1`. */
function isOfPage(user: string): boolean {
  return user.startsWith('page:');
}

/** What was deleted, for the one who asked. */
export function forgottenText(forgotten: Forgotten): string {
  const { requests, conversations, files, shared, jobs, settings } = forgotten;
  if (requests + files + shared + jobs + settings === 0) return 'There was nothing of yours.';
  const parts = [
    `${count(requests, 'request')} with the answers (in ${count(conversations, 'conversation')})`,
    count(files, 'file'),
    count(settings, 'setting'),
  ];
  return [
    `Deleted: ${parts.join(', ')}.`,
    ...(jobs === 0 ? [] : [`Stopped: ${count(jobs, 'job')}.`]),
    ...(shared === 0
      ? []
      : [
          `${count(shared, 'file')} of yours ${shared === 1 ? 'is' : 'are'} no longer reachable through you, but somebody else has sent or received the same: it stays for them.`,
        ]),
    'Messages already posted are the platform’s: delete them there.',
  ].join(' ');
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
