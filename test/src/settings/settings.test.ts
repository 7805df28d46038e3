import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SETTINGS } from '#commands/settings';
import { LANGUAGES, settingsSchema } from '#contracts/settings';
import { LOCALES } from '#src/chat/delivery/locales';
import { Settings } from '#src/settings/settings';
import { startTestRedis, type TestRedis } from '#test/support/redis';

let redis: TestRedis;
let settings: Settings;

beforeAll(async () => {
  redis = await startTestRedis();
  settings = new Settings(redis.access.connect('producer'), redis.access.prefix);
});
afterAll(() => redis.close());

describe('settings', () => {
  it('are one’s own', async () => {
    await settings.set('discord:1', 'seconds', 20);
    await settings.set('discord:1', 'voice', true);
    await settings.set('slack:T:1', 'seconds', 5);
    expect(await settings.get('discord:1')).toEqual({ seconds: 20, voice: true });
    expect(await settings.get('slack:T:1')).toEqual({ seconds: 5 });
    expect(await settings.reset('discord:1', 'voice')).toBe(1);
    expect(await settings.get('discord:1')).toEqual({ seconds: 20 });
    expect(await settings.reset('discord:1')).toBe(1);
    expect(await settings.get('discord:1')).toEqual({});
    expect(await settings.get('slack:T:1')).toEqual({ seconds: 5 });
  });

  it('take no value that their option would not', async () => {
    await expect(settings.set('discord:2', 'seconds', 600)).rejects.toThrow();
    await expect(settings.set('discord:2', 'format', 'mp4')).rejects.toThrow();
    expect(await settings.get('discord:2')).toEqual({});
  });

  it('leave out what an older version kept and this one does not take', async () => {
    const connection = redis.access.connect('producer');
    await connection.hset(`${redis.access.prefix}:settings:discord:3`, {
      seconds: '9000',
      tempo: '"fast"',
      guidance: '3',
    });
    expect(await settings.get('discord:3')).toEqual({ guidance: 3 });
    connection.disconnect();
  });

  it('count for the commands that have the option', async () => {
    const who = { user: 'discord:4' };
    await settings.set(who.user, 'seconds', 20);
    await settings.set(who.user, 'format', 'ogg');
    await settings.set(who.user, 'temperature', 0);
    await settings.set(who.user, 'language', 'de');
    await settings.set(who.user, 'voice', true);
    expect(await settings.defaults(who, 'generate')).toEqual({ seconds: 20, format: 'ogg', temperature: 0 });
    expect(await settings.defaults(who, 'remix')).toEqual({ format: 'ogg', temperature: 0 });
    expect(await settings.defaults(who, 'ask')).toEqual({ temperature: 0 });
  });

  it('are all in the list that help shows, and languages those there are words in', () => {
    expect(SETTINGS.map(({ key }) => key as string).sort()).toEqual(Object.keys(settingsSchema.shape).sort());
    expect(LANGUAGES).toEqual(LOCALES);
  });
});
