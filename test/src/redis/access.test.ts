import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { redisFailure } from '#src/redis/access';
import { startTestRedis, type TestRedis } from '#test/support/redis';

describe('failures of Redis', () => {
  it('say whether the same may be tried again soon', () => {
    const away = [
      'Reached the max retries per request limit (which is 3). Refer to "maxRetriesPerRequest" option for details.',
      'Connection is closed.',
      'LOADING Redis is loading the dataset in memory',
      'READONLY You can’t write against a read only replica.',
    ];
    expect(away.map((message) => redisFailure(new Error(message)).code)).toEqual(
      away.map(() => 'unavailable'),
    );
    expect(redisFailure(new Error('MISCONF Redis is configured to save RDB snapshots')).code).toBe(
      'disk_full',
    );
    expect(redisFailure(new Error('WRONGTYPE Operation against a key')).code).toBe('internal');
  });
});

describe('a Redis that is there', () => {
  let redis: TestRedis;
  beforeEach(async () => {
    redis = await startTestRedis();
  });
  afterEach(() => redis.close());

  it('but is full says so, in a transaction too', async () => {
    const connection = redis.access.connect('producer');
    await connection.config('SET', 'maxmemory', '1');
    const failure = (work: Promise<unknown>) =>
      work.then(
        () => undefined,
        (error) => redisFailure(error).code,
      );
    expect(await failure(connection.set('song', 'waltz'))).toBe('disk_full');
    expect(await failure(connection.multi().set('song', 'waltz').get('song').exec())).toBe('disk_full');
  });
});
