/** A worker's process: the real worker, with an engine that computes nothing. */
import { fileURLToPath } from 'node:url';
import { startWorker } from '#inference/worker';
import { loadConfig } from '#src/config';
import { createLogger } from '#src/log';
import { JobQueue } from '#src/queue/job-queue';
import { openRedis } from '#src/redis/access';
import { FolderStorage } from '#src/storage/folder-storage';
import { openStorage } from '#src/storage/open';
import { KEEP, LIMITS, readSettings } from '#test/chaos/settings';

const settings = readSettings();
const log = createLogger(settings.log);
const { redisUrl, dataFolder } = settings;
const redis = await openRedis({ redisUrl, redisPrefix: 'chaos', dataFolder }, log);
const queue = new JobQueue(redis, { ...LIMITS, keepMilliseconds: KEEP, log });
const filesInUse = () => queue.filesInUse();
const common = { keepMilliseconds: KEEP, log, filesInUse };
const storage =
  settings.s3 === undefined
    ? await FolderStorage.open({ ...common, folder: settings.storageFolder, maxBytes: 1e9 })
    : (
        await openStorage({
          ...{ redis, log, filesInUse },
          config: loadConfig({ ...settings.s3, MUMU_DATA: dataFolder }),
        })
      ).storage;
const worker = await startWorker({
  ...{ redis, storage, dataFolder, log },
  packFolder: `${dataFolder}/packs/mini`,
  device: 'cpu',
  keepMilliseconds: KEEP,
  lockMilliseconds: settings.patience,
  engineModule: { path: fileURLToPath(new URL('./engine.mjs', import.meta.url)), execArgv: [] },
});
const tell = () => process.send?.({ type: 'ready', engine: worker.enginePid });
tell();
process.on('message', tell);
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', async () => {
  await worker.close(200);
  process.exit(0);
});
