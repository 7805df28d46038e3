/**
 * What a stranger's file may cost. Checked before anything is decoded; every number is the one place where it
 * is decided.
 */
export const MEDIA_LIMITS = {
  /** Largest file that is taken in where the operator says nothing else (MUMU_MAX_UPLOAD_MB), bytes. */
  bytes: 200 * 1024 * 1024,
  /** Sound past this many seconds is not decoded; the user is told. */
  audioSeconds: 600,
  /** A clip is looked at for this many seconds; the user is told. */
  clipSeconds: 120,
  /** Largest picture, and largest frame of a clip, in pixels. */
  pixels: 50_000_000,
  /** Shortest sound that can be listened to, seconds. */
  minAudioSeconds: 0.05,
} as const;

/** What one ffmpeg or ffprobe process may take. */
export const PROCESS_LIMITS = {
  threads: 2,
  /** Address space, bytes (prlimit --as); Linux only. */
  addressSpace: 3 * 1024 ** 3,
  /** Largest single allocation ffmpeg may ask for, bytes (-max_alloc). */
  allocation: 512 * 1024 ** 2,
  probeMs: 20_000,
  decodeMs: 180_000,
  encodeMs: 180_000,
} as const;

/** "10 minutes", "90 seconds": a duration as a person would say it. */
export function sayDuration(seconds: number): string {
  if (seconds >= 5400) return `${Math.round((seconds / 3600) * 10) / 10} hours`;
  if (seconds >= 120) return `${Math.round(seconds / 60)} minutes`;
  return seconds === 1 ? '1 second' : `${Math.round(seconds * 10) / 10} seconds`;
}
