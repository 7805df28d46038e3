import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { MumuError } from '#contracts/errors';
import { conversationSchema, type ServerContext } from '#src/chat/local/context';
import { disposition } from '#src/http/disposition';
import { storageKeySchema } from '#src/storage/storage';

/** Types a browser plays or shows and never runs; anything else goes out as bytes to save. */
const SHOWN = /^(?:audio\/[\w.+-]+|video\/[\w.+-]+|image\/(?:png|jpeg|webp|gif|avif|bmp|tiff|heic|heif))$/;

const querySchema = z.object({ conversation: conversationSchema, download: z.string().optional() });

/** `GET /api/files/:key?conversation=...`: a file of that conversation, whole or a range of it. */
export function installFiles(app: FastifyInstance, context: ServerContext): void {
  app.get<{ Params: { key: string } }>('/api/files/:key', async (request, reply) => {
    const key = storageKeySchema.safeParse(request.params.key).data;
    const { conversation, download } = querySchema.parse(request.query);
    const owned =
      key === undefined ? undefined : await context.queue.conversations.ownedFile(conversation, key);
    const stored = key === undefined || owned === undefined ? undefined : await context.storage.find(key);
    if (key === undefined || owned === undefined || stored === undefined) {
      throw new MumuError('not_found', 'That file is not (or no longer) part of this conversation.');
    }
    const isShown = SHOWN.test(stored.mime);
    reply.headers({
      'content-type': isShown ? stored.mime : 'application/octet-stream',
      'content-disposition': disposition(
        isShown && download === undefined ? 'inline' : 'attachment',
        owned.name,
      ),
      'accept-ranges': 'bytes',
      'cache-control': 'private, max-age=31536000, immutable',
      etag: `"${key}"`,
    });
    if (request.headers['if-none-match'] === `"${key}"`) return reply.code(304).send();
    const range = parseRange(request.headers.range, stored.bytes);
    if (range === 'beyond') {
      reply.header('content-range', `bytes */${stored.bytes}`).code(416);
      return reply.send();
    }
    if (range === undefined) {
      reply.header('content-length', stored.bytes);
      return reply.send(await context.storage.read(key));
    }
    reply
      .code(206)
      .header('content-range', `bytes ${range.start}-${range.end}/${stored.bytes}`)
      .header('content-length', range.end - range.start + 1);
    return reply.send(await context.storage.read(key, range));
  });
}

/**
 * One byte range, as players ask for it (RFC 9110, 14.1.2). What is not understood is left aside, as that
 * standard allows, and the whole file is sent.
 */
function parseRange(
  header: string | undefined,
  bytes: number,
): { start: number; end: number } | 'beyond' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return undefined;
  if (match[1] === '') {
    const length = Math.min(Number(match[2]), bytes);
    return length === 0 ? 'beyond' : { start: bytes - length, end: bytes - 1 };
  }
  const start = Number(match[1]);
  const end = match[2] === '' ? bytes - 1 : Math.min(Number(match[2]), bytes - 1);
  if (start >= bytes) return 'beyond';
  return start > end ? undefined : { start, end };
}
