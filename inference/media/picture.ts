import sharp from 'sharp';
import { MumuError } from '#contracts/errors';
import { decodeRaw } from '#inference/media/ffmpeg';
import { MEDIA_LIMITS } from '#inference/media/limits';
import { type MediaInfo, probe } from '#inference/media/probe';
import { type RgbPicture, resizeBilinear } from '#inference/media/resize';

/** Larger pictures are first reduced to this side by libvips, which is far faster and safe from aliasing. */
const REDUCED_SIDE = 1536;

/**
 * Decodes a picture to RGB of exactly `size` x `size`: turned as its EXIF data says, transparency on white, the
 * first frame of an animation, stretched to the square as training does.
 * @throws MumuError unsupported_media, too_large, not_found, invalid_input, missing_dependency, cancelled
 */
export async function decodeImage(
  path: string,
  size: number,
  options: { info?: MediaInfo; signal?: AbortSignal } = {},
): Promise<RgbPicture> {
  const info = options.info ?? (await probe(path, options.signal));
  if (info.kind !== 'image') throw new MumuError('unsupported_media', 'The file is not a picture.');
  const source = info.demuxer === null ? path : await viaFfmpeg(path, info.demuxer, options.signal);
  try {
    const { data, info: raw } = await sharp(source, {
      limitInputPixels: MEDIA_LIMITS.pixels,
      failOn: 'error',
    })
      .timeout({ seconds: 60 })
      .autoOrient()
      .resize({ width: REDUCED_SIDE, height: REDUCED_SIDE, fit: 'inside', withoutEnlargement: true })
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const rgb = {
      data: raw.channels === 3 ? data : widen(data, raw.channels),
      width: raw.width,
      height: raw.height,
    };
    return resizeBilinear(rgb, size, size);
  } catch (cause) {
    throw new MumuError('unsupported_media', 'The picture cannot be decoded; the file may be damaged.', {
      cause,
    });
  }
}

/** Grey to RGB; channels past the third are dropped. */
function widen(data: Uint8Array, channels: number): Uint8Array {
  const pixels = data.length / channels;
  const out = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) out[i * 3 + c] = data[i * channels + (channels >= 3 ? c : 0)] ?? 0;
  }
  return out;
}

/** Pictures sharp has no reader for, as PNG. */
async function viaFfmpeg(path: string, demuxer: string, signal?: AbortSignal): Promise<Buffer> {
  const raw = await decodeRaw({ path, demuxer }, ['-frames:v', '1', '-c:v', 'png', '-f', 'image2pipe'], {
    maxBytes: MEDIA_LIMITS.pixels * 5,
    signal,
  });
  if (raw.bytes === 0) {
    throw new MumuError('unsupported_media', 'The picture cannot be decoded; the file may be damaged.');
  }
  return Buffer.concat(raw.chunks);
}
