import type { EngineFile } from '#contracts/engine';
import type { JobRun } from '#inference/jobs/run';
import { type MediaInfo, probe } from '#inference/media/probe';
import type { Features, Perceived, Perception } from '#inference/understanding/perception';

/** A request's files by what they hold. */
export type Attended = {
  songs: (Perceived & { name: string })[];
  pictures: (Perceived & { name: string })[];
  clips: (Perceived & { name: string })[];
};

/**
 * Looks into every file; what it holds counts, not what the request says of it. What is `known` of a content is not
 * looked up again, so that a question that follows needs no ffprobe.
 * @throws MumuError of the first file that cannot be read
 */
export async function attend(
  run: JobRun,
  files: readonly EngineFile[],
  known: Map<string, MediaInfo>,
): Promise<Attended> {
  const attended: Attended = { songs: [], pictures: [], clips: [] };
  if (files.length > 0) run.stage('decode', 0);
  await run.timed('decode', async () => {
    for (const [i, file] of files.entries()) {
      const info = known.get(file.key) ?? (await probe(file.path, run.signal));
      remember(known, file.key, info);
      for (const note of info.notes) run.note(note);
      const one = { path: file.path, key: file.key, name: file.name, info };
      if (info.kind === 'audio') attended.songs.push(one);
      else if (info.kind === 'image') attended.pictures.push(one);
      else attended.clips.push(one);
      run.stage('decode', (i + 1) / files.length);
    }
  });
  return attended;
}

const MOST_KNOWN = 256;

function remember(known: Map<string, MediaInfo>, key: string, info: MediaInfo): void {
  known.delete(key);
  known.set(key, info);
  const oldest = known.keys().next();
  if (known.size > MOST_KNOWN && !oldest.done) known.delete(oldest.value);
}

/**
 * Features of the first song, picture and clip. Where there is no song, the sound of the clip is one, if
 * `clipSound` is set. The model takes one of each kind; more are noted.
 */
export async function perceive(
  run: JobRun,
  perception: Perception,
  attended: Attended,
  options: { clipSound: boolean },
): Promise<Features> {
  const [clip] = attended.clips;
  const [picture] = attended.pictures;
  const sound = options.clipSound && clip?.info.hasAudio ? clip : undefined;
  const song = attended.songs[0] ?? sound;
  for (const [kind, files] of [
    ['song', attended.songs],
    ['picture', attended.pictures],
    ['clip', attended.clips],
  ] as const) {
    const count = files.length;
    if (count > 1) run.note(`Only the first of the ${count} ${kind}s was taken into account.`);
  }
  const tasks = [song, picture, clip].filter((one) => one !== undefined).length;
  let done = 0;
  const watch = {
    signal: run.signal,
    onNote: run.note,
    spend: run.spend,
    onEncode: (fraction: number) => run.stage('encode', (done + fraction) / Math.max(1, tasks)),
  };
  const features: Features = {};
  if (song) {
    features.audio = await perception.song(song, watch);
    done += 1;
  }
  if (picture) {
    features.image = await perception.picture(picture, watch);
    done += 1;
  }
  if (clip) features.video = await perception.clip(clip, watch);
  return features;
}
