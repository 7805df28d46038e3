import { setTimeout as delay } from 'node:timers/promises';
import { MumuError, toMumuError } from '#contracts/errors';
import type { FileRef } from '#contracts/request';
import { Gate } from '#src/chat/delivery/gate';
import type { Delivery, Messenger, RemoteFile, Secrets } from '#src/chat/delivery/types';
import type { Intake } from '#src/chat/intake';
import type { Storage } from '#src/storage/storage';

/** Files of one request. */
const MOST_FILES = 10;
/** Files of all requests that this process fetches at once: each is a connection, a write and a probe. */
const AT_ONCE = 12;
/** Pauses before further tries at a file the platform does not hand out, milliseconds. */
const PAUSES = [1000, 4000] as const;

export interface FetchContext {
  messenger: Messenger;
  intake: Intake;
  storage: Storage;
}

/** Files of a request, kept from being cleaned away until they are let go. */
export interface FetchedFiles {
  files: FileRef[];
  release(): void;
}

const gate = new Gate(AT_ONCE);

/**
 * Fetches what came with a request from its platform into the store, all at once.
 * @throws MumuError invalid_input (too many), not_found (their addresses are gone), cancelled, and what reading,
 *   storing and looking into them throws
 */
export async function fetchFiles(
  delivery: Delivery,
  secrets: Secrets | undefined,
  context: FetchContext,
  signal: AbortSignal,
): Promise<FetchedFiles> {
  if (delivery.fileCount === 0) return { files: [], release: () => undefined };
  if (delivery.fileCount > MOST_FILES) {
    throw new MumuError('invalid_input', `At most ${MOST_FILES} files are taken at once.`);
  }
  if (secrets === undefined || secrets.files.length < delivery.fileCount) {
    throw new MumuError(
      'not_found',
      'The files can no longer be fetched from the platform: send them again.',
    );
  }
  const holds: Array<{ release(): void }> = [];
  // One that cannot be had ends the others.
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const outcomes = await Promise.allSettled(
    secrets.files.map(async (file) => {
      try {
        const taken = await gate.pass(() => fetchFile(file, delivery, context, either));
        holds.push(context.storage.hold([taken.key]));
        return taken;
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  const release = () => {
    for (const hold of holds.splice(0)) hold.release();
  };
  if (failed.signal.aborted) {
    release();
    throw failed.signal.reason;
  }
  return { files: outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])), release };
}

async function fetchFile(
  file: RemoteFile,
  delivery: Delivery,
  context: FetchContext,
  signal: AbortSignal,
): Promise<FileRef> {
  for (let attempt = 0; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      const source = await context.messenger.openFile(file, delivery, signal);
      return await context.intake.takeFile(source, file.name, signal);
    } catch (error) {
      const pause = PAUSES[attempt];
      if (signal.aborted || pause === undefined || toMumuError(error).code !== 'unavailable') throw error;
      await delay(pause, undefined, { signal });
    }
  }
}
