import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { MultipartFile } from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { parseCommandLine } from '#commands/parse';
import { MumuError } from '#contracts/errors';
import { type FileRef, MAX_TEXT_LENGTH, optionsSchema, type Request } from '#contracts/request';
import type { Asked } from '#src/chat/intake';
import {
  conversationSchema,
  drawnIdSchema,
  MAX_FILES,
  requestIdSchema,
  requirePageRequest,
  type ServerContext,
} from '#src/chat/local/context';
import type { Who } from '#src/policy/policy';
import { forgottenText } from '#src/settings/forget';
import { storageKeySchema } from '#src/storage/storage';

const parsedJson = z.string().transform((value, context): unknown => {
  try {
    return JSON.parse(value);
  } catch {
    context.addIssue({ code: 'custom', message: 'The options have to be JSON.' });
    return z.NEVER;
  }
});

const fieldsSchema = z.object({
  conversation: conversationSchema,
  /** Drawn by the page, so that a request whose answer got lost can be sent again without being done twice. */
  id: drawnIdSchema.optional(),
  /** Without a command the text is a line as typed into the page. */
  command: z
    .enum(['ask', 'describe', 'generate', 'remix'], {
      error: 'The command is one of ask, describe, generate, remix.',
    })
    .optional(),
  text: z.string().default(''),
  options: parsedJson.pipe(optionsSchema).default({}),
  action: z
    .enum(['new', 'vary', 'extend'], { error: 'The action is one of new, vary, extend.' })
    .default('new'),
  /** Keys of files that this conversation already has. */
  files: z.array(storageKeySchema).max(MAX_FILES).default([]),
});
type Fields = z.infer<typeof fieldsSchema>;
const namedSchema = fieldsSchema.pick({ conversation: true, id: true });

/** `POST /api/requests` and `DELETE /api/requests/:id`. */
export function installRequests(app: FastifyInstance, context: ServerContext): void {
  const { queue, intake, storage, policy, answers, settings, forget } = context;

  app.post('/api/requests', async (request, reply) => {
    const uploaded: FileRef[] = [];
    const holds: Array<{ release(): void }> = [];
    const gone = new AbortController();
    // The request's own end tells nothing: its body has been read long before files and words are checked.
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished) gone.abort(new MumuError('cancelled', 'The sender has gone.'));
    });
    try {
      let taken: Request | undefined;
      const fields = await readParts(request, async (part, before) => {
        const named = namedSchema.safeParse(before);
        if (named.success) taken ??= await takenBefore(named.data);
        if (taken !== undefined) {
          // Its files are here, and whoever sent it may have no room for one more.
          part.file.resume();
          return;
        }
        if (uploaded.length === 0) await queue.requireRoom({ user: `page:${request.ip}` });
        const file = await intake.takeFile(part.file, formFileName(part.filename), gone.signal);
        holds.push(storage.hold([file.key]));
        uploaded.push(file);
      });
      taken ??= await takenBefore(fields);
      if (taken !== undefined) {
        reply.code(202);
        return told(taken);
      }
      const earlier = await Promise.all(
        fields.files.map((key) => intake.knownFile(fields.conversation, key)),
      );
      const files = [...uploaded, ...earlier];
      return await answer(fields, files, { ip: request.ip, gone: gone.signal }, reply.code.bind(reply));
    } catch (error) {
      await drain(request.raw);
      throw error;
    } finally {
      for (const hold of holds) hold.release();
    }
  });

  /**
   * The request that was taken under this id, where its answer got lost on the way. One whose intake died before it
   * was queued is none: it is taken in again.
   * @throws MumuError invalid_input if the id is that of another conversation's request
   */
  async function takenBefore({
    id,
    conversation,
  }: Pick<Fields, 'id' | 'conversation'>): Promise<Request | undefined> {
    const home = id === undefined ? undefined : await queue.conversations.conversationOf(id);
    if (id === undefined || home === undefined) return undefined;
    if (home !== conversation) throw new MumuError('invalid_input', 'That id is the one of another request.');
    if ((await queue.view(id)) === undefined) return undefined;
    const history = await queue.conversations.history(conversation);
    return history.find(({ request }) => request.id === id)?.request;
  }

  async function answer(
    fields: Fields,
    files: FileRef[],
    sender: { ip: string; gone: AbortSignal },
    status: (code: number) => unknown,
  ) {
    const { conversation, id } = fields;
    const who = { user: `page:${sender.ip}` };
    const asked = await read(fields, files, who);
    await policy.mayUse(who, asked.command);
    switch (asked.command) {
      case 'help':
        return { command: 'help', text: await answers.answer(asked, who, conversation) };
      case 'queue':
        return { command: 'queue', ...(await queue.overview(conversation)) };
      case 'cancel':
        return { command: 'cancel', ...(await cancel(conversation, asked.id)) };
      case 'settings':
        if (asked.action === 'forget') {
          const forgotten = await forget.conversation(who.user, conversation);
          // Another window may have asked for something in this very moment.
          const isEmpty = (await queue.conversations.history(conversation)).length === 0;
          return { command: 'settings', text: forgottenText(forgotten), forgotten: isEmpty };
        }
        return { command: 'settings', text: await answers.answer(asked, who, conversation) };
      default: {
        if (asked.text.trim() !== '') await policy.checkPrompt(asked.text, who);
        const typed = fields.command === undefined ? { typed: fields.text } : {};
        const named = id === undefined ? {} : { id };
        // Whoever cancelled meanwhile was told so: nothing is queued for them.
        sender.gone.throwIfAborted();
        const job = await intake.submit(asked, files, { ...who, conversation, ...named, ...typed });
        status(202);
        return told(job);
      }
    }
  }

  /** The user's own settings count where the page's do not say otherwise, and those where the line does not. */
  async function read(
    fields: Fields,
    files: FileRef[],
    who: Who,
  ): Promise<Asked | Exclude<ReturnType<typeof parseCommandLine>, { options: unknown }>> {
    const { command, text, options, action } = fields;
    if (text.length > MAX_TEXT_LENGTH + 200) {
      throw new MumuError(
        'invalid_input',
        `The text is too long: at most ${MAX_TEXT_LENGTH} characters are taken.`,
      );
    }
    // A button asks for the same as before: what was set since is none of its business.
    if (command !== undefined) return { command, text, options, action };
    const hasTrack = await intake.hasTrack(fields.conversation);
    const line = parseCommandLine(text, { attachments: files, hasTrack });
    if (!('options' in line)) return line;
    const defaults = await settings.defaults(who, line.command);
    return { ...line, options: { ...defaults, ...options, ...line.options } };
  }

  async function cancel(conversation: string, id: string | undefined) {
    const open = (await queue.overview(conversation)).jobs;
    const chosen = id === undefined ? open.at(-1)?.id : id;
    if (chosen === undefined) return { outcome: 'nothing' as const };
    if (!open.some((job) => job.id === chosen)) {
      throw new MumuError('not_found', 'No such job waits or runs in this conversation.');
    }
    return { id: chosen, outcome: await queue.cancel(chosen) };
  }

  app.delete<{ Params: { id: string } }>('/api/requests/:id', async (request) => {
    const id = requestIdSchema.parse(request.params.id);
    await requirePageRequest(context, id);
    const outcome = await queue.cancel(id);
    if (outcome === 'unknown') throw new MumuError('not_found', 'There is no such request.');
    return { id, outcome };
  });
}

