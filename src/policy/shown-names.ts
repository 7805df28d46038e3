import type { RequestCommand } from '#contracts/request';

/** What new music is called where its caption may not be shown as it is. */
const NEUTRAL = 'music';

/**
 * The files of a result under names that may be shown. New music is named by its caption, so where the operator's
 * policy changed that, the name goes with it. A remix has the name of its song.
 * @param caption as it was made
 * @param shown as the policy lets it be shown
 */
export function shownNames<File extends { name: string }>(
  files: readonly File[],
  command: RequestCommand,
  caption: string | undefined,
  shown: string | undefined,
): File[] {
  if (command !== 'generate' || caption === shown) return [...files];
  return files.map((file) => ({
    ...file,
    name: `${NEUTRAL}${/\.[a-z0-9]{1,8}$/i.exec(file.name)?.[0] ?? ''}`,
  }));
}
