import { createLogger } from '#src/log';
import type { JobQueue } from '#src/queue/job-queue';
import { FolderStorage } from '#src/storage/folder-storage';

/** A store that keeps what the jobs of a queue need; large enough for any test. */
export function queueStorage(folder: string, queue: JobQueue): Promise<FolderStorage> {
  return FolderStorage.open({
    folder,
    maxBytes: 1e9,
    keepMilliseconds: 3600_000,
    filesInUse: () => queue.filesInUse(),
    log: createLogger('silent'),
  });
}
