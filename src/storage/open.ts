import { join } from 'node:path';
import type { Config } from '#src/config';
import type { Logger } from '#src/log';
import type { RedisAccess } from '#src/redis/access';
import { FolderStorage } from '#src/storage/folder-storage';
import type { Storage } from '#src/storage/storage';

/** How often stored files are looked through for expired ones, milliseconds. */
const SWEEP_INTERVAL = 3600_000;
/** Room for this machine's copies of files that lie in S3: this much, or what a few large uploads take. Bytes. */
const CACHE_BYTES = 2 * 1024 ** 3;

export interface OpenedStorage {
  storage: Storage;
  close(): Promise<void>;
}

/**
 * Opens the store of the settings, S3 or a folder, and keeps it swept.
 * @throws MumuError missing_dependency, unavailable
 */
export async function openStorage(options: {
  config: Config;
  redis: RedisAccess;
  /** Keys that waiting and running jobs need. */
  filesInUse(): Promise<Set<string>>;
  log: Logger;
}): Promise<OpenedStorage> {
  const { config, redis, filesInUse, log } = options;
  const { storageBytes, uploadBytes, keepMilliseconds } = config.limits;
  const common = { maxBytes: storageBytes, keepMilliseconds, filesInUse, log };
  let storage: Storage;
  let end = () => {};
  if (config.s3 === undefined) {
    storage = await FolderStorage.open({ ...common, folder: join(config.dataFolder, 'storage') });
  } else {
    // Its library is large: loaded only where it is used.
    const { S3Storage } = await import('#src/storage/s3-storage');
    const connection = redis.connect('producer');
    const opened = await S3Storage.open({
      ...common,
      s3: config.s3,
      redis: connection,
      redisPrefix: redis.prefix,
      cacheFolder: join(config.dataFolder, 's3-cache'),
      cacheBytes: Math.min(storageBytes, Math.max(CACHE_BYTES, 4 * uploadBytes)),
    });
    storage = opened;
    end = () => {
      opened.close();
      connection.disconnect();
    };
  }
  const sweeper = setInterval(() => {
    storage.sweep().catch((error: Error) => log.warn({ error: error.message }, 'could not clean up'));
  }, SWEEP_INTERVAL);
  return {
    storage,
    async close() {
      clearInterval(sweeper);
      end();
    },
  };
}
