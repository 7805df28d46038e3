import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Config } from '#src/config';
import { type Check, missing, ok, warning } from '#src/ops/doctor/check';

const run = promisify(execFile);

const OLDEST_NODE = [20, 19] as const;
/** Encoders and filters of ffmpeg that mumu calls for, by what they are for. */
const FFMPEG_PARTS = {
  encoders: ['libmp3lame', 'libopus', 'flac', 'libx264', 'aac'],
  filters: ['rubberband', 'ebur128'],
};
const GIBIBYTE = 1024 ** 3;
/** Below this much free space nothing can be worked on, bytes. */
const LEAST_FREE = GIBIBYTE / 4;

export function checkNode(version = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
  return isOld
    ? missing('node', version, `Install Node ${OLDEST_NODE.join('.')} or newer.`)
    : ok('node', version);
}

/** ffmpeg and ffprobe with what is called for. */
export async function checkFfmpeg(): Promise<Check> {
  const install = 'Run "sudo apt-get install ffmpeg" (Debian, Ubuntu) or "brew install ffmpeg" (macOS).';
  try {
    const [{ stdout: version }] = await Promise.all([
      run('ffmpeg', ['-version']),
      run('ffprobe', ['-version']),
    ]);
    const lacking: string[] = [];
    for (const [list, names] of Object.entries(FFMPEG_PARTS)) {
      const { stdout } = await run('ffmpeg', ['-hide_banner', `-${list}`]);
      const known = new Set(stdout.split(/\s+/));
      lacking.push(...names.filter((name) => !known.has(name)));
    }
    const found = /^ffmpeg version (\S+)/.exec(version)?.[1] ?? 'of unknown version';
    if (lacking.length === 0) return ok('ffmpeg', found);
    return missing('ffmpeg', `${found} without ${lacking.join(', ')}`, `This build lacks parts. ${install}`);
  } catch {
    return missing('ffmpeg', 'ffmpeg or ffprobe cannot be run', install);
  }
}

/** Whether the data folder can be written to, and how much room there is. */
export async function checkData(config: Pick<Config, 'dataFolder' | 'limits' | 's3'>): Promise<Check> {
  const { dataFolder } = config;
  const probe = join(dataFolder, `.doctor-${process.pid}`);
  try {
    await mkdir(dataFolder, { recursive: true });
    await writeFile(probe, 'mumu');
    await rm(probe);
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unknown';
    return missing(
      'data folder',
      `${dataFolder} cannot be written to (${why})`,
      'Give its owner the right to, or set MUMU_DATA to another folder.',
    );
  }
  const { bavail, bsize } = await statfs(dataFolder);
  const free = bavail * bsize;
  const found = `${dataFolder}, ${(free / GIBIBYTE).toFixed(1)} GiB free`;
  if (free < LEAST_FREE) return missing('data folder', found, 'Free some space.');
  if (config.s3 === undefined && free < config.limits.storageBytes) {
    return warning(
      'data folder',
      found,
      `Files may take ${(config.limits.storageBytes / GIBIBYTE).toFixed(1)} GiB: free some space, or lower MUMU_STORAGE_MB.`,
    );
  }
  return ok('data folder', found);
}

/** Whether a port can be taken. One that is taken may well be mumu's own. */
export async function checkPort(name: string, host: string, port: number, variable: string): Promise<Check> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
    return ok(name, `${host}:${port} is free`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      const advice = `If that is not mumu itself: stop it, or set ${variable} to another port.`;
      return warning(name, `${host}:${port} is taken`, advice);
    }
    return missing(name, `${host}:${port} cannot be used (${code})`, `Set ${variable} to another port.`);
  } finally {
    server.close();
  }
}
