import { execFile, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { MumuError } from '#contracts/errors';
import { PROCESS_LIMITS } from '#inference/media/limits';

/**
 * The full path of a program, looked up in PATH, or null. Looked up each time: it is a few system calls, and an
 * ffmpeg installed while the bot runs is found.
 */
export function findProgram(name: string): string | null {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here: the next folder.
    }
  }
  return null;
}

/**
 * The path of ffmpeg or ffprobe.
 * @throws MumuError missing_dependency with how to install it
 */
export function requireProgram(name: 'ffmpeg' | 'ffprobe'): string {
  const path = findProgram(name);
  if (path === null) {
    throw new MumuError(
      'missing_dependency',
      `${name} is not installed: get it with "apt install ffmpeg" or "brew install ffmpeg" and try again.`,
    );
  }
  return path;
}

/** Paths go to ffmpeg absolute and under the file protocol, so that no name can be read as an option or a URL. */
export function asInput(path: string): string {
  return `file:${resolve(path)}`;
}

/** Options that stand before every input that came from a stranger. */
export function guardedInput(demuxer: string): string[] {
  return ['-protocol_whitelist', 'file,pipe', '-f', demuxer];
}

/** Options of every ffmpeg call: no terminal, few threads, no huge allocation, only errors on stderr. */
export function commonOptions(): string[] {
  return [
    '-hide_banner',
    '-loglevel',
    'error',
    '-nostdin',
    '-threads',
    String(PROCESS_LIMITS.threads),
    '-max_alloc',
    String(PROCESS_LIMITS.allocation),
  ];
}

/**
 * Puts a memory limit on a process that a library spawned for us. Where prlimit does not exist (macOS) the limit
 * on single allocations remains.
 */
export function limitMemory(pid: number | undefined): void {
  const prlimit = findProgram('prlimit');
  if (prlimit === null || pid === undefined) return;
  // A process that has already ended is no fault.
  spawn(prlimit, [`--pid=${pid}`, `--as=${PROCESS_LIMITS.addressSpace}`], { stdio: 'ignore' }).on(
    'error',
    () => {},
  );
}

/**
 * ffprobe's JSON for one file: what it says of file and streams, or what the options `wanted` ask for. Spawned here and not through fluent-ffmpeg, whose ffprobe can be neither killed nor
 * given a time limit.
 * @throws MumuError missing_dependency, cancelled; Error with ffprobe's stderr as message when it failed
 */
export function runFfprobe(
  path: string,
  demuxer: string,
  signal?: AbortSignal,
  wanted: readonly string[] = ['-show_format', '-show_streams'],
): Promise<unknown> {
  const program = requireProgram('ffprobe');
  const options = ['-v', 'error', ...guardedInput(demuxer), '-print_format', 'json'];
  const show = [...wanted, '-i', asInput(path)];
  const prlimit = findProgram('prlimit');
  const [command, args] =
    prlimit === null
      ? [program, [...options, ...show]]
      : [prlimit, [`--as=${PROCESS_LIMITS.addressSpace}`, program, ...options, ...show]];
  return new Promise((done, fail) => {
    const limits = {
      timeout: PROCESS_LIMITS.probeMs,
      killSignal: 'SIGKILL',
      maxBuffer: 8 * 1024 ** 2,
    } as const;
    execFile(command, args, { ...limits, ...(signal ? { signal } : {}) }, (error, stdout, stderr) => {
      if (signal?.aborted) return fail(new MumuError('cancelled', 'The job was cancelled.'));
      if (error) return fail(new Error(stderr.trim() || error.message, { cause: error }));
      try {
        done(JSON.parse(stdout));
      } catch (cause) {
        fail(new Error('ffprobe answered no JSON', { cause }));
      }
    });
  });
}
