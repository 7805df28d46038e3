import type { Redis } from 'ioredis';
import { commandNamed } from '#commands/registry';
import type { RequestCommand, RequestOptions } from '#contracts/request';
import { type SettingKey, settingsSchema, type UserSettings } from '#contracts/settings';
import { redisFailure } from '#src/redis/access';

/** Settings of somebody who was not seen for so long are forgotten, milliseconds. */
const KEEP = 365 * 24 * 3600 * 1000;

/** What each person has set for all of their requests: one hash of JSON values per person, in Redis. */
export class Settings {
  constructor(
    private readonly redis: Redis,
    private readonly prefix: string,
  ) {}

  /** @throws MumuError unavailable */
  async get(user: string): Promise<UserSettings> {
    const stored = await this.ask(async () => {
      const values: Record<string, string> = await this.redis.hgetall(this.key(user));
      if (Object.keys(values).length > 0) await this.redis.pexpire(this.key(user), KEEP);
      return values;
    });
    const read: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(stored)) {
      // A value that an older version took and this one does not is as good as not set.
      const shape = settingsSchema.shape[key as SettingKey] as
        | (typeof settingsSchema.shape)[SettingKey]
        | undefined;
      const checked = shape?.safeParse(JSON.parse(value));
      if (checked?.success === true) read[key] = checked.data;
    }
    return settingsSchema.parse(read);
  }

  /** @throws MumuError unavailable; ZodError for a value that is none of the setting's */
  async set(user: string, key: SettingKey, value: string | number | boolean): Promise<void> {
    const checked = settingsSchema.shape[key].parse(value);
    await this.ask(() =>
      this.redis
        .multi()
        .hset(this.key(user), key, JSON.stringify(checked))
        .pexpire(this.key(user), KEEP)
        .exec(),
    );
  }

  /**
   * Takes one setting back, or all.
   * @returns how many there were.
   * @throws MumuError unavailable
   */
  async reset(user: string, key?: SettingKey): Promise<number> {
    return this.ask(async () => {
      if (key !== undefined) return this.redis.hdel(this.key(user), key);
      const count = await this.redis.hlen(this.key(user));
      await this.redis.del(this.key(user));
      return count;
    });
  }

  /**
   * What a request starts from where it says nothing itself: those settings that its command has an option for.
   * @throws MumuError unavailable
   */
  async defaults(who: { user: string }, command: RequestCommand): Promise<RequestOptions> {
    const known = new Set<string>(commandNamed(command).options.map((option) => option.key));
    const values = await this.get(who.user);
    return Object.fromEntries(Object.entries(values).filter(([key]) => known.has(key)));
  }

  private async ask<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await command();
    } catch (error) {
      throw redisFailure(error);
    }
  }

  private key(user: string): string {
    return `${this.prefix}:settings:${user}`;
  }
}
