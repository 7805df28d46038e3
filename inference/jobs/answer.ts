import type { EngineResult } from '#contracts/engine';
import { type Attended, attend, perceive } from '#inference/jobs/attend';
import type { JobRun } from '#inference/jobs/run';
import { speak } from '#inference/jobs/speak';
import type { Stack } from '#inference/stack';
import type { Features } from '#inference/understanding/perception';

/** A question about the files, all at once; without files it is put to the model alone. */
export async function runAsk(run: JobRun, stack: Stack): Promise<EngineResult> {
  const { request, files } = run.job;
  const attended = await attend(run, files, stack.mediaKnown);
  const features = await perceive(run, stack.perception, attended, { clipSound: true });
  const answer = await speak(run, stack, {
    instruction: request.text,
    features,
    sampling: request.options,
    music: 'never',
  });
  if (answer.calledForMusic) run.note('This calls for music: ask for it with /generate or /remix.');
  return run.result(stack.manifest.name, { text: answer.text });
}

/** What is asked of the model by /describe. */
const DESCRIBE = {
  song: 'Describe the audio in detail',
  picture: 'Describe the picture.',
  clip: 'Describe the clip.',
} as const;

/**
 * A description of every file, each for itself, in the order song, picture, clip. What the user wants looked out for
 * takes the place of the fixed question.
 */
export async function runDescribe(run: JobRun, stack: Stack): Promise<EngineResult> {
  const { request, files } = run.job;
  const attended = await attend(run, files, stack.mediaKnown);
  const subjects = subjectsOf(attended);
  const focus = request.text.trim();
  const parts: string[] = [];
  for (const { kind, only, name } of subjects) {
    const features = await perceive(run, stack.perception, only, { clipSound: false });
    const title = subjects.length > 1 ? `${name}: ` : '';
    const prefix = [...parts, title].join('\n');
    const answer = await speak(run, stack, {
      instruction: focus || DESCRIBE[kind],
      features,
      sampling: request.options,
      music: 'never',
      prefix,
    });
    parts.push(title + answer.text);
  }
  if (subjects.length === 0) {
    const features: Features = {};
    const instruction = focus || DESCRIBE.song;
    const answer = await speak(run, stack, {
      instruction,
      features,
      sampling: request.options,
      music: 'never',
    });
    parts.push(answer.text);
  }
  return run.result(stack.manifest.name, { text: parts.join('\n') });
}

function subjectsOf(attended: Attended) {
  const none: Attended = { songs: [], pictures: [], clips: [] };
  return [
    ...attended.songs.map((one) => ({
      kind: 'song' as const,
      name: one.name,
      only: { ...none, songs: [one] },
    })),
    ...attended.pictures.map((one) => ({
      kind: 'picture' as const,
      name: one.name,
      only: { ...none, pictures: [one] },
    })),
    ...attended.clips.map((one) => ({
      kind: 'clip' as const,
      name: one.name,
      only: { ...none, clips: [one] },
    })),
  ];
}
