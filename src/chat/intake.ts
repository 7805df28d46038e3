import { createHash, randomInt, randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { chooseFiles } from '#commands/attachments';
import { checkText } from '#commands/parse';
import { commandNamed } from '#commands/registry';
import { type ErrorCode, MumuError, toMumuError } from '#contracts/errors';
import { fitFileName } from '#contracts/file-name';
import {
  type FileRef,
  type Request,
  type RequestCommand,
  type RequestOptions,
  requestSchema,
} from '#contracts/request';
import type { JobQueue } from '#src/queue/job-queue';
import { redisFailure } from '#src/redis/access';
import type { Content, Storage } from '#src/storage/storage';

/** What someone asked for, before files and ids are settled. */
export interface Asked {
  command: RequestCommand;
  text: string;
  options: RequestOptions;
  action: 'new' | 'vary' | 'extend';
}

/** Who asked, and where. */
export interface Asker {
  /** For limits. */
  user: string;
  conversation: string;
  /** Server or workspace, for limits; absent in private. */
  server?: string | undefined;
  /** The event's own id where the platform has one, so that an event delivered twice is one job. */
  id?: string;
  /** The line as it was typed, for the history. */
  typed?: string;
}

/** Told of what intake does, for figures; it must not throw. */
export interface IntakeObserver {
  /** A file was stored. */
  file?(bytes: number): void;
  /** A request lies on its queue. @param milliseconds that putting it there took */
  queued?(command: RequestCommand, milliseconds: number): void;
  /** A request or a file was turned away. */
  refused?(code: ErrorCode): void;
}

export interface IntakeOptions {
  queue: JobQueue;
  storage: Storage;
  /** Finds out what a file holds. @throws MumuError unsupported_media, too_large, invalid_input */
  inspect(path: string, signal?: AbortSignal): Promise<Content>;
  /** Most bytes of one file. */
  maxFileBytes: number;
  observer?: IntakeObserver;
}

/** From what a chat adapter received to a job on its queue: the part that is the same on every platform. */
export class Intake {
  constructor(private readonly options: IntakeOptions) {}

  /**
   * Stores a file that someone sent. The caller holds the key (`storage.hold`) until the request is queued.
   * @throws MumuError whose sentence names the file.
   */
  async takeFile(source: Readable, name: string, signal?: AbortSignal): Promise<FileRef> {
    const shown = cleanFileName(name);
    try {
      const stored = await this.options.storage.put(source, {
        maxBytes: this.options.maxFileBytes,
        inspect: (path) => this.options.inspect(path, signal),
        ...(signal === undefined ? {} : { signal }),
      });
      this.options.observer?.file?.(stored.bytes);
      return { ...stored, name: shown };
    } catch (thrown) {
      const error = toMumuError(thrown);
      this.options.observer?.refused?.(error.code);
      if (error.code === 'internal' || error.code === 'cancelled') throw error;
      throw new MumuError(error.code, `${shown}: ${error.message}`, { cause: error });
    }
  }

  /**
   * A file that this conversation has sent or received before.
   * @throws MumuError not_found
   */
  async knownFile(conversation: string, key: string): Promise<FileRef> {
    const owned = await this.options.queue.conversations.ownedFile(conversation, key);
    const stored = owned === undefined ? undefined : await this.options.storage.find(key);
    if (owned === undefined || stored === undefined) {
      throw new MumuError(
        'not_found',
        'That file is not (or no longer) part of this conversation: send it again.',
      );
    }
    return { ...stored, name: owned.name };
  }

  /** Whether a message here may be about an earlier track. */
  async hasTrack(conversation: string): Promise<boolean> {
    return (await this.options.queue.conversations.lastTrack(conversation)) !== undefined;
  }

  /**
   * Queues a request with the files it is about: those given, or the conversation's last track.
   * @throws MumuError invalid_input, not_found, limit_reached, unavailable, disk_full
   */
  async submit(asked: Asked, files: readonly FileRef[], asker: Asker): Promise<Request> {
    const { observer } = this.options;
    const began = performance.now();
    try {
      const request = await this.queueRequest(asked, files, asker);
      observer?.queued?.(request.command, performance.now() - began);
      return request;
    } catch (thrown) {
      const error = redisFailure(thrown);
      observer?.refused?.(error.code);
      throw error;
    }
  }

  private async queueRequest(asked: Asked, files: readonly FileRef[], asker: Asker): Promise<Request> {
    const { queue, storage } = this.options;
    const text = checkText(asked.text, commandNamed(asked.command));
    const track = files.length > 0 ? undefined : await queue.conversations.lastTrack(asker.conversation);
    const chosen = chooseFiles(asked, files, track);
    const hold = storage.hold(chosen.map((file) => file.key));
    try {
      if (track !== undefined && chosen.includes(track) && (await storage.find(track.key)) === undefined) {
        throw new MumuError('not_found', `${track.name} is no longer stored: send it again.`);
      }
      const request = requestSchema.parse({
        command: asked.command,
        id: asker.id ?? randomUUID(),
        conversation: asker.conversation,
        user: asker.user,
        ...(asker.server === undefined ? {} : { server: asker.server }),
        files: chosen,
        options: { ...asked.options, seed: asked.options.seed ?? drawSeed(asker.id) },
        text,
        ...(asked.command === 'generate' ? { action: asked.action } : {}),
      });
      await queue.submit(request, asker.typed);
      return request;
    } finally {
      hold.release();
    }
  }
}

/** An event that is taken in twice (after a crash in the middle) has to be the same request: its id draws the seed. */
function drawSeed(id: string | undefined): number {
  return id === undefined ? randomInt(2 ** 32) : createHash('sha256').update(id).digest().readUInt32BE(0);
}

/** Longest name that is shown of a file that came in, in characters. */
const SHOWN_NAME = 120;

/** The last part of a name, without what would confuse a terminal, a header or a reader. */
export function cleanFileName(name: string): string {
  const last = name.normalize('NFC').split(/[/\\]/).at(-1) ?? '';
  const clean = last.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').trim();
  if (clean === '' || clean === '.' || clean === '..') return 'file';
  return fitFileName(clean, SHOWN_NAME);
}
