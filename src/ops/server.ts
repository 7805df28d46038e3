import { type FastifyInstance, fastify } from 'fastify';
import { MumuError } from '#contracts/errors';
import { installErrors } from '#src/chat/local/errors';
import type { Config } from '#src/config';
import { disposition } from '#src/http/disposition';
import type { Logger } from '#src/log';
import { installBoard } from '#src/ops/board';
import type { SignedLinks } from '#src/ops/file-links';
import type { Health } from '#src/ops/health';
import type { Metrics } from '#src/ops/metrics';
import type { RedisAccess } from '#src/redis/access';
import type { Storage } from '#src/storage/storage';

export interface OpsContext {
  config: Pick<Config, 'ops'>;
  metrics: Metrics;
  health: Health;
  links: SignedLinks;
  storage: Storage;
  redis: RedisAccess;
  /** Names of the queues that the board shows. */
  queues(): Promise<readonly string[]>;
  log: Logger;
}

/**
 * The operator's port: `/metrics`, `/healthz`, `/board` behind a password, and `/files/` for signed links. A server
 * that lets strangers in hands on `/files/` only. Not listening yet.
 */
export async function createOpsServer(context: OpsContext): Promise<FastifyInstance> {
  const { config, metrics, health, log } = context;
  // Addresses carry signatures, so requests are not logged.
  const app = fastify({ logger: false, bodyLimit: 64 * 1024, forceCloseConnections: true });
  installErrors(app, log);
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
  });

  app.get('/metrics', async (_request, reply) => {
    reply.header('content-type', metrics.registry.contentType);
    return metrics.registry.metrics();
  });

  app.get('/healthz', async (_request, reply) => {
    const report = await health.report();
    return reply.code(report.ok ? 200 : 503).send(report);
  });

  app.get<{ Params: { key: string } }>('/files/:key', async (request, reply) => {
    const { key, name, mime } = context.links.check(request.params.key, request.query);
    const stored = await context.storage.find(key);
    if (stored === undefined) throw new MumuError('not_found', 'That file is no longer kept.');
    return (
      reply
        .headers({
          'content-type': mime,
          'content-length': stored.bytes,
          'cache-control': 'private, no-store',
          // To be saved, never shown: nothing that a stranger made runs under the operator's address.
          'content-disposition': disposition('attachment', name),
          'content-security-policy': "default-src 'none'; sandbox",
        })
        // The address names a file by its hash; whoever follows a link need not tell where from.
        .send(await context.storage.read(key))
    );
  });

  const password = config.ops.boardPassword;
  if (password !== undefined) {
    await installBoard(app, { password, redis: context.redis, names: context.queues, log });
  }
  return app;
}
