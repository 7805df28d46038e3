import { describe, expect, it } from 'vitest';
import { redisFailure } from '#src/redis/access';

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
