import { MAX_MUSIC_SECONDS, type Request } from '#contracts/request';

/** Seconds of music made where nobody says how many. */
const DEFAULT_SECONDS = 10;
/** The most that a remix makes anew where nobody says how much, seconds. */
const REMIX_SECONDS = 20;

/**
 * How much new music a request asks for, seconds: as the engine would choose where the request leaves it open.
 * @param isExactRemix whether an instruction is carried out on the song itself; absent: none is known to be
 */
export function musicSecondsOf(request: Request, isExactRemix?: (instruction: string) => boolean): number {
  const { seconds } = request.options;
  const longest = (kind: 'audio' | 'video') =>
    request.files.find((file) => file.kind === kind)?.seconds ?? undefined;
  switch (request.command) {
    case 'ask':
    case 'describe':
      return 0;
    case 'generate': {
      const clip = request.action === 'extend' ? undefined : longest('video');
      return seconds ?? Math.min(MAX_MUSIC_SECONDS, Math.max(1, clip ?? DEFAULT_SECONDS));
    }
    case 'remix': {
      if (isExactRemix?.(request.text) === true) return 0;
      const song = longest('audio') ?? longest('video') ?? REMIX_SECONDS;
      return seconds ?? Math.max(1, Math.min(REMIX_SECONDS, song));
    }
  }
}
