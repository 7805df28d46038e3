import type { DoneResult } from '#contracts/result';
import { wordsFor } from '#src/chat/delivery/locales';
import type { StatusView } from '#src/chat/delivery/types';

export { LOCALES, type Locale, localeOf, type Words, wordsFor } from '#src/chat/delivery/locales';

const BAR_LENGTH = 12;

/** `▰▰▰▱▱▱▱▱▱▱▱▱ 25 %` from 0.25: readable in any font and on any ground. */
export function progressBar(fraction: number): string {
  const part = Math.min(1, Math.max(0, fraction));
  const full = Math.floor(part * BAR_LENGTH);
  return `${'▰'.repeat(full)}${'▱'.repeat(BAR_LENGTH - full)} ${Math.floor(part * 100)} %`;
}

/**
 * Where a request stands, in one line of plain text (a running one that was taken up again: two). The answer so far,
 * notes and what a result holds are the adapter's to lay out.
 * @param locale BCP 47 tag; absent: English.
 */
export function statusLine(view: StatusView, locale?: string): string {
  const words = wordsFor(locale);
  switch (view.state) {
    case 'fetching':
      return words.fetching;
    case 'moment':
      return words.moment;
    case 'queued':
      return above(view.again, words.again, words.queued(view.position));
    case 'active': {
      const stage = view.stage === undefined ? words.starting : words.stages[view.stage];
      const line = view.fraction === undefined ? stage : `${stage} ${progressBar(view.fraction)}`;
      return above(view.again, words.again, line);
    }
    case 'done':
      return summaryLine(view.result, locale);
    case 'failed':
      return view.error.code === 'cancelled' ? words.cancelled : `${words.failed} ${view.error.message}`;
    case 'told':
      return view.text;
  }
}

function above(again: boolean | undefined, notice: string, line: string): string {
  return again === true ? `${notice}\n${line}` : line;
}

/** What the same track could be made with again: `seed 42 · pack mini · 3.4 s · job 1234`. */
export function summaryLine(result: DoneResult, locale?: string): string {
  const words = wordsFor(locale);
  const parts = [
    `${words.seed} ${result.seed}`,
    `${words.pack} ${result.pack}`,
    duration(result.timings.total),
    `${words.job} ${result.id}`,
  ];
  return parts.join(' · ');
}

/** `0.42 s`, `3.4 s`, `1:05 min` from milliseconds. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 1) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')} min`;
}
