/** What a clause speaks of, by its words alone: what no step of it answers would be lost. */
import type { ExactStep } from '#inference/remix/plan';
import { INSTRUMENTS } from '#inference/remix/rules-model';

type Topic = { name: string; words: RegExp; answeredBy: readonly ExactStep['kind'][] };

const TEMPO = ['tempo', 'tempo-to', 'tempo-by', 'stretch-to', 'varispeed'] as const;
const VOCALS = /\b(?:vocals?|voices?|singers?|singing)\b/;
const DRUMS = /\b(?:drums?|percussion|beats?)\b/;

const TOPICS: readonly Topic[] = [
  {
    name: 'tempo',
    words:
      /\b(?:slower|slowed|slowing|faster|quicker|speed|sped|tempo|bpm|pace)\b|\b(?:slow|fast)\b|\bhalf[ -]time\b/,
    answeredBy: TEMPO,
  },
  {
    name: 'factor of tempo',
    words: /\b(?:twice|half|double) (?:as (?:fast|slow)|(?:the )?(?:speed|tempo))\b/,
    answeredBy: ['tempo', 'varispeed'],
  },
  {
    name: 'pitch',
    words:
      /\b(?:pitch(?:ed)?|semi-?tones?|octaves?|transposed?|cents)\b|\b(?:whole|half|full)[ -](?:a )?(?:tone|step)s?\b|\btones? (?:up|down)\b/,
    answeredBy: ['pitch', 'varispeed'],
  },
  {
    name: 'reverb',
    words: /\b(?:reverb\w*|echo(?:es|ey)?)\b|\bin an? (?:\w+ )?(?:cathedral|church|hall)\b/,
    answeredBy: ['reverb'],
  },
  { name: 'fade', words: /\bfad(?:e|es|ed|ing)(?![a-z])/, answeredBy: ['fade'] },
  { name: 'reverse', words: /\b(?:revers(?:e|ed|ing)|backwards?)\b/, answeredBy: ['reverse'] },
  { name: 'loop', words: /\b(?:loop(?:ed|ing)?|repeat(?:ed|ing)?)\b/, answeredBy: ['loop', 'loop-to'] },
  {
    name: 'bass',
    words: /\bbass(?:ier|y)?\b(?! (?:guitar|line|player|drum|clarinet))/,
    answeredBy: ['bass'],
  },
  { name: 'treble', words: /\btreble\b/, answeredBy: ['treble'] },
  {
    name: 'loudness',
    words: /\bvolume\b/,
    answeredBy: ['gain', 'loudness', 'fade', 'fewer-vocals'],
  },
  { name: 'louder', words: /\bloud(?:er)?\b/, answeredBy: ['gain'] },
  { name: 'quieter', words: /\bquiet(?:er)?\b/, answeredBy: ['gain', 'fade', 'fewer-vocals'] },
  {
    name: 'something more',
    words: /\badd\b/,
    answeredBy: ['reverb', 'bass', 'treble', 'gain', 'fade', ...TEMPO, 'pitch', 'loop', 'reverse'],
  },
  { name: 'normalised loudness', words: /\b(?:lufs|normali[sz]\w*)\b/, answeredBy: ['loudness'] },
  { name: 'length', words: /\b(?:trim|crop|shorten)\b/, answeredBy: ['trim', 'cut'] },
  { name: 'vocals', words: VOCALS, answeredBy: ['fewer-vocals'] },
  { name: 'drums', words: DRUMS, answeredBy: ['part'] },
  { name: 'karaoke', words: /\bkaraoke\b/, answeredBy: ['fewer-vocals'] },
  {
    name: 'speed and pitch',
    words: /\b(?:night ?core|slowed_and_reverb|speed_and_pitch|chipmunk)\b/,
    answeredBy: ['varispeed'],
  },
  { name: 'instrument', words: INSTRUMENTS, answeredBy: [] },
];

/** Words that say something else where they stand so. */
const ELSEWHERE: readonly RegExp[] = [
  // How, not how fast.
  /\b(?:slow|fast|quick) (?=fad|attack|decay|release)/g,
  // Of the bass, not of the whole.
  /(?<=\b(?:bass|treble) (?:a (?:bit|little|lot) |much )?)(?:louder|quieter|volume)\b|\b(?:louder|quieter) (?=bass\b|treble\b)|\bvolume of (?=the (?:bass|treble)\b)/g,
  // What nightcore is.
  /\b(?:sped|speed)[ -]up (?=night ?core)|(?<!\bas )\bfast(?:er)? (?=night ?core)/g,
  /\bbeats? (?:a|per) minute\b|\btape recorder\b|\b(?:church|cathedral) organ\b/g,
];

const plain = (text: string): string => ELSEWHERE.reduce((rest, words) => rest.replace(words, ''), text);

export function topicsOf(text: string): string[] {
  const said = plain(text);
  return TOPICS.filter(({ words }) => words.test(said)).map(({ name }) => name);
}

/** Topics of a clause that none of its steps is about. */
export function unsaidTopics(text: string, kinds: readonly ExactStep['kind'][]): string[] {
  const said = plain(text);
  // Speed and pitch are nightcore's own: another tempo beside it is one more wish.
  const isFixed = /\bnight ?core\b/.test(said);
  return TOPICS.filter(
    ({ name, words, answeredBy }) =>
      name !== 'instrument' &&
      words.test(said) &&
      !answeredBy.some(
        (kind) => kinds.includes(kind) && !(isFixed && kind === 'varispeed' && name !== 'speed and pitch'),
      ),
  ).map(({ name }) => name);
}

/** An instrument or voice in a clause whose steps change everything, or another one. */
export function instrumentIn(text: string, steps: readonly ExactStep[]): string | undefined {
  const kinds = steps.map((step) => step.kind);
  let rest = plain(text).replace(/\bbass\b|\bbass_and_treble\b/g, ' ');
  if (kinds.includes('fewer-vocals')) rest = rest.replace(new RegExp(VOCALS, 'g'), ' ');
  if (kinds.includes('part')) rest = rest.replace(/\b(?:drums?|percussion|beats?|harmony|melody)\b/g, ' ');
  return INSTRUMENTS.exec(rest)?.[0];
}
