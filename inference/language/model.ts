import { visibleText } from '#inference/language/answer-text';
import { leastCertain, type Piece, probabilityOf } from '#inference/language/certainty';
import type { PackTokenizer } from '#inference/language/tokens';
import { breathe } from '#inference/runtime/abort';
import { KeyValueCache } from '#inference/runtime/key-value-cache';
import { createRandom } from '#inference/runtime/random';
import { sampleTopP } from '#inference/runtime/sampling';
import { floats, longs, type Session, takeFloats } from '#inference/runtime/session';

/** Runtime facts of a language model. */
export type LanguageDims = { layers: number; heads: number; dim: number; context: number };

export type AnswerOptions = {
  /** Prompt tokens, `<s>` first. */
  prompt: readonly number[];
  /** [injected layers * dim]: what the song, picture and clip add to the layers. */
  injection: Float32Array;
  injectedLayers: number;
  temperature: number;
  topP: number;
  maxTokens: number;
  stop: readonly string[];
  seed: number;
  /**
   * `never`: the answer ends where music would begin; `wanted`: if the model ends its answer without audio tokens they
   * are appended, because the user asked for music.
   */
  music: 'never' | 'wanted';
  onText?: (text: string) => void;
  /** Tokens so far over the most there can be. */
  onProgress?: (fraction: number) => void;
  signal?: AbortSignal | undefined;
};

export type Answer = {
  text: string;
  /** Generated tokens, audio tokens and end of answer included. */
  tokens: number[];
  /** States that predict the audio tokens, [8 * dim]; null where there are none. */
  musicStates: Float32Array | null;
  /** Whether the model itself called for music. */
  calledForMusic: boolean;
  /** Whether the answer was cut by the limit on tokens. */
  cut: boolean;
  /** How probable the model holds its least certain sentence, 0 to 1; null where it said nothing. */
  certainty: number | null;
};

/** LLaMA with the injection, token by token, its cache owned by JavaScript. */
export class LanguageModel {
  constructor(
    private readonly prefill: Session,
    private readonly step: Session,
    private readonly tokenizer: PackTokenizer,
    private readonly dims: LanguageDims,
  ) {}

  /**
   * Answers a prompt. Deterministic for one seed. Cancelled between tokens.
   * @throws MumuError cancelled
   */
  async answer(options: AnswerOptions): Promise<Answer> {
    const { prompt, signal } = options;
    const { audioTokens, eos } = this.tokenizer.special;
    const random = createRandom(options.seed, 'language');
    const run = await this.start(prompt, options.injection, options.injectedLayers);
    // The audio tokens to come need their places in the context too.
    const room = this.dims.context - prompt.length - audioTokens.length - 1;
    const most = Math.max(1, Math.min(options.maxTokens, room));
    const tokens: number[] = [];
    const pieces: Piece[] = [];
    let shown = '';
    let calledForMusic = false;
    let cut = true;
    while (tokens.length < most) {
      await breathe(signal);
      const logits = this.allowed(run.logits);
      const next = sampleTopP(logits, options, random);
      if (next === audioTokens[0]) {
        calledForMusic = true;
        cut = false;
        break;
      }
      tokens.push(next);
      pieces.push({ text: this.tokenizer.decode([next]), probability: probabilityOf(logits, next) });
      if (next === eos) {
        cut = false;
        break;
      }
      const visible = visibleText(this.tokenizer.decode(tokens), options.stop);
      if (visible.text !== shown) {
        shown = visible.text;
        options.onText?.(shown);
      }
      options.onProgress?.(tokens.length / most);
      if (visible.stopped) {
        cut = false;
        break;
      }
      await run.advance(next);
    }
    const text = finalText(this.tokenizer.decode(tokens), options.stop);
    if (text !== shown) options.onText?.(text);
    options.onProgress?.(1);
    const wanted = options.music === 'wanted';
    const musicStates = wanted ? await this.musicStates(run, signal) : null;
    if (wanted) tokens.push(...audioTokens);
    return { text, tokens, musicStates, calledForMusic, cut, certainty: leastCertain(pieces) };
  }

  /**
   * Appends the audio tokens and keeps the states that predict them: the last state before each, from the one at which
   * the answer ended.
   */
  private async musicStates(run: Run, signal?: AbortSignal): Promise<Float32Array> {
    const { dim } = this.dims;
    const { audioTokens } = this.tokenizer.special;
    const states = new Float32Array(audioTokens.length * dim);
    for (const [i, token] of audioTokens.entries()) {
      await breathe(signal);
      states.set(run.hidden, i * dim);
      if (i + 1 < audioTokens.length) await run.advance(token);
    }
    return states;
  }

  /**
   * Logits with what must never be drawn taken out: padding, `<s>`, `<unk>`, audio tokens but the first. Many
   * tokenizers pad with the end of the answer, or have one token for all of these: the end stays, or none would come.
   */
  private allowed(logits: Float32Array): Float32Array {
    const { bos, eos, pad, unk, audioTokens } = this.tokenizer.special;
    const out = logits.slice();
    for (const id of [bos, pad, unk, ...audioTokens.slice(1)]) {
      // What the tokenizer does not have is -1.
      if (id !== eos && id >= 0 && id < out.length) out[id] = -Infinity;
    }
    return out;
  }

  private async start(
    prompt: readonly number[],
    injection: Float32Array,
    injectedLayers: number,
  ): Promise<Run> {
    const { layers, heads, dim } = this.dims;
    const count = prompt.length;
    const adapter = floats(injection, [injectedLayers, dim]);
    const first = await this.prefill.run({ input_ids: longs(prompt, [1, count]), injection: adapter });
    const cache = new KeyValueCache({ layers, rows: heads, headDim: dim / heads }, count + 64);
    cache.fill(takeFloats(first, 'keys'), takeFloats(first, 'values'), count);
    const { step } = this;
    const run: Run = {
      logits: takeFloats(first, 'logits'),
      hidden: takeFloats(first, 'hidden').slice((count - 1) * dim),
      async advance(token) {
        const fetches = await step.run({
          input_ids: longs([token], [1]),
          position: longs([cache.positions], [1]),
          injection: adapter,
          ...cache.feeds([heads]),
        });
        cache.append(takeFloats(fetches, 'new_keys'), takeFloats(fetches, 'new_values'));
        run.logits = takeFloats(fetches, 'logits');
        run.hidden = takeFloats(fetches, 'hidden');
      },
    };
    return run;
  }
}

/** A sequence under way: logits [vocab] and state [dim] of its last position. */
type Run = { logits: Float32Array; hidden: Float32Array; advance(token: number): Promise<void> };

/** The answer as it stays: a stop string that was only beginning when the answer ended belongs to the text. */
function finalText(decoded: string, stop: readonly string[]): string {
  const visible = visibleText(decoded, stop);
  return visible.stopped ? visible.text : visibleText(decoded, []).text;
}
