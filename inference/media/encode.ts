import { MumuError } from '#contracts/errors';
import { interleave, type Sound } from '#inference/media/audio';
import { transcode } from '#inference/media/ffmpeg';
import { MEDIA_LIMITS } from '#inference/media/limits';
import { probe } from '#inference/media/probe';

/** Formats new sound is written in; `mp4` needs a clip and is written by muxClip. */
export type AudioFormat = 'wav' | 'mp3' | 'ogg' | 'flac';

const ENCODERS: Readonly<Record<AudioFormat, { mime: string; muxer: string; options: string[] }>> = {
  wav: { mime: 'audio/wav', muxer: 'wav', options: ['-c:a', 'pcm_s16le'] },
  mp3: { mime: 'audio/mpeg', muxer: 'mp3', options: ['-c:a', 'libmp3lame', '-q:a', '2'] },
  // Opus knows only its own rates: 48 kHz holds every other.
  ogg: { mime: 'audio/ogg', muxer: 'ogg', options: ['-c:a', 'libopus', '-b:a', '128k', '-ar', '48000'] },
  flac: { mime: 'audio/flac', muxer: 'flac', options: ['-c:a', 'flac', '-sample_fmt', 's16'] },
};
/** No encoder names, dates or copied tags in the file: the same sound gives the same bytes. */
const REPRODUCIBLE = ['-map_metadata', '-1', '-fflags', '+bitexact', '-flags:a', '+bitexact'];

export function mimeOf(format: AudioFormat | 'mp4'): string {
  return format === 'mp4' ? 'video/mp4' : ENCODERS[format].mime;
}

/**
 * Writes sound to a file.
 * @throws MumuError disk_full, missing_dependency, cancelled, internal
 */
export async function encodeAudio(
  sound: Sound,
  format: AudioFormat,
  outPath: string,
  signal?: AbortSignal,
): Promise<void> {
  const { muxer, options } = ENCODERS[format];
  await transcode({
    inputs: [{ pcm: interleave(sound), sampleRate: sound.sampleRate, channels: sound.samples.length }],
    outputOptions: [...options, ...REPRODUCIBLE],
    output: outPath,
    format: muxer,
    signal,
  });
}

/**
 * Writes the clip with `sound` as its sound, mp4. The picture is copied where mp4 can hold it, else encoded anew;
 * the file ends with the clip's picture (the sound is cut, or ends earlier).
 * @throws MumuError unsupported_media when the file has no picture; else as encodeAudio
 */
export async function muxClip(
  clip: string,
  sound: Sound,
  outPath: string,
  signal?: AbortSignal,
): Promise<void> {
  const info = await probe(clip, signal);
  if (info.kind !== 'video' || info.demuxer === null) {
    throw new MumuError('unsupported_media', 'Only a clip with a picture can be given new sound as mp4.');
  }
  const inputs = [
    { path: clip, demuxer: info.demuxer },
    { pcm: interleave(sound), sampleRate: sound.sampleRate, channels: sound.samples.length },
  ];
  const length = String(Math.min(info.seconds ?? MEDIA_LIMITS.clipSeconds, MEDIA_LIMITS.clipSeconds));
  const map = ['-map', '0:v:0', '-map', '1:a:0', '-t', length, '-c:a', 'aac', '-b:a', '160k', '-ar', '48000'];
  const rest = [...REPRODUCIBLE, '-movflags', '+faststart'];
  const copy = info.demuxer === 'mov' && info.videoCodec !== undefined && COPYABLE.has(info.videoCodec);
  const even = 'scale=trunc(iw/2)*2:trunc(ih/2)*2';
  const encode = ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', '20', '-pix_fmt', 'yuv420p', '-vf', even];
  const video = copy ? ['-c:v', 'copy'] : encode;
  await transcode({
    inputs,
    outputOptions: [...map, ...video, ...rest],
    output: outPath,
    format: 'mp4',
    signal,
  });
}

/** Codecs that players expect inside mp4. */
const COPYABLE: ReadonlySet<string> = new Set(['h264', 'hevc', 'av1', 'mpeg4']);
