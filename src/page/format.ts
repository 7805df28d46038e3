import type { MediaKind } from '#contracts/request';

/** `1:05` from 65.2 seconds. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds + 0.05));
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${String(whole % 60).padStart(2, '0')}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${String(whole % 60).padStart(2, '0')}`;
}

/** `3.4 MB` from bytes. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
  const mega = bytes / 1e6;
  return mega < 1000 ? `${mega.toFixed(mega < 10 ? 1 : 0)} MB` : `${(mega / 1000).toFixed(1)} GB`;
}

/** `0.42 s`, `3.4 s`, `1:05` from milliseconds. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 1) return `${seconds.toFixed(2)} s`;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${clock(seconds)} min`;
}

/** `2nd`, `11th`. */
export function ordinal(position: number): string {
  const suffixes: Partial<Record<Intl.LDMLPluralRule, string>> = { one: 'st', two: 'nd', few: 'rd' };
  return `${position}${suffixes[new Intl.PluralRules('en', { type: 'ordinal' }).select(position)] ?? 'th'}`;
}

const ENDINGS: Record<MediaKind, RegExp> = {
  audio: /\.(?:wav|mp3|ogg|oga|opus|flac|m4a|aac|wma|aiff?)$/i,
  image: /\.(?:png|jpe?g|webp|gif|bmp|tiff?|heic|avif)$/i,
  video: /\.(?:mp4|m4v|webm|mov|mkv|avi|mpe?g)$/i,
};

/** What a file most likely is, before the server has looked into it; undefined if nothing tells. */
export function guessKind(name: string, mime: string): MediaKind | undefined {
  const [top] = mime.split('/');
  if (top === 'audio' || top === 'image' || top === 'video') return top;
  return (Object.keys(ENDINGS) as MediaKind[]).find((kind) => ENDINGS[kind].test(name));
}