/** What the page is told of a request that was taken. */
function told({ id, command, text, files, options }: Request) {
  return { id, command, text, files, options };
}

/**
 * Reads a multipart form part by part: files go on as they stream in, fields are gathered and checked.
 * @param takeFile gets the fields that came before the file, unchecked
 */
async function readParts(
  request: FastifyRequest,
  takeFile: (part: MultipartFile, before: Readonly<Record<string, unknown>>) => Promise<void>,
): Promise<Fields> {
  if (!request.isMultipart()) {
    throw new MumuError('invalid_input', 'A request is sent as multipart/form-data.');
  }
  const fields: Record<string, unknown> = {};
  const keys: string[] = [];
  let failure: unknown;
  for await (const part of request.parts()) {
    if (part.type === 'file') {
      // After a failure the rest is read and dropped: a browser that is still sending would not see the answer.
      if (failure === undefined) {
        try {
          await takeFile(part, fields);
          continue;
        } catch (error) {
          failure = error;
        }
      }
      part.file.resume();
    } else if (part.fieldname === 'files') {
      keys.push(String(part.value));
    } else {
      fields[part.fieldname] = part.value;
    }
  }
  if (failure !== undefined) throw failure;
  if (keys.length > 0) fields.files = keys;
  return fieldsSchema.parse(fields);
}

/** Browsers write a quote in a file's name as %22 (HTML's multipart encoding); nothing else is escaped. */
function formFileName(name: string | undefined): string {
  return (name || 'file').replace(/%22/g, '"');
}

/**
 * Reads what is still to come and drops it: a browser that is still sending when the answer comes reports a broken
 * connection instead of our sentence. Someone who never stops sending is cut off.
 */
async function drain(raw: IncomingMessage): Promise<void> {
  if (raw.readableEnded || raw.destroyed) return;
  raw.unpipe();
  raw.resume();
  await Promise.race([once(raw, 'close'), once(raw, 'end'), delay(30_000, undefined, { ref: false })]).catch(
    () => undefined,
  );
  if (!raw.readableEnded) raw.destroy();
}
