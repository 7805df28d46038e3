/**
 * Peaks for a waveform drawing: the largest magnitude over all channels in each of `count` equal stretches of
 * time, 0 to 1, rounded to three decimals. Shorter sound gives fewer.
 */
export function peaks(samples: readonly Float32Array[], count = 400): number[] {
  const length = samples[0]?.length ?? 0;
  const n = Math.min(count, length);
  const out: number[] = [];
  for (let k = 0; k < n; k++) {
    const from = Math.floor((k * length) / n);
    const to = Math.floor(((k + 1) * length) / n);
    let peak = 0;
    for (const one of samples) {
      for (let i = from; i < to; i++) peak = Math.max(peak, Math.abs(one[i] ?? 0));
    }
    out.push(Math.round(Math.min(1, peak) * 1000) / 1000);
  }
  return out;
}
