import type { RequestOptions } from '#contracts/request';
import type { JobRun } from '#inference/jobs/run';
import { captionOf, tidy } from '#inference/language/answer-text';
import type { Answer } from '#inference/language/model';
import type { Sound } from '#inference/media/audio';
import { type ComposeOptions, composeNew } from '#inference/music/compose';
import type { Condition } from '#inference/music/decoder';
import { extendSong } from '#inference/music/extend';
import { beatFramesOf } from '#inference/music/windows';
import { floats, longs, takeFloats } from '#inference/runtime/session';
import type { Stack } from '#inference/stack';

/** Length of new music where nothing says otherwise, seconds. */
export const DEFAULT_SECONDS = 10;

export type MusicWish = {
  /** What the language model answered. */
  answer: Answer;
  /** The user's own words: the caption where the answer carries none. */
  words: string;
  seconds: number;
  options: RequestOptions;
  /** Continue this song instead of making new music. */
  continues?: Sound | undefined;
};

/**
 * New music from an answer: conditioned by the output projector (the paper's way) or by the caption through the text
 * encoder. Returns the sound and what the decoder was told.
 * @throws MumuError cannot_do (a pack without music), cancelled, missing_dependency
 */
export async function makeMusic(
  run: JobRun,
  stack: Stack,
  wish: MusicWish,
): Promise<{ sound: Sound; caption: string }> {
  run.stage('music', 0);
  const { decoder: facts } = stack.musicFacts();
  const { decoder, codec } = await stack.music();
  const caption = captionFor(wish);
  return run.timed('music', async () => {
    const options: ComposeOptions = {
      condition: await conditionOf(run, stack, wish, caption),
      seconds: wish.seconds,
      sampling: { guidance: wish.options.guidance ?? facts.guidance, temperature: 1, topK: facts.topK },
      seed: run.seed,
      beatFrames: wish.continues ? undefined : beatFramesOf(caption, decoder.dims.frameRate),
      signal: run.signal,
      onProgress: (fraction) => run.stage('music', fraction),
      onNote: run.note,
    };
    const sound = wish.continues
      ? await extendSong(decoder, codec, wish.continues, options)
      : await composeNew(decoder, codec, options);
    run.count('musicSeconds', wish.seconds);
    return { sound, caption };
  });
}

/** The caption in the answer; else the answer of a model that called for music itself; else the user's words. */
function captionFor({ answer, words }: MusicWish): string {
  const caption = captionOf(answer.text) ?? (answer.calledForMusic ? tidy(answer.text) : '');
  return caption || tidy(words) || tidy(answer.text) || 'music';
}

async function conditionOf(run: JobRun, stack: Stack, wish: MusicWish, caption: string): Promise<Condition> {
  const { manifest, graphs, tokenizer } = stack;
  const how = wish.options.conditioning ?? manifest.conditioning;
  if (how === 'projector') {
    const { projector } = manifest;
    const states = wish.answer.musicStates;
    if (projector !== null && states !== null) {
      const count = tokenizer.special.audioTokens.length;
      const session = await graphs.open('projector');
      const fetches = await session.run({ hidden: floats(states, [1, count, states.length / count]) });
      const { queries, width } = projector;
      const mask = new Float32Array(queries).fill(1);
      return { states: takeFloats(fetches, 'condition'), length: queries, width, mask };
    }
    run.note('This pack has no output projector, so the caption was used.');
  }
  const { text } = stack.musicFacts();
  const ids = [...tokenizer.encode(caption).slice(0, text.maxTokens - 1), tokenizer.special.eos];
  const session = await graphs.open('text-encoder');
  const fetches = await session.run({ input_ids: longs(ids, [1, ids.length]) });
  const mask = new Float32Array(ids.length).fill(1);
  return { states: takeFloats(fetches, 'condition'), length: ids.length, width: text.width, mask };
}
