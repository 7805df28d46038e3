/** A picture in memory: rows of interleaved 8-bit RGB. */
export type RgbPicture = { data: Uint8Array; width: number; height: number };

/** Fixed-point weights, as Pillow keeps them for 8-bit pictures. */
const PRECISION = 2 ** 22;

type Taps = { from: number; weights: Float64Array }[];

/**
 * Resizes to exactly `width` x `height` with Pillow's antialiased bilinear filter (a triangle as wide as the
 * reduction; horizontal pass first, rounded to 8 bits between the passes). Training prepares its pictures with
 * Pillow, and libvips' reducing kernels differ by up to 12 levels on detail, so this is our own; the tests hold
 * it against numbers from Pillow.
 */
export function resizeBilinear(picture: RgbPicture, width: number, height: number): RgbPicture {
  const across = passHorizontal(picture, width);
  const data = passVertical(across, height);
  return { data, width, height };
}

function taps(from: number, to: number): Taps {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach + 0.5));
    const weights = Float64Array.from({ length: end - first }, (_, k) =>
      Math.max(0, 1 - Math.abs((k + first - centre + 0.5) / reach)),
    );
    const sum = weights.reduce((a, b) => a + b, 0);
    return { from: first, weights: weights.map((w) => Math.round((w / sum) * PRECISION)) };
  });
}

function passHorizontal({ data, width, height }: RgbPicture, to: number): RgbPicture {
  if (width === to) return { data, width, height };
  const columns = taps(width, to);
  const out = new Uint8Array(to * height * 3);
  for (let y = 0; y < height; y++) {
    for (const [x, { from, weights }] of columns.entries()) {
      mix(data, (y * width + from) * 3, 3, weights, out, (y * to + x) * 3);
    }
  }
  return { data: out, width: to, height };
}

function passVertical({ data, width, height }: RgbPicture, to: number): Uint8Array {
  if (height === to) return data;
  const rows = taps(height, to);
  const out = new Uint8Array(width * to * 3);
  for (const [y, { from, weights }] of rows.entries()) {
    for (let x = 0; x < width; x++) {
      mix(data, (from * width + x) * 3, width * 3, weights, out, (y * width + x) * 3);
    }
  }
  return out;
}

/** One RGB pixel as a weighted sum of pixels `stride` bytes apart. */
function mix(
  data: Uint8Array,
  start: number,
  stride: number,
  weights: Float64Array,
  out: Uint8Array,
  at: number,
): void {
  let red = PRECISION / 2;
  let green = PRECISION / 2;
  let blue = PRECISION / 2;
  let i = start;
  for (const weight of weights) {
    red += weight * (data[i] ?? 0);
    green += weight * (data[i + 1] ?? 0);
    blue += weight * (data[i + 2] ?? 0);
    i += stride;
  }
  out[at] = Math.min(255, Math.floor(red / PRECISION));
  out[at + 1] = Math.min(255, Math.floor(green / PRECISION));
  out[at + 2] = Math.min(255, Math.floor(blue / PRECISION));
}
