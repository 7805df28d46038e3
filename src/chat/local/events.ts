import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { MumuError } from '#contracts/errors';
import { requestIdSchema, requirePageRequest, type ServerContext } from '#src/chat/local/context';
import type { Policy, Who } from '#src/policy/policy';
import type { JobEvent } from '#src/queue/snapshot';

/** Something is written at least this often, so that proxies and browsers keep the line open, milliseconds. */
const HEARTBEAT = 15_000;
/** Who has not read the end by then reads no more, milliseconds. */
const LAST_PATIENCE = 60_000;
/** Id of the last event: a browser that connects again after it has nothing more to hear. */
const LAST_EVENT = 'end';

/** `GET /api/requests/:id/events`: where a request stands, then everything until its end. */
export function installEvents(app: FastifyInstance, context: ServerContext): void {
  const open = new Set<ServerResponse>();
  app.addHook('preClose', async () => {
    for (const response of open) response.end();
  });

  app.get<{ Params: { id: string } }>(
    '/api/requests/:id/events',
    { exposeHeadRoute: false },
    async (request, reply) => {
      const id = requestIdSchema.parse(request.params.id);
      // EventSource connects again whenever a stream ends; 204 tells it to stop.
      if (request.headers['last-event-id'] === LAST_EVENT) return reply.code(204).send();
      await requirePageRequest(context, id);
      if ((await context.queue.view(id)) === undefined) {
        throw new MumuError('not_found', 'There is no such request.');
      }
      reply.hijack();
      const response = reply.raw;
      // Whoever left meanwhile is told nothing, and `close` would not come again.
      if (response.destroyed) return;
      // A line that breaks is no trouble of ours: `close` follows.
      response.on('error', () => undefined);
      open.add(response);
      response.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      });
      response.write('retry: 2000\n\n');
      const write = (text: string) => {
        if (!response.writableEnded && !response.destroyed) response.write(text);
      };
      const heartbeat = setInterval(() => write(': still here\n\n'), HEARTBEAT);
      let patience: NodeJS.Timeout | undefined;
      /** The last word was said. Who reads nothing keeps the line open all the same, for a while. */
      const end = () => {
        clearInterval(heartbeat);
        response.end();
        patience ??= setTimeout(() => response.destroy(), LAST_PATIENCE).unref();
      };
      const who = { user: `page:${request.ip}` };
      // One after the other, also where the policy takes its time.
      let told = Promise.resolve();
      const stop = context.queue.watch(id, (event) => {
        told = told.then(async () => {
          const shown = await showable(event, who, context.policy);
          // The next text holds this one, too: nothing piles up for who does not read.
          const isLate = event.type === 'text' && response.writableNeedDrain;
          if (shown !== undefined && !isLate) write(encode(shown));
          if (event.type === 'result') end();
        });
      });
      response.once('close', () => {
        clearInterval(heartbeat);
        clearTimeout(patience);
        stop();
        open.delete(response);
      });
    },
  );
}

/** An answer that goes on shows as the policy lets it; what becomes of the whole was decided by the worker. */
async function showable(event: JobEvent, who: Who, policy: Policy): Promise<JobEvent | undefined> {
  if (event.type !== 'text') return event;
  try {
    return { ...event, text: await policy.checkAnswer(event.text, who, 'partial') };
  } catch {
    return undefined;
  }
}

/** One server-sent event. JSON holds no line breaks, so one data line is enough. */
function encode(event: JobEvent): string {
  switch (event.type) {
    case 'queued':
      return frame('queued', { position: event.position });
    case 'stage':
      return frame('progress', { stage: event.stage, fraction: event.fraction });
    case 'text':
      return frame('text', { text: event.text });
    case 'note':
      return frame('note', { text: event.text });
    case 'result':
      return event.result.status === 'done'
        ? `id: ${LAST_EVENT}\n${frame('result', event.result)}`
        : `id: ${LAST_EVENT}\n${frame('error', event.result.error)}`;
  }
}

function frame(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
