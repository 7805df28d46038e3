import type { Telemetry } from 'bullmq';
import { probe } from '#inference/media/probe';
import { isExactRemix } from '#inference/remix/is-exact';
import type { Running } from '#src/app/running';
import type { Services } from '#src/app/services';
import { createAnswers } from '#src/chat/answers';
import { startCourier } from '#src/chat/delivery/courier';
import { loadSecret } from '#src/chat/delivery/seal';
import { Intake } from '#src/chat/intake';
import type { Config } from '#src/config';
import type { Logger } from '#src/log';
import { SignedLinks } from '#src/ops/file-links';
import { Metrics } from '#src/ops/metrics';
import { loadPolicy } from '#src/policy/load';
import { JobQueue } from '#src/queue/job-queue';
import { openRedis } from '#src/redis/access';
import { Forget } from '#src/settings/forget';
import { Settings } from '#src/settings/settings';
import { openStorage } from '#src/storage/open';

/** What every part of a process shares, whichever parts it runs. */
export interface Opened {
  services: Services;
  /** Where the operator wants traces. */
  telemetry: Telemetry | undefined;
  links: SignedLinks;
  metrics: Metrics;
}

/**
 * Opens Redis, queue, storage and what stands on them; each is added to `running` as soon as it is open, so that a
 * failure half-way leaves nothing behind.
 * @throws MumuError what is missing or away, and what to do
 */
export async function openServices(config: Config, log: Logger, running: Running): Promise<Opened> {
  const { keepMilliseconds } = config.limits;
  const metrics = new Metrics();
  const redis = await openRedis(config, log);
  running.add('redis', () => redis.close());
  const traces = await startTraces(config, running);
  const limits = { ...config.limits, isExactRemix };
  const queue = new JobQueue(redis, { ...limits, pack: config.pack, log, ...traces });
  running.add('queue', () => queue.close());
  await queue.ready();
  const stored = await openStorage({ config, redis, filesInUse: () => queue.filesInUse(), log });
  const { storage } = stored;
  running.add('storage', () => stored.close());
  const secret = await loadSecret(config);
  const links = new SignedLinks(secret, config.ops.publicUrl);
  const policy = await loadPolicy(config, log);
  const connection = redis.connect('producer');
  const settings = new Settings(connection, redis.prefix);
  const forget = new Forget({ queue, storage, settings, redis: connection, prefix: redis.prefix, log });
  const answers = createAnswers({ queue, policy, settings, forget });
  const intake = new Intake({
    queue,
    storage,
    maxFileBytes: config.limits.uploadBytes,
    inspect: async (path, signal) => {
      const { kind, mime, seconds } = await probe(path, signal, config.limits.uploadBytes);
      return { kind, mime, ...(seconds === undefined ? {} : { seconds }) };
    },
    observer: metrics.requests,
  });
  const services: Services = {
    ...{ config, redis, queue, storage, intake, policy, answers, settings, forget, links, log },
    courier: (messenger) =>
      startCourier({
        ...{ redis, queue, storage, intake, policy, answers, messenger, secret, keepMilliseconds, log },
        defaults: (who, command) => settings.defaults(who, command),
        observer: metrics.deliveries,
      }),
  };
  return { services, telemetry: traces.telemetry, links, metrics };
}

/** Traces, where the operator has a collector for them; their library is loaded only then. */
async function startTraces(config: Config, running: Running): Promise<{ telemetry?: Telemetry }> {
  if (config.traces === undefined) return {};
  const { openTraces } = await import('#src/ops/traces');
  const { telemetry, close } = openTraces(config.traces, 'mumu');
  running.add('traces', close);
  return { telemetry };
}
