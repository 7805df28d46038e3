import { cutText } from '#contracts/file-name';

/** Longest name without its ending: file systems take 255 bytes with it, and savers put something behind it. */
const MOST = { characters: 120, bytes: 200 };
/** What earlier remixes put behind a name, older ones once for each time. */
const REMIXES = /(?:-remix(?:-\d{1,4})?)+$/;

/**
 * What the remix of a song is called, without ending: "waltz.mp3" becomes "waltz-remix", that "waltz-remix-2", however
 * often it goes on, and never longer than a file's name may be.
 */
export function remixName(songName: string): string {
  const stem = songName.replace(/\.[^.\s]{0,8}$/, '').trim();
  const earlier = REMIXES.exec(stem)?.[0] ?? '';
  const count = Array.from(earlier.matchAll(/-remix(?:-(\d+))?/g)).reduce(
    (sum, [, number]) => sum + Math.max(1, Number(number ?? 1)),
    0,
  );
  const ending = count === 0 ? '-remix' : `-remix-${count + 1}`;
  const song = cutText(stem.slice(0, stem.length - earlier.length), {
    characters: MOST.characters - ending.length,
    bytes: MOST.bytes - ending.length,
  });
  return `${song.trimEnd() || 'song'}${ending}`;
}
