/** How an answer with music begins in the packs trained here, and what stands between its caption and the scene. */
const ANSWER_START = 'Here is ';
const SCENE_MARK = ', for ';
/** Longest caption that is passed on, characters. */
const MOST = 300;

/**
 * The part of a streamed text that can be shown: cut at a stop string, and held back where a stop string may just be
 * beginning.
 */
export function visibleText(text: string, stop: readonly string[]): { text: string; stopped: boolean } {
  let end = text.length;
  let stopped = false;
  for (const mark of stop) {
    const at = text.indexOf(mark);
    if (at >= 0 && at <= end) {
      end = at;
      stopped = true;
    }
  }
  if (!stopped) {
    for (const mark of stop) {
      for (let length = mark.length - 1; length > 0; length--) {
        if (text.endsWith(mark.slice(0, length))) {
          end = Math.min(end, text.length - length);
          break;
        }
      }
    }
  }
  return { text: withoutAudioTokens(text.slice(0, end)), stopped };
}

/**
 * Audio tokens never reach a person or the text encoder, not even where a model spells them out; nor do control
 * characters, which a byte-level model can write.
 */
export function withoutAudioTokens(text: string): string {
  return text
    .replace(/\[AUD\d\]/g, '')
    .replace(/(?![\n\t])\p{Cc}/gu, '')
    .trim();
}

/**
 * What the music decoder is told, out of an answer: "Here is a slow waltz, for a snowy night." -> "a slow waltz".
 * Null where the answer carries no caption in that form; the answer itself is then the caption in packs that were
 * trained on free captions.
 */
export function captionOf(answer: string): string | null {
  const text = withoutAudioTokens(answer);
  if (!text.startsWith(ANSWER_START)) return null;
  const caption = text.slice(ANSWER_START.length).split(SCENE_MARK)[0] ?? '';
  return tidy(caption) || null;
}

/** One line, no closing stop, not too long. */
export function tidy(text: string): string {
  return withoutAudioTokens(text)
    .replace(/\s+/g, ' ')
    .replace(/[.!\s]+$/, '')
    .slice(0, MOST)
    .trim();
}
