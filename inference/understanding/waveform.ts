/** Frames per the encoder's convolutions need at least this many seconds of sound behind them to mean something. */
const SHORTEST_CHUNK_SECONDS = 1;

/**
 * Zero mean and unit variance over one input of the encoder (transformers' Wav2Vec2FeatureExtractor, do_normalize:
 * (x - mean) / sqrt(variance + 1e-7)), which is what training's encoder saw. Sums in double precision.
 */
export function normaliseWaveform(samples: Float32Array): Float32Array {
  let sum = 0;
  for (const value of samples) sum += value;
  const mean = sum / samples.length;
  let squares = 0;
  for (const value of samples) squares += (value - mean) ** 2;
  const scale = 1 / Math.sqrt(squares / samples.length + 1e-7);
  return samples.map((value) => (value - mean) * scale);
}

/**
 * Cuts a song into stretches for the encoder, none dropped: `chunkSeconds` each, the last one shorter. A last stretch
 * under a second (or under `receptiveField` samples) is joined to the one before; a whole song that short is padded
 * with silence to one receptive field.
 */
export function chunkWaveform(
  samples: Float32Array,
  options: { sampleRate: number; chunkSeconds: number; receptiveField: number },
): Float32Array[] {
  const { sampleRate, chunkSeconds, receptiveField } = options;
  const size = Math.round(chunkSeconds * sampleRate);
  const shortest = Math.max(receptiveField, SHORTEST_CHUNK_SECONDS * sampleRate);
  const chunks: Float32Array[] = [];
  for (let from = 0; from < samples.length; ) {
    const left = samples.length - from;
    const length = left - size < shortest ? left : size;
    chunks.push(samples.subarray(from, from + length));
    from += length;
  }
  const only = chunks[0];
  if (chunks.length === 1 && only !== undefined && only.length < receptiveField) {
    const padded = new Float32Array(receptiveField);
    padded.set(only);
    return [padded];
  }
  return chunks;
}

/** Samples behind one frame of a stack of convolutions without padding. */
export function receptiveField(kernels: readonly number[], strides: readonly number[]): number {
  let field = 1;
  for (let i = kernels.length - 1; i >= 0; i--) field = (field - 1) * (strides[i] ?? 1) + (kernels[i] ?? 1);
  return field;
}
