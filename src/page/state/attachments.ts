import type { FileRef, MediaKind } from '#contracts/request';
import { guessKind, size } from '#src/page/format';
import { fileUrl, type Help } from './api.ts';

/** A file in the composer or beside a request, to be shown and sent. */
export interface Attachment {
  /** For the page only. */
  id: string;
  name: string;
  kind: MediaKind | undefined;
  bytes: number;
  seconds?: number | undefined;
  /** Where it can be seen or heard. */
  url: string;
  /** Bytes still to be sent, or the key of a file that the conversation has. */
  source: { file: File } | { key: string };
}

let count = 0;

export function attachFile(file: File): Attachment {
  count += 1;
  return {
    id: `file-${count}`,
    name: file.name === '' ? 'pasted' : file.name,
    kind: guessKind(file.name, file.type),
    bytes: file.size,
    url: URL.createObjectURL(file),
    source: { file },
  };
}

/** A file that is in storage already. */
export function attachKnown(
  conversation: string,
  file: Pick<FileRef, 'key' | 'name' | 'kind' | 'bytes' | 'seconds'>,
): Attachment {
  count += 1;
  return {
    id: `file-${count}`,
    name: file.name,
    kind: file.kind,
    bytes: file.bytes,
    seconds: file.seconds,
    url: fileUrl(conversation, file.key),
    source: { key: file.key },
  };
}

/** Gives back what a local preview holds. */
export function release(attachment: Attachment): void {
  if ('file' in attachment.source) URL.revokeObjectURL(attachment.url);
}

/**
 * What can be added to the files there are, and a sentence for everything that cannot. The server looks again;
 * this spares the user an upload in vain.
 */
export function checkFiles(
  files: readonly File[],
  attached: number,
  limits: Help['limits'] | undefined,
): { taken: File[]; problems: string[] } {
  const taken: File[] = [];
  const problems: string[] = [];
  for (const file of files) {
    if (file.size === 0) {
      problems.push(`${file.name} is empty.`);
    } else if (limits !== undefined && file.size > limits.fileBytes) {
      problems.push(`${file.name} has ${size(file.size)}: at most ${size(limits.fileBytes)} are taken.`);
    } else if (limits !== undefined && attached + taken.length >= limits.files) {
      problems.push(`At most ${limits.files} files go into one message.`);
      break;
    } else {
      taken.push(file);
    }
  }
  return { taken, problems };
}
