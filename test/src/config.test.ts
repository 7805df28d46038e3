import { describe, expect, it } from 'vitest';
import { loadConfig } from '#src/config';

describe('loadConfig', () => {
  it('has a default for everything', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({ redisUrl: undefined, host: '127.0.0.1', port: 8020, pack: 'mini' });
    expect(config.dataFolder).toMatch(/[/\\]data$/);
    expect(config.limits.uploadBytes).toBe(200 * 1024 * 1024);
    expect(config.threads).toBeUndefined();
  });

  it('takes an empty variable for an absent one', () => {
    expect(loadConfig({ REDIS_URL: '', MUMU_PORT: ' ' })).toMatchObject({ redisUrl: undefined, port: 8020 });
  });

  it.each([
    ['MUMU_PORT', 'eighty', /MUMU_PORT has to be a number from 0 to 65535/],
    ['MUMU_PORT', '80.5', /MUMU_PORT has to be a whole number/],
    ['MUMU_DEVICE', 'tpu', /MUMU_DEVICE has to be one of auto, cpu/],
    ['REDIS_URL', 'localhost:6379', /REDIS_URL has to start with redis:/],
    ['MUMU_STORAGE_MB', '-1', /MUMU_STORAGE_MB has to be a number from 1/],
  ])('refuses %s=%s in one sentence', (name, value, message) => {
    expect(() => loadConfig({ [name]: value })).toThrow(message);
  });
});
