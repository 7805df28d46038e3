import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';

/** A folder for files made at test time; remove it after the tests. */
export function fixtureFolder(): { path: (name: string) => string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'mumu-media-'));
  return {
    path: (name) => join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function ffmpeg(...args: string[]): void {
  execFileSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-nostdin', '-y', ...args]);
}

/** A sine tone; `options` go before the output (codec, rate, channels). */
export function tone(
  out: string,
  options: { hz?: number; seconds?: number; rate?: number; args?: string[] } = {},
) {
  const { hz = 440, seconds = 2, rate = 44100, args = [] } = options;
  ffmpeg('-f', 'lavfi', '-i', `sine=frequency=${hz}:sample_rate=${rate}:duration=${seconds}`, ...args, out);
  return out;
}

export function silence(out: string, seconds: number, args: string[] = []): string {
  ffmpeg('-f', 'lavfi', '-i', `anullsrc=r=8000:cl=mono`, '-t', String(seconds), ...args, out);
  return out;
}

/** A moving test picture; with sound unless `sound` is false. */
export function clip(
  out: string,
  options: { seconds?: number; size?: string; sound?: boolean; args?: string[] } = {},
) {
  const { seconds = 2, size = '160x120', sound = true, args = [] } = options;
  const audio = sound ? ['-f', 'lavfi', '-i', `sine=frequency=330:duration=${seconds}`] : [];
  const input = ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=10:duration=${seconds}`];
  ffmpeg(...input, ...audio, ...args, out);
  return out;
}

/** Makes a wav as long as wanted, by silence that takes no room on the disk. */
export function lengthened(path: string, bytes: number): string {
  const content = readFileSync(path);
  const data = content.indexOf('data');
  content.writeUInt32LE(bytes - 8, 4);
  content.writeUInt32LE(bytes - data - 8, data + 4);
  writeFileSync(path, content);
  truncateSync(path, bytes);
  return path;
}

/** The first `share` of a file's bytes. */
export async function truncated(from: string, out: string, share: number): Promise<string> {
  const bytes = await readFile(from);
  writeFileSync(out, bytes.subarray(0, Math.floor(bytes.length * share)));
  return out;
}

/** A real PNG of any size: one bit a pixel, all black, so that 40,000 x 40,000 stays small on disk. */
export function blackPng(out: string, width: number, height: number): string {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.writeUInt8(1, 8);
  const rows = deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * height), { level: 1 });
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts = [pngChunk('IHDR', header), pngChunk('IDAT', rows), pngChunk('IEND', Buffer.alloc(0))];
  writeFileSync(out, Buffer.concat([signature, ...parts]));
  return out;
}

function pngChunk(name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
