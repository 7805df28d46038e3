import { MumuError } from '#contracts/errors';
import { decodeRaw } from '#inference/media/ffmpeg';
import { MEDIA_LIMITS } from '#inference/media/limits';
import { type MediaInfo, probe } from '#inference/media/probe';
import { type RgbPicture, resizeBilinear } from '#inference/media/resize';

/** Frames leave ffmpeg with at most this side; the exact resize to the model's size is ours. */
const REDUCED_SIDE = 512;

/**
 * `count` frames of a clip, evenly spaced in time (the frame at the middle of each of `count` equal stretches), so
 * that the same clip always gives the same frames; stretched to `size` x `size`. A clip with fewer frames repeats
 * its nearest ones.
 * @throws MumuError unsupported_media, too_large, not_found, missing_dependency, cancelled
 */
export async function decodeVideoFrames(
  path: string,
  count: number,
  size: number,
  options: { info?: MediaInfo; signal?: AbortSignal } = {},
): Promise<{ frames: RgbPicture[]; notes: string[] }> {
  const info = options.info ?? (await probe(path, options.signal));
  if (info.kind !== 'video' || info.demuxer === null || !info.width || !info.height) {
    throw new MumuError('unsupported_media', 'The file has no moving picture.');
  }
  // From the first frame on, which may come later than the sound.
  const length = (info.seconds ?? MEDIA_LIMITS.clipSeconds) - (info.pictureStart ?? 0);
  const seconds = Math.min(length, MEDIA_LIMITS.clipSeconds);
  const reduce = Math.min(1, REDUCED_SIDE / Math.max(info.width, info.height));
  const width = Math.max(1, Math.round(info.width * reduce));
  const height = Math.max(1, Math.round(info.height * reduce));
  const step = (seconds / count).toFixed(6);
  // The first frame at or after the middle of each stretch; selected_n counts those taken so far.
  const select = `select='gte(t,(selected_n+0.5)*${step})'`;
  const frameBytes = width * height * 3;
  const raw = await decodeRaw(
    { path, demuxer: info.demuxer },
    [
      ...['-map', '0:v:0', '-an', '-sn', '-dn', '-t', String(seconds), '-frames:v', String(count)],
      ...['-vf', `setpts=PTS-STARTPTS,${select},scale=${width}:${height}:flags=area`],
      ...['-vsync', 'passthrough', '-pix_fmt', 'rgb24', '-c:v', 'rawvideo', '-f', 'rawvideo'],
    ],
    { maxBytes: frameBytes * (count + 1), signal: options.signal },
  );
  const found = Math.floor(raw.bytes / frameBytes);
  const notes: string[] = [];
  let all = Buffer.concat(raw.chunks);
  let frames = found;
  if (frames === 0) {
    // Slower than one frame a stretch, or a single frame: the first one stands for the whole clip.
    const first = await decodeRaw(
      { path, demuxer: info.demuxer },
      [
        ...['-map', '0:v:0', '-an', '-frames:v', '1', '-vf', `scale=${width}:${height}:flags=area`],
        ...['-pix_fmt', 'rgb24', '-c:v', 'rawvideo', '-f', 'rawvideo'],
      ],
      { maxBytes: frameBytes * 2, signal: options.signal },
    );
    all = Buffer.concat(first.chunks);
    frames = Math.floor(all.length / frameBytes);
  }
  if (frames === 0) {
    throw new MumuError(
      'unsupported_media',
      'The clip cannot be decoded; the file may be damaged or cut short.',
    );
  }
  if (raw.failed) notes.push('The clip is damaged or cut short; what could be read was used.');
  const pictures = Array.from({ length: count }, (_, i) => {
    const at = Math.min(frames - 1, Math.floor(((i + 0.5) * frames) / count)) * frameBytes;
    return resizeBilinear({ data: all.subarray(at, at + frameBytes), width, height }, size, size);
  });
  return { frames: pictures, notes };
}
