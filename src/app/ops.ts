import type { Opened } from '#src/app/open';
import type { Running } from '#src/app/running';
import { listen } from '#src/chat/local/server';
import { Health } from '#src/ops/health';
import { createOpsServer } from '#src/ops/server';

/** The operator's port as a process has it, or only the health of its parts where the port is off. */
export interface StartedOps {
  health: Health;
  /** Undefined where MUMU_OPS_PORT is 0. */
  address: string | undefined;
}

/** Starts the operator's port of the settings. @throws MumuError invalid_input if it cannot be used */
export async function startOps({ services, links, metrics }: Opened, running: Running): Promise<StartedOps> {
  const { config, redis, storage, queue, log } = services;
  const health = new Health(redis, metrics);
  metrics.watchQueues(async () => {
    const counts = await queue.counts();
    return counts.map(({ name, waiting, active }) => ({ queue: name, waiting, active }));
  });
  if (config.ops.port === 0) return { health, address: undefined };
  const app = await createOpsServer({
    ...{ config, metrics, health, links, storage, redis, log },
    queues: () => queue.names(),
  });
  running.add('operations port', () => app.close());
  const { host } = config.ops;
  const port = await listen(app, host, config.ops.port, {
    port: 'MUMU_OPS_PORT',
    host: 'MUMU_OPS_HOST',
  });
  return { health, address: `http://${host.includes(':') ? `[${host}]` : host}:${port}` };
}
