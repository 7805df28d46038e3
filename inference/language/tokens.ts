import { readFile } from 'node:fs/promises';
import { Tokenizer } from '@huggingface/tokenizers';
import { MumuError } from '#contracts/errors';

/** A pack's tokenizer with its special tokens. */
export class PackTokenizer {
  private constructor(
    private readonly tokenizer: Tokenizer,
    readonly special: { bos: number; eos: number; pad: number; unk: number; audioTokens: readonly number[] },
  ) {}

  /** @throws MumuError damaged_pack */
  static async load(path: string, special: PackTokenizer['special']): Promise<PackTokenizer> {
    try {
      const json: unknown = JSON.parse(await readFile(path, 'utf8'));
      return new PackTokenizer(new Tokenizer(json as object, {}), special);
    } catch (cause) {
      throw new MumuError('damaged_pack', "The pack's tokenizer cannot be read: build the pack again.", {
        cause,
      });
    }
  }

  /** Plain text, nothing added. Words like "[AUD0]" or "</s>" typed by people are text here, never those tokens. */
  encode(text: string): number[] {
    return this.tokenizer.encode(disarm(text), { add_special_tokens: false }).ids;
  }

  /**
   * The text of `ids`, without special and audio tokens. An incomplete UTF-8 sequence at the end (half of an emoji)
   * is held back, so that a streamed text never shows a replacement character that vanishes.
   */
  decode(ids: readonly number[]): string {
    const { bos, eos, pad, audioTokens } = this.special;
    const kept = ids.filter((id) => id !== bos && id !== eos && id !== pad && !audioTokens.includes(id));
    if (kept.length === 0) return '';
    return this.tokenizer.decode(kept, { skip_special_tokens: true }).replace(/\uFFFD+$/, '');
  }
}

/**
 * Special tokens typed as text would be read as the tokens themselves and could end the prompt or call for music: a
 * space inside takes that power away.
 */
function disarm(text: string): string {
  return text.replace(/\[AUD(\d)\]/gi, '[AUD $1]').replace(/<(\/?s|pad|unk)>/gi, '< $1 >');
}
