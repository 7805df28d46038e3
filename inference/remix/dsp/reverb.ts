/**
 * Artificial reverberation: convolution with an impulse response of exponentially decaying noise, different in
 * each channel, whose high frequencies die faster, as in a real room (J. A. Moorer, "About this reverberation
 * business", Computer Music Journal 1979).
 */
import FFT from 'fft.js';
import { breathe } from '#inference/remix/dsp/stft';

/** Silence before the first reflection, seconds. */
const PREDELAY = 0.012;

/** Mulberry32: the room must be the same every time. */
function noise(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) / 4294967296) * 2 - 1;
  };
}

/**
 * Impulse response of one channel with unit energy.
 * @param seconds time in which it decays by 60 dB
 */
export function impulseResponse(seconds: number, sampleRate: number, channel: number): Float32Array {
  const start = Math.round(PREDELAY * sampleRate);
  const response = new Float32Array(start + Math.round(seconds * sampleRate));
  const random = noise(0x5eed + channel);
  let low = 0;
  let energy = 0;
  for (let i = start; i < response.length; i++) {
    const t = (i - start) / (seconds * sampleRate);
    const white = random();
    // A one-pole low-pass that closes from 12 kHz to 1.5 kHz while the sound decays.
    const cutoff = 12_000 * 0.125 ** t;
    const pole = Math.exp((-2 * Math.PI * cutoff) / sampleRate);
    low = low * pole + white * (1 - pole);
    const value = low * 10 ** (-3 * t);
    response[i] = value;
    energy += value * value;
  }
  const scale = 1 / Math.sqrt(energy);
  for (let i = start; i < response.length; i++) response[i] = (response[i] as number) * scale;
  return response;
}

/** Linear convolution by overlap-add. The result is input + response - 1 samples long. */
export async function convolve(
  input: Float32Array,
  response: Float32Array,
  onProgress: (fraction: number) => void = () => {},
  signal?: AbortSignal,
): Promise<Float32Array> {
  const size = 2 ** Math.ceil(Math.log2(Math.max(8192, response.length * 2)));
  const step = size - response.length + 1;
  const fft = new FFT(size);
  const kernel = new Float64Array(2 * size);
  const padded = new Float64Array(size);
  padded.set(response);
  fft.realTransform(kernel, padded);
  fft.completeSpectrum(kernel);
  const output = new Float32Array(input.length + response.length - 1);
  const spectrum = new Float64Array(2 * size);
  const back = new Float64Array(2 * size);
  for (let from = 0; from < input.length; from += step) {
    padded.fill(0);
    padded.set(input.subarray(from, Math.min(input.length, from + step)));
    fft.realTransform(spectrum, padded);
    fft.completeSpectrum(spectrum);
    for (let i = 0; i < 2 * size; i += 2) {
      const a = spectrum[i] as number;
      const b = spectrum[i + 1] as number;
      const c = kernel[i] as number;
      const d = kernel[i + 1] as number;
      spectrum[i] = a * c - b * d;
      spectrum[i + 1] = a * d + b * c;
    }
    fft.inverseTransform(back, spectrum);
    const end = Math.min(output.length, from + size);
    for (let at = from; at < end; at++)
      output[at] = (output[at] as number) + (back[2 * (at - from)] as number);
    onProgress(Math.min(1, (from + step) / input.length));
    await breathe(signal);
  }
  return output;
}

/**
 * The sound in a room: `1 - mix` of it dry and `mix` wet, longer than before by the room's decay.
 * @param mix share of the wet sound's level, 0 to 1
 */
export async function addReverb(
  samples: readonly Float32Array[],
  sampleRate: number,
  settings: { mix: number; seconds: number },
  onProgress: (fraction: number) => void = () => {},
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const outputs: Float32Array[] = [];
  const tail = Math.round(settings.seconds * sampleRate);
  for (const [channel, input] of samples.entries()) {
    const response = impulseResponse(settings.seconds, sampleRate, channel);
    const wet = await convolve(
      input,
      response,
      (fraction) => onProgress((channel + fraction) / samples.length),
      signal,
    );
    const output = new Float32Array(input.length + tail);
    // The wet sound has the dry one's power; 1.5 makes up for what the low-pass takes from its loudness.
    for (let i = 0; i < output.length; i++) {
      output[i] = (input[i] ?? 0) * (1 - settings.mix) + (wet[i] ?? 0) * settings.mix * 1.5;
    }
    outputs.push(output);
  }
  return outputs;
}
