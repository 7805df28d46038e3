import type { Sound } from '#inference/media/audio';
import { floats, longs, type Session, takeFloats } from '#inference/runtime/session';
import type { CodeGrid } from '#models/music/delay-pattern';

/** Runtime facts of a codec. */
export type CodecDims = {
  sampleRate: number;
  /** Samples of one frame. */
  hop: number;
  /** Of one channel. */
  codebooks: number;
  codebookSize: number;
};

/**
 * EnCodec (Défossez et al. 2022). A stereo music decoder uses the mono codec once per channel, left and right
 * codebooks interleaved.
 */
export class Codec {
  constructor(
    /** Opened on demand: only continuing a song needs it. */
    private readonly encoder: () => Promise<Session>,
    private readonly decoder: Session,
    readonly dims: CodecDims,
  ) {}

  /** Sound (one array per channel, at the codec's rate) -> codes [channels * codebooks, frames]. */
  async encode(sound: Sound): Promise<CodeGrid> {
    const channels = sound.samples.length;
    const encoder = await this.encoder();
    const grids: CodeGrid[] = [];
    for (const one of sound.samples) {
      const fetches = await encoder.run({ waveform: floats(one, [1, 1, one.length]) });
      const codes = fetches.codes;
      if (codes?.type !== 'int64') throw new Error('codec-encoder: output "codes" is missing or not int64');
      const data = Int32Array.from(codes.data as BigInt64Array, Number);
      grids.push({ codebooks: codes.dims[1] ?? 0, steps: codes.dims[2] ?? 0, data });
    }
    const steps = Math.min(...grids.map((grid) => grid.steps));
    const codebooks = channels * this.dims.codebooks;
    const data = new Int32Array(codebooks * steps);
    for (let codebook = 0; codebook < codebooks; codebook++) {
      const grid = grids[codebook % channels] as CodeGrid;
      const from = Math.floor(codebook / channels) * grid.steps;
      data.set(grid.data.subarray(from, from + steps), codebook * steps);
    }
    return { codebooks, steps, data };
  }

  /** Codes [channels * codebooks, frames] -> sound of frames * hop samples. */
  async decode(codes: CodeGrid): Promise<Sound> {
    const { codebooks, hop, sampleRate } = this.dims;
    const channels = codes.codebooks / codebooks;
    const samples: Float32Array[] = [];
    for (let channel = 0; channel < channels; channel++) {
      const own = new Int32Array(codebooks * codes.steps);
      for (let codebook = 0; codebook < codebooks; codebook++) {
        const from = (codebook * channels + channel) * codes.steps;
        own.set(codes.data.subarray(from, from + codes.steps), codebook * codes.steps);
      }
      const fetches = await this.decoder.run({ codes: longs(own, [1, codebooks, codes.steps]) });
      samples.push(takeFloats(fetches, 'waveform').slice(0, codes.steps * hop));
    }
    return { samples, sampleRate };
  }
}
