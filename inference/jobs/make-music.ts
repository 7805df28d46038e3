import type { RequestOptions } from '#contracts/request';
import { captionFor, fitCaption, leftOutNote } from '#inference/jobs/caption';
import type { JobRun } from '#inference/jobs/run';
import { tidy } from '#inference/language/answer-text';
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
 * encoder. Returns the sound and what the decoder was told. Words of the user that the encoder has no room for are
 * noted.
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
  return run.timed('music', async () => {
    const { condition, caption } = await conditionOf(run, stack, wish);
    const options: ComposeOptions = {
      condition,
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

/** What the decoder is told, and the caption of it: what the text encoder reads of one, where that was asked. */
async function conditionOf(
  run: JobRun,
  stack: Stack,
  wish: MusicWish,
): Promise<{ condition: Condition; caption: string }> {
  const { manifest, graphs, tokenizer } = stack;
  const wanted = captionFor(wish.answer, wish.words);
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
      const condition = { states: takeFloats(fetches, 'condition'), length: queries, width, mask };
      return { condition, caption: tidy(wanted.text) };
    }
    run.note('This pack has no output projector, so the caption was used.');
  }
  const { text } = stack.musicFacts();
  const room = text.maxTokens - 1;
  const fits = (part: string) => tidy(part) === part && tokenizer.encode(part).length <= room;
  const { text: caption, leftOut } = fitCaption(wanted.text, fits);
  if (wanted.own && leftOut) run.note(leftOutNote(leftOut));
  const ids = [...tokenizer.encode(caption).slice(0, room), tokenizer.special.eos];
  const session = await graphs.open('text-encoder');
  const fetches = await session.run({ input_ids: longs(ids, [1, ids.length]) });
  const mask = new Float32Array(ids.length).fill(1);
  const condition = { states: takeFloats(fetches, 'condition'), length: ids.length, width: text.width, mask };
  return { condition, caption };
}
