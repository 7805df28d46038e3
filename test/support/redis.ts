import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '#src/log';
import { openRedis, type RedisAccess } from '#src/redis/access';

/** A real redis-server in a temporary folder for one test file. */
export interface TestRedis {
  access: RedisAccess;
  folder: string;
  close(): Promise<void>;
}

export async function startTestRedis(): Promise<TestRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'mumu-redis-'));
  const access = await openRedis(
    { redisUrl: undefined, redisPrefix: 'test', dataFolder: folder },
    createLogger('silent'),
  );
  return {
    access,
    folder,
    async close() {
      await access.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
