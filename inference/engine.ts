import type { EngineJob, EngineResult } from '#contracts/engine';
import { toMumuError } from '#contracts/errors';
import { GRAPH_GROUPS, Graphs } from '#inference/graphs';
import { runAsk, runDescribe } from '#inference/jobs/answer';
import { runGenerate } from '#inference/jobs/generate';
import { JobRun, type RunOptions } from '#inference/jobs/run';
import { throwIfAborted } from '#inference/runtime/abort';
import { chooseDevice, type Device, type DeviceChoice } from '#inference/runtime/device';
import { Stack } from '#inference/stack';
import { loadPack } from '#models/packs/read';

export type EngineLog = (
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  detail?: object,
) => void;

export type EngineOptions = {
  /** Folder of the pack (`<data>/packs/<name>`). */
  packFolder: string;
  device: DeviceChoice;
  /** Threads of one graph; default: what the machine has. */
  threads?: number | undefined;
  /** For features of songs, pictures and clips that were looked at before. */
  cacheFolder: string;
  log: EngineLog;
};

/** The whole stack of one pack, in this process. */
export type Engine = {
  /** Name of the pack. */
  pack: string;
  /** Where it runs, and why there. */
  device: Device;
  /**
   * Does one job; several may run at once and take turns at every step. The same job with the same seed gives the same
   * text and the same PCM on the same machine.
   * @throws MumuError whatever went wrong, always in this shape
   */
  run(job: EngineJob, options?: RunOptions): Promise<EngineResult>;
  close(): Promise<void>;
};

/**
 * Opens a pack.
 * @throws MumuError not_found, damaged_pack, missing_dependency (a device that does not work here)
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const pack = await loadPack(options.packFolder);
  const device = await chooseDevice(options.device, pack.graph('injection'), options.threads);
  options.log('info', `running on ${device.name} with ${device.threads} threads: ${device.why}`);
  const graphs = new Graphs(pack, device, (graph, milliseconds) => {
    options.log('debug', `opened ${graph}`, { milliseconds });
  });
  const stack = await Stack.open(pack, graphs, options.cacheFolder);
  // Opened now rather than under the first question: a damaged pack is found at once.
  await graphs.warm(GRAPH_GROUPS.language);

  return {
    pack: pack.manifest.name,
    device,
    async run(job, runOptions = {}) {
      const run = new JobRun(job, runOptions);
      try {
        throwIfAborted(runOptions.signal);
        return await dispatch(run, stack);
      } catch (thrown) {
        // Whatever breaks under a cancelled job breaks because of the cancel.
        throwIfAborted(runOptions.signal);
        const error = toMumuError(thrown);
        if (error.code === 'internal') {
          const cause =
            error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : error.cause;
          options.log('error', 'a job failed for a reason of ours', {
            id: job.request.id,
            cause: String(cause),
          });
        }
        throw error;
      }
    },
    close: () => graphs.close(),
  };
}

async function dispatch(run: JobRun, stack: Stack): Promise<EngineResult> {
  switch (run.job.request.command) {
    case 'ask':
      return runAsk(run, stack);
    case 'describe':
      return runDescribe(run, stack);
    case 'generate':
      return runGenerate(run, stack);
    case 'remix': {
      // The signal processing of remixes is a room of its own, entered when it is first needed.
      const { runRemix } = await import('#inference/jobs/remix');
      return runRemix(run, stack);
    }
  }
}
