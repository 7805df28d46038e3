import type { EngineResult } from '#contracts/engine';
import { MumuError } from '#contracts/errors';
import { type Attended, attend, perceive } from '#inference/jobs/attend';
import { makeMusic } from '#inference/jobs/make-music';
import { clipUnder, writeSound } from '#inference/jobs/output';
import type { JobRun } from '#inference/jobs/run';
import { speak } from '#inference/jobs/speak';
import { decodeAudio } from '#inference/media/audio';
import type { RemixContext } from '#inference/remix/contract';
import { remix } from '#inference/remix/index';
import { breathe } from '#inference/runtime/abort';
import type { Stack } from '#inference/stack';
import type { Features } from '#inference/understanding/perception';

/** A song changed as the user says: the plan and the exact edits are the remix room's, models and files are ours. */
export async function runRemix(run: JobRun, stack: Stack): Promise<EngineResult> {
  const { request, files, seed } = run.job;
  if (request.command !== 'remix') throw new Error(`runRemix was given ${request.command}`);
  const attended = await attend(run, files, stack.mediaKnown);
  const outcome = await remix({ instruction: request.text, request, seed }, contextOf(run, stack, attended));
  return run.result(stack.manifest.name, outcome);
}

function contextOf(run: JobRun, stack: Stack, attended: Attended): RemixContext {
  const { signal } = run;
  const { options } = run.job.request;
  const clip = attended.clips.find((one) => one.info.hasAudio);
  const song = attended.songs[0] ?? clip;
  if (!song)
    throw new MumuError('invalid_input', 'There is no song to remix: add one, or generate one first.');
  clipUnder(options.format, clip?.path);
  let features: Promise<Features> | undefined;
  const heard = () => {
    features ??= perceive(
      run,
      stack.perception,
      { songs: [song], pictures: [], clips: [] },
      { clipSound: false },
    );
    return features;
  };
  return {
    signal,
    breathe: () => breathe(signal),
    note: run.note,
    text: run.text,
    progress: run.stage,
    pack: stack.manifest,
    songName: song.name,
    isClip: song === clip,
    async decodeSong(wanted = {}) {
      const sampleRate =
        wanted.sampleRate ?? Math.min(48_000, Math.max(8_000, song.info.sampleRate ?? 44_100));
      const channels = wanted.channels ?? ((song.info.channels ?? 1) > 1 ? 2 : 1);
      const decoded = await run.timed('decode', () =>
        decodeAudio(song.path, { sampleRate, channels, info: song.info, signal }),
      );
      for (const note of decoded.notes) run.note(note);
      return decoded;
    },
    async understand(question) {
      const sampling = { ...options, temperature: 0 };
      const answer = await speak(run, stack, {
        instruction: question,
        features: await heard(),
        sampling,
        music: 'never',
        silent: true,
      });
      return answer.text;
    },
    async compose({ instruction, seconds }) {
      const answer = await speak(run, stack, {
        instruction,
        features: await heard(),
        sampling: options,
        music: 'wanted',
        silent: true,
      });
      const made = await makeMusic(run, stack, { answer, words: instruction, seconds, options });
      return { ...made, text: answer.text };
    },
    write: (sound, name) => writeSound(run, sound, name, { format: options.format, clip: clip?.path }),
  };
}
