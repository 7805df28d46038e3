import type { RgbPicture } from '#inference/media/resize';

/** Rows of RGB bytes to planes: [1, 3, height, width], (value / 255 - mean) / deviation per colour. */
export function toPlanes(
  picture: RgbPicture,
  mean: readonly number[],
  deviation: readonly number[],
  out: Float32Array = new Float32Array(picture.width * picture.height * 3),
): Float32Array {
  const count = picture.width * picture.height;
  for (let colour = 0; colour < 3; colour++) {
    const centre = mean[colour] ?? 0.5;
    const scale = deviation[colour] ?? 0.5;
    for (let i = 0; i < count; i++) {
      out[colour * count + i] = ((picture.data[i * 3 + colour] ?? 0) / 255 - centre) / scale;
    }
  }
  return out;
}

/** Frames one after another: [1, frames, 3, height, width]. */
export function framesToPlanes(
  frames: readonly RgbPicture[],
  mean: readonly number[],
  deviation: readonly number[],
): Float32Array {
  const each = (frames[0]?.width ?? 0) * (frames[0]?.height ?? 0) * 3;
  const out = new Float32Array(each * frames.length);
  for (const [i, frame] of frames.entries()) {
    toPlanes(frame, mean, deviation, out.subarray(i * each, (i + 1) * each));
  }
  return out;
}
