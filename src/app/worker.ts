import { type RunningWorker, startWorker } from '#inference/worker';
import type { Opened } from '#src/app/open';
import { ensurePack } from '#src/cli/packs';
import type { ProgressView } from '#src/cli/terminal';

/**
 * Builds the pack if it has to be and starts a worker on it.
 * @throws MumuError why the pack or the engine is of no use
 */
export async function startWorkerPart(opened: Opened, view: ProgressView): Promise<RunningWorker> {
  const { config, redis, storage, policy, log } = opened.services;
  const openPack = async (name: string) => {
    const folder = await ensurePack(config, name, {
      onProgress: (fraction) => view.show('building', fraction),
      onWait: () => view.note('another mumu builds this pack: waiting for it'),
    });
    view.clear();
    return folder;
  };
  const packFolder = await openPack(config.pack);
  return startWorker({
    ...{ redis, storage, packFolder, openPack, policy, log },
    // Those named; else every pack that is built here.
    packs: config.workerPacks.length === 0 ? undefined : config.workerPacks,
    observer: opened.metrics.work,
    telemetry: opened.telemetry,
    device: config.device,
    ...(config.threads === undefined ? {} : { threads: config.threads }),
    dataFolder: config.dataFolder,
    keepMilliseconds: config.limits.keepMilliseconds,
  });
}
