/** A remix: the instruction becomes an edit plan, and the plan is carried out. */
import { MumuError } from '#contracts/errors';
import { MAX_MUSIC_SECONDS } from '#contracts/request';
import type { Sound } from '#inference/media/audio';
import { applyExact } from '#inference/remix/apply';
import type { RemixContext, RemixJob, RemixOutcome } from '#inference/remix/contract';
import { remixName } from '#inference/remix/name';
import { parseInstruction, WHAT_CAN_BE_DONE } from '#inference/remix/parse';
import { describeStep, type EditStep, type ExactStep, type ModelStep, toPlan } from '#inference/remix/plan';
import type { ModelChange } from '#models/checkpoint/metadata';

/** New material made without a length of its own lasts as long as the song, up to this many seconds. */
const DEFAULT_MODEL_SECONDS = 20;

/**
 * Remixes the context's song. Exact steps alone leave its sample rate and channels as they are. With a step for
 * the model, new music is made first, conditioned on the song as it was given, and the exact steps then follow on
 * it in the order said; the plan in the result has the order in which things were done.
 * @throws {MumuError} cannot_do, invalid_input, too_large, cancelled and what decoding throws
 */
export async function remix(job: RemixJob, context: RemixContext): Promise<RemixOutcome> {
  const said = parseInstruction(job.instruction);
  const wishes = said.filter((step): step is ModelStep => step.kind === 'model');
  const exact = said.filter((step): step is ExactStep => step.kind !== 'model');
  const order: EditStep[] = [...mergeWishes(wishes), ...exact];
  for (const wish of wishes) refuseUnlearned(wish, context.pack);
  context.text(planText(order));

  let sound: Sound;
  let caption: string | undefined;
  if (wishes.length > 0) {
    if (exact.length > 0 && said[0]?.kind !== 'model') {
      context.note(
        'The new music is made first, from the song as it was; the other changes are then done on it.',
      );
    }
    const song = await context.decodeSong({ sampleRate: 16_000, channels: 1 });
    const seconds = job.request.options.seconds ?? Math.min(song.seconds, DEFAULT_MODEL_SECONDS);
    const made = await context.compose({
      instruction: wishes.map((wish) => wish.instruction).join(', '),
      seconds: Math.min(MAX_MUSIC_SECONDS, Math.max(1, seconds)),
    });
    sound = made.sound;
    caption = made.caption;
  } else {
    const song = await context.decodeSong();
    for (const note of song.notes) context.note(note);
    sound = { samples: song.samples, sampleRate: song.sampleRate };
  }

  if (exact.length > 0) {
    sound = await applyExact(sound, exact, {
      signal: context.signal,
      onProgress: (fraction) => context.progress('remix', fraction),
      onNote: context.note,
    });
  }
  const file = await context.write(sound, remixName(context.songName));
  return {
    text: caption ? `${planText(order)}\nThe new music: ${caption}.` : planText(order),
    files: [file],
    plan: toPlan(order),
    ...(caption ? { caption } : {}),
  };
}

const CHANGE_WORDS: Record<ModelChange, string> = {
  add: 'add an instrument',
  replace: "put one instrument in another's place",
  remove: 'take an instrument out',
  style: 'change the style or the mood',
};

/** @throws {MumuError} cannot_do where the pack was never trained to make this kind of change */
function refuseUnlearned({ change, instruction }: ModelStep, pack: RemixContext['pack']): void {
  if (pack.changes.includes(change)) return;
  const learned = pack.changes.map((one) => CHANGE_WORDS[one]);
  const can =
    learned.length > 0
      ? ` Of new music, it can ${new Intl.ListFormat('en', { type: 'disjunction' }).format(learned)}.`
      : '';
  throw new MumuError(
    'cannot_do',
    `The pack "${pack.name}" has not learned to ${CHANGE_WORDS[change]} ("${instruction.slice(0, 80)}").${can} ${WHAT_CAN_BE_DONE}`,
  );
}

/** Several wishes for new material are one request to the model. */
function mergeWishes(wishes: readonly ModelStep[]): ModelStep[] {
  const [first] = wishes;
  if (!first) return [];
  return [{ ...first, instruction: wishes.map((wish) => wish.instruction).join(', ') }];
}

function planText(steps: readonly EditStep[]): string {
  const words = steps.map(describeStep);
  if (words.length === 1) return `Done: ${words[0]}.`;
  return words.map((line, index) => `${index + 1}. ${line}`).join('\n');
}
