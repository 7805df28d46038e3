/**
 * The engine's own process: sessions block the thread they run on, and a native crash or an out-of-memory kill must
 * not take the queue's worker with it. Speaks `src/contracts/engine` over Node's IPC channel; its settings come as
 * one JSON argument.
 */
import { z } from 'zod';
import { type EngineJob, type FromEngine, toEngineSchema } from '#contracts/engine';
import { toMumuError } from '#contracts/errors';
import { createEngine, type Engine, type EngineLog } from '#inference/engine';

const settingsSchema = z.object({
  packFolder: z.string(),
  device: z.enum(['auto', 'cpu', 'cuda', 'webgpu']),
  threads: z.number().int().positive().optional(),
  cacheFolder: z.string(),
  verbose: z.boolean(),
});
export type EngineSettings = z.infer<typeof settingsSchema>;

function send(message: FromEngine): void {
  // The parent may have gone in the meantime: then there is nobody to tell.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

function logger(verbose: boolean): EngineLog {
  return (level, message, detail) => {
    if (!verbose && level !== 'warn' && level !== 'error') return;
    process.stderr.write(`${JSON.stringify({ level, from: 'engine', message, ...detail })}\n`);
  };
}

function serve(engine: Engine): void {
  const running = new Map<string, AbortController>();
  const run = async (job: EngineJob): Promise<void> => {
    const { id } = job.request;
    const controller = new AbortController();
    running.set(id, controller);
    try {
      const result = await engine.run(job, {
        signal: controller.signal,
        onProgress: (progress) => send({ type: 'progress', id, progress }),
      });
      send({ type: 'result', id, result });
    } catch (error) {
      send({ type: 'error', id, error: toMumuError(error).toFailure() });
    } finally {
      running.delete(id);
    }
  };
  process.on('message', (raw) => {
    const message = toEngineSchema.safeParse(raw);
    if (!message.success) return;
    if (message.data.type === 'run') void run(message.data.job);
    else if (message.data.type === 'cancel') running.get(message.data.id)?.abort();
    else process.exit(0);
  });
}

async function main(): Promise<void> {
  // A worker that ends, however it ends, takes its engine along.
  process.on('disconnect', () => process.exit(0));
  // Ctrl-C reaches the whole process group; the worker decides when the engine stops.
  process.on('SIGINT', () => {});
  try {
    const settings = settingsSchema.parse(JSON.parse(process.argv[2] ?? 'null'));
    const engine = await createEngine({ ...settings, log: logger(settings.verbose) });
    serve(engine);
    send({ type: 'ready', pack: engine.pack, device: engine.device.name, why: engine.device.why });
  } catch (error) {
    send({ type: 'fatal', error: toMumuError(error).toFailure() });
    process.disconnect?.();
    process.exitCode = 1;
  }
}

void main();
