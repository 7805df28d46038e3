import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { COMMANDS, helpText } from '#commands/registry';
import { MAX_TEXT_LENGTH } from '#contracts/request';
import { conversationSchema, MAX_FILES, type ServerContext } from '#src/chat/local/context';
import { decodeFailure, failedResult } from '#src/queue/snapshot';

/** What `examples.json` holds: things to try, each with the file it is about, if any. */
const examplesSchema = z.array(
  z.object({
    title: z.string(),
    /** What is typed. */
    line: z.string(),
    /** A file name in the examples folder. */
    file: z
      .string()
      .regex(/^[\w-]+\.\w+$/)
      .optional(),
  }),
);

/** Everything that is only read: health, history, queue, help and examples. */
export function installOverview(app: FastifyInstance, context: ServerContext): void {
  const { queue, config } = context;

  app.get('/healthz', async (_request, reply) => {
    const engine = context.engineState();
    reply.header('cache-control', 'no-store');
    if (engine.state !== 'ready') reply.code(503);
    return engine;
  });

  app.get<{ Params: { id: string } }>('/api/conversations/:id', async (request, reply) => {
    const conversation = conversationSchema.parse(request.params.id);
    reply.header('cache-control', 'no-store');
    const exchanges = [];
    for (const { at, request: asked, typed, result } of await queue.conversations.history(conversation)) {
      const { id, command, text, files, options } = asked;
      const action = asked.command === 'generate' ? { action: asked.action } : {};
      const exchange = {
        id,
        at,
        command,
        text,
        files,
        options,
        ...action,
        ...(typed === undefined ? {} : { typed }),
      };
      if (result !== undefined) {
        exchanges.push({ ...exchange, state: 'ended', result });
        continue;
      }
      const view = await queue.view(id);
      if (view === undefined || view.state === 'ended') {
        // Gone from the queue without a word: its worker died and it was cleaned away.
        const ended = view?.result ?? failedResult(id, decodeFailure(undefined));
        exchanges.push({ ...exchange, state: 'ended', result: ended });
      } else {
        exchanges.push({ ...exchange, state: view.state });
      }
    }
    const track = await queue.conversations.lastTrack(conversation);
    return { conversation, exchanges, ...(track === undefined ? {} : { track }) };
  });

  app.get('/api/queue', async (request, reply) => {
    const { conversation } = z.object({ conversation: conversationSchema }).parse(request.query);
    reply.header('cache-control', 'no-store');
    return queue.overview(conversation);
  });

  app.get('/api/help', async () => ({
    text: helpText(),
    commands: COMMANDS,
    limits: {
      fileBytes: config.limits.uploadBytes,
      files: MAX_FILES,
      textLength: MAX_TEXT_LENGTH,
      activeJobs: config.limits.activeJobs,
    },
  }));

  app.get('/api/examples', async () => {
    try {
      const listed = JSON.parse(await readFile(join(context.examplesFolder, 'examples.json'), 'utf8'));
      const examples = examplesSchema.parse(listed);
      return {
        examples: examples.map(({ title, line, file }) => ({
          title,
          line,
          ...(file === undefined ? {} : { file: { name: file, url: `/examples/${file}` } }),
        })),
      };
    } catch (error) {
      context.log.warn({ error: (error as Error).message }, 'there are no examples to show');
      return { examples: [] };
    }
  });
}
