import { existsSync } from 'node:fs';
import multipart from '@fastify/multipart';
import staticFiles from '@fastify/static';
import { type FastifyInstance, fastify } from 'fastify';
import { MAX_FILES, type ServerContext } from '#src/chat/local/context';
import { installErrors } from '#src/chat/local/errors';
import { installEvents } from '#src/chat/local/events';
import { installFiles } from '#src/chat/local/files';
import { installOverview } from '#src/chat/local/overview';
import { installRequests } from '#src/chat/local/requests';
import { installSecurity } from '#src/chat/local/security';
import { type ListenSettings, listenFailure } from '#src/http/listen-failure';

/** The local page and its HTTP interface (docs/http.md); not listening yet. */
export async function createServer(context: ServerContext): Promise<FastifyInstance> {
  const { config } = context;
  const app = fastify({
    // Addresses name conversations, so requests are not logged.
    logger: false,
    bodyLimit: 1024 * 1024,
    // A large file over a slow line takes a while.
    requestTimeout: 15 * 60_000,
    forceCloseConnections: true,
  });
  installErrors(app, context.log);
  installSecurity(app, config);
  await app.register(multipart, {
    // Storage counts, with a sentence of its own; the parser's limit is a second fence behind it.
    throwFileSizeLimit: false,
    limits: {
      files: MAX_FILES,
      fields: 32,
      fieldSize: 64 * 1024,
      headerPairs: 100,
      fileSize: config.limits.uploadBytes + 64 * 1024,
    },
  });
  installOverview(app, context);
  installRequests(app, context);
  installEvents(app, context);
  installFiles(app, context);
  await installStatic(app, context);
  return app;
}

async function installStatic(app: FastifyInstance, context: ServerContext): Promise<void> {
  const hasPage = existsSync(context.pageFolder);
  if (hasPage)
    await app.register(staticFiles, { root: context.pageFolder, prefix: '/', decorateReply: false });
  else context.log.warn('the page is not built: only the HTTP interface answers');
  if (existsSync(context.examplesFolder)) {
    await app.register(staticFiles, {
      root: context.examplesFolder,
      prefix: '/examples/',
      decorateReply: false,
      index: false,
    });
  }
}

/**
 * Starts to listen.
 * @returns the port, which the system chose if the settings say 0.
 * @throws MumuError invalid_input if the port is taken or not allowed.
 */
export async function listen(
  app: FastifyInstance,
  host: string,
  port: number,
  settings: ListenSettings = { port: '--port or MUMU_PORT', host: 'MUMU_HOST' },
): Promise<number> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw listenFailure(error, host, port, settings);
  }
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}
