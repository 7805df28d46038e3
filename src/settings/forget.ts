import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { MumuError } from '#contracts/errors';
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
      const forgotten = await this.exchanges(user, conversations, () => true);
      forgotten.settings = await settings.reset(user);
      return forgotten;
    } catch (error) {
      throw redisFailure(error);
    }
  }

  /**
   * What a user gave to one conversation, and the user's settings: for a page, where an address is all that is known
   * of somebody and may be shared by many, but who knows a conversation's name owns it.
   * @throws as `user`
   */
  async conversation(user: string, conversation: string): Promise<Forgotten> {
    try {
      const forgotten = await this.exchanges(user, [conversation], (other) => other === conversation);
      forgotten.settings = await this.options.settings.reset(user);
      return forgotten;
    } catch (error) {
      throw redisFailure(error);
    }
  }

  private async exchanges(
    user: string,
    conversations: readonly string[],
    isMeant: (conversation: string) => boolean,
  ): Promise<Forgotten> {
    const { queue, storage, log } = this.options;
    const jobs = await this.stopJobs(user, isMeant);
    const forgotten: Forgotten = { requests: 0, conversations: 0, files: 0, shared: 0, jobs, settings: 0 };
    for (const conversation of conversations) {
      const gone = await queue.conversations.forgetUser(user, conversation);
      for (const key of gone.orphans) await storage.remove(key);
      forgotten.requests += gone.requests;
      forgotten.conversations += gone.requests > 0 ? 1 : 0;
      forgotten.files += gone.orphans.length;
      forgotten.shared += gone.files.length - gone.orphans.length;
    }
    await queue.erase((request) => request.user === user && isMeant(request.conversation));
    log.info({ ...forgotten }, 'a user was forgotten');
    return forgotten;
  }

  /** Cancels what waits and runs, and waits until it has ended: a job that ends later would leave its result behind. */
  private async stopJobs(user: string, isMeant: (conversation: string) => boolean): Promise<number> {
    const { queue } = this.options;
    const openOnes = async () =>
      (await queue.openRequests()).filter(
        (request) => request.user === user && isMeant(request.conversation),
      );
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
