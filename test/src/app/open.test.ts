import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { openServices } from '#src/app/open';
import { Running } from '#src/app/running';
import { loadConfig } from '#src/config';
import { createLogger } from '#src/log';
import { lengthened, tone } from '#test/support/media-fixtures';

const log = createLogger('silent');
const running: Running[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const parts of running.splice(0)) await parts.close(20_000);
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

it.each([
  ['220', 210],
  [undefined, 199],
])('takes in files as large as MUMU_MAX_UPLOAD_MB says: %s', async (setting, megabytes) => {
  const folder = await mkdtemp(join(tmpdir(), 'mumu-open-'));
  folders.push(folder);
  const bytes = megabytes * 1024 * 1024;
  const song = lengthened(tone(join(folder, 'song.wav'), { seconds: 1 }), bytes);
  const parts = new Running(log);
  running.push(parts);
  const config = loadConfig({ MUMU_DATA: folder, MUMU_MAX_UPLOAD_MB: setting });
  const { services } = await openServices(config, log, parts);
  expect(await services.intake.takeFile(createReadStream(song), 'song.wav')).toMatchObject({
    kind: 'audio',
    bytes,
  });
  const limit = setting ?? '200';
  lengthened(song, (Number(limit) + 1) * 1024 * 1024);
  await expect(services.intake.takeFile(createReadStream(song), 'song.wav')).rejects.toMatchObject({
    code: 'too_large',
    message: `song.wav: The file is larger than ${limit} MB.`,
  });
});
