import type { EngineOutput, EngineResult } from '#contracts/engine';
import { MumuError } from '#contracts/errors';
import { MAX_MUSIC_SECONDS } from '#contracts/request';
import { type Attended, attend, perceive } from '#inference/jobs/attend';
import { DEFAULT_SECONDS, makeMusic } from '#inference/jobs/make-music';
import { clipUnder, fileNameOf, writeSound } from '#inference/jobs/output';
import type { JobRun } from '#inference/jobs/run';
import { speak } from '#inference/jobs/speak';
import { decodeAudio, type Sound } from '#inference/media/audio';
import type { Stack } from '#inference/stack';

/** What is asked of the model where the user gave a file and no words. */
const INSTRUCTIONS = {
  clip: 'Make music for this clip.',
  picture: 'Make music for this picture.',
  song: 'Make something like this song',
  extend: 'Continue this song',
} as const;

/** New music from words, a picture, a clip or a song; or a song continued. */
export async function runGenerate(run: JobRun, stack: Stack): Promise<EngineResult> {
  const { request, files } = run.job;
  if (request.command !== 'generate') throw new Error(`runGenerate was given ${request.command}`);
  stack.musicFacts();
  const words = request.text.trim();
  const extend = request.action === 'extend';
  const attended = await attend(run, files, stack.mediaKnown);
  clipUnder(request.options.format, attended.clips[0]?.path);
  const instruction = words || instructionFor(attended, extend);
  const continued = extend ? await songToContinue(run, attended) : undefined;
  // The music replaces a clip's own sound, so that sound says nothing of it.
  const features = await perceive(run, stack.perception, attended, { clipSound: extend });
  const { options } = request;
  const answer = await speak(run, stack, { instruction, features, sampling: options, music: 'wanted' });
  const clip = attended.clips[0];
  const seconds = options.seconds ?? (clip && !extend ? clipSeconds(clip.info.seconds) : DEFAULT_SECONDS);
  const { sound, caption } = await makeMusic(run, stack, {
    answer,
    words,
    seconds,
    options,
    continues: continued,
  });
  const name = fileNameOf(caption, 'music');
  const outputs: EngineOutput[] = [
    await writeSound(run, sound, name, { format: options.format, clip: clip?.path }),
  ];
  // Where the request leaves the format open, a clip's owner gets the clip with its music too.
  if (options.format === undefined && clip && !extend) {
    outputs.push(await writeSound(run, sound, name, { format: 'mp4', clip: clip.path }));
  }
  return run.result(stack.manifest.name, { text: answer.text || caption, files: outputs, caption });
}

function instructionFor(attended: Attended, extend: boolean): string {
  if (extend) return INSTRUCTIONS.extend;
  if (attended.clips.length > 0) return INSTRUCTIONS.clip;
  if (attended.pictures.length > 0) return INSTRUCTIONS.picture;
  if (attended.songs.length > 0) return INSTRUCTIONS.song;
  throw new MumuError(
    'invalid_input',
    'Say what the music should be like, or add a picture, a clip or a song.',
  );
}

function clipSeconds(seconds: number | undefined): number {
  return Math.min(MAX_MUSIC_SECONDS, Math.max(1, seconds ?? DEFAULT_SECONDS));
}

/** The whole song (up to the limit), at its own rate and with its own channels where they are common ones. */
async function songToContinue(run: JobRun, attended: Attended): Promise<Sound> {
  const song = attended.songs[0] ?? attended.clips.find((one) => one.info.hasAudio);
  if (!song)
    throw new MumuError('invalid_input', 'There is no song to continue: add one, or generate one first.');
  const sampleRate = Math.min(48_000, Math.max(16_000, song.info.sampleRate ?? 44_100));
  const channels = (song.info.channels ?? 1) > 1 ? 2 : 1;
  const { signal } = run;
  const decoded = await run.timed('decode', () =>
    decodeAudio(song.path, { sampleRate, channels, info: song.info, signal }),
  );
  for (const note of decoded.notes) run.note(note);
  return { samples: decoded.samples, sampleRate };
}
