import type { ChildProcess } from 'node:child_process';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import ffmpeg from 'fluent-ffmpeg';
import prism from 'prism-media';
import { MumuError } from '#contracts/errors';
import { PROCESS_LIMITS } from '#inference/media/limits';
import { asInput, commonOptions, guardedInput, limitMemory, requireProgram } from '#inference/media/process';

/** An input of strangers: its path and the only demuxer that may parse it. */
export type GuardedFile = { path: string; demuxer: string };
/** Our own sound going in through a pipe: interleaved little-endian float32. */
export type PcmInput = { pcm: Iterable<Buffer>; sampleRate: number; channels: number };

export type RawOutput = { chunks: Buffer[]; bytes: number; stderr: string; failed: boolean };

/** Options and name of an input, as they stand before and after -i. */
function inputOf(input: GuardedFile | PcmInput): { options: string[]; name: string } {
  if ('pcm' in input) {
    const options = ['-f', 'f32le', '-ar', `${input.sampleRate}`, '-ac', `${input.channels}`];
    return { options, name: 'pipe:0' };
  }
  return { options: guardedInput(input.demuxer), name: asInput(input.path) };
}

/**
 * Decodes a stranger's file, or filters our own sound, to raw bytes through prism-media's ffmpeg stream.
 * `output` are options we wrote (codec, filters, raw format); nothing of a user is ever among them.
 * A decoder that fails half-way is no exception: what came out is returned with `failed` set, and the caller decides.
 * @throws MumuError missing_dependency, cancelled, too_large (more than maxBytes, or out of time)
 */
export async function decodeRaw(
  input: GuardedFile | PcmInput,
  output: readonly string[],
  limits: { maxBytes: number; signal?: AbortSignal | undefined },
): Promise<RawOutput> {
  requireProgram('ffmpeg');
  throwIfCancelled(limits.signal);
  const { options, name } = inputOf(input);
  const args = [...commonOptions(), ...options, '-i', name, ...output];
  const stream = new prism.FFmpeg({ args });
  // Broken pipes of either side end up here; how the process ended says what they meant.
  stream.on('error', () => {});
  const child = stream.process;
  limitMemory(child.pid);
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (stderr.length < 4096) stderr += text;
  });
  const exit = new Promise<number>((done) => {
    child.once('exit', (code) => done(code ?? -1));
    child.once('error', () => done(-1));
  });
  let expired = false;
  const kill = () => child.kill('SIGKILL');
  const timer = setTimeout(() => {
    expired = true;
    kill();
  }, PROCESS_LIMITS.decodeMs);
  limits.signal?.addEventListener('abort', kill, { once: true });
  // A decoder that stops early (-t) closes its end of the pipe while we still write: no fault.
  const feeding =
    'pcm' in input ? pipeline(Readable.from(input.pcm), child.stdin as Writable).catch(() => {}) : null;
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // The reader of prism's duplex is the child's standard output.
    for await (const chunk of child.stdout as Readable as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > limits.maxBytes) {
        kill();
        throw new MumuError('too_large', 'The file holds more than can be decoded here.');
      }
      chunks.push(chunk);
    }
    const code = await exit;
    await feeding;
    throwIfCancelled(limits.signal);
    if (expired) throw new MumuError('too_large', 'Decoding the file took too long, so it was stopped.');
    return { chunks, bytes, stderr: stderr.trim(), failed: code !== 0 };
  } finally {
    clearTimeout(timer);
    limits.signal?.removeEventListener('abort', kill);
  }
}

export type Transcode = {
  inputs: (GuardedFile | PcmInput)[];
  /** Audio filters, each one written by us: "volume=3dB". */
  audioFilters?: string[];
  /** Codec, mapping and format of the output, written by us. */
  outputOptions: string[];
  /** A file to write, or null to throw the output away (measuring filters speak on stderr). */
  output: string | null;
  /** Format (muxer) of the output. */
  format: string;
  /** Log level; measuring filters print at `info`. */
  loglevel?: 'error' | 'info';
  signal?: AbortSignal | undefined;
};

/**
 * Runs one ffmpeg command through fluent-ffmpeg and returns its stderr.
 * @throws MumuError missing_dependency, cancelled, disk_full, internal
 */
export async function transcode(job: Transcode): Promise<string> {
  const program = requireProgram('ffmpeg');
  throwIfCancelled(job.signal);
  const command = ffmpeg({ stdoutLines: 0 }).setFfmpegPath(program);
  for (const input of job.inputs) {
    const { options, name } = inputOf(input);
    command.input('pcm' in input ? Readable.from(input.pcm) : name).inputOptions(options);
  }
  const limits = [`-threads ${PROCESS_LIMITS.threads}`, `-max_alloc ${PROCESS_LIMITS.allocation}`];
  command.addOptions(['-hide_banner', '-y', `-loglevel ${job.loglevel ?? 'error'}`, ...limits]);
  if (job.audioFilters && job.audioFilters.length > 0) command.audioFilters(job.audioFilters);
  command.outputOptions(job.outputOptions).format(job.format);
  command.output(job.output === null ? '-' : asInput(job.output));

  const stderr: string[] = [];
  let expired = false;
  const kill = () => command.kill('SIGKILL');
  const timer = setTimeout(() => {
    expired = true;
    kill();
  }, PROCESS_LIMITS.encodeMs);
  job.signal?.addEventListener('abort', kill, { once: true });
  try {
    await new Promise<void>((done, fail) => {
      command.on('stderr', (line: string) => stderr.push(line));
      command.on('start', () => {
        limitMemory(childOf(command)?.pid);
        // A cancel that came while fluent-ffmpeg was still asking ffmpeg for its codecs found no child to kill.
        if (job.signal?.aborted) kill();
      });
      command.on('end', () => done());
      command.on('error', fail);
      command.run();
    });
  } catch (cause) {
    throwIfCancelled(job.signal);
    if (expired)
      throw new MumuError('too_large', 'Writing the sound took too long, so it was stopped.', { cause });
    const said = `${stderr.join('\n')}\n${cause instanceof Error ? cause.message : ''}`;
    throwIfDiskFull(said, cause);
    throw new MumuError('internal', 'ffmpeg could not write the file.', {
      cause: new Error(said, { cause }),
    });
  } finally {
    clearTimeout(timer);
    job.signal?.removeEventListener('abort', kill);
  }
  const said = stderr.join('\n');
  // ffmpeg ends well even where the last bytes of a file could not be written.
  throwIfDiskFull(said);
  return said;
}

function throwIfDiskFull(said: string, cause?: unknown): void {
  if (!/no space left|disk quota/i.test(said)) return;
  throw new MumuError('disk_full', 'The disk is full: free some space and try again.', { cause });
}

/** fluent-ffmpeg keeps its child in an undeclared field; without it the memory limit is left out. */
function childOf(command: unknown): ChildProcess | undefined {
  return (command as { ffmpegProc?: ChildProcess }).ffmpegProc;
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new MumuError('cancelled', 'The job was cancelled.');
}
