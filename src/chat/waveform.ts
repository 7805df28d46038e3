import sharp from 'sharp';

/** Of the picture, pixels. */
const WIDTH = 1200;
const HEIGHT = 240;
/** Grey of the page's strong lines: seen on Discord's and Slack's white as well as on their black. */
const COLOUR = '#7a837d';
const BARS = 200;
/** Silence is a dot, not nothing. */
const LEAST = 4;

/**
 * Draws a sound as bars on a transparent ground.
 * @param peaks evenly spaced in time, 0 to 1.
 * @returns a PNG of 1200 x 240 pixels.
 */
export async function waveformPicture(peaks: readonly number[]): Promise<Buffer> {
  const heights = toBars(peaks, Math.min(BARS, Math.max(1, peaks.length)));
  const step = WIDTH / heights.length;
  const width = Math.max(1, step * 0.62);
  const bars = heights.map((peak, place) => {
    const height = Math.max(LEAST, peak * (HEIGHT - 16));
    const x = place * step + (step - width) / 2;
    return `<rect x="${x.toFixed(2)}" y="${((HEIGHT - height) / 2).toFixed(2)}" width="${width.toFixed(2)}" height="${height.toFixed(2)}" rx="${Math.min(width / 2, 4).toFixed(2)}"/>`;
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" fill="${COLOUR}">${bars.join('')}</svg>`;
  return await sharp(Buffer.from(svg)).png({ compressionLevel: 9, palette: true }).toBuffer();
}

/**
 * The waveform of a voice message: at most 256 values from 0 to 255, base64 (Discord's own format).
 * @param peaks evenly spaced in time, 0 to 1.
 */
export function voiceWaveform(peaks: readonly number[]): string {
  const bars = toBars(peaks, Math.min(256, Math.max(1, peaks.length)));
  return Buffer.from(bars.map((peak) => Math.round(peak * 255))).toString('base64');
}

/** The highest peak of each of `count` equal stretches. */
function toBars(peaks: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, place) => {
    const from = Math.floor((place * peaks.length) / count);
    const to = Math.max(from + 1, Math.floor(((place + 1) * peaks.length) / count));
    const highest = peaks.slice(from, to).reduce((most, peak) => Math.max(most, peak), 0);
    return Math.min(1, highest);
  });
}
