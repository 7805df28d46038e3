import { randomInt, randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chooseFiles } from '#commands/attachments';
import { checkText } from '#commands/parse';
import { commandNamed } from '#commands/registry';
import type { EngineResult } from '#contracts/engine';
import { MumuError } from '#contracts/errors';
import { type RequestCommand, type RequestOptions, requestSchema } from '#contracts/request';
import { startEngine } from '#inference/engine-client';
import { openInput } from '#src/cli/input-file';
import { onInterrupt } from '#src/cli/interrupt';
import { checkTarget, deliver, formatOf, numbered, openDrafts } from '#src/cli/output-file';
import { ensurePack } from '#src/cli/packs';
import { ProgressView } from '#src/cli/terminal';
import type { Config } from '#src/config';

export interface OneShot {
  command: RequestCommand;
  text: string;
  /** Paths of files the request is about. */
  files: readonly string[];
  options: RequestOptions;
  device: Config['device'];
  /** Where the music goes; absent: a free name in the working folder. */
  out?: string;
}

export interface OneShotResult {
  id: string;
  text: string;
  files: Array<{ path: string; mime: string; seconds?: number }>;
  seed: number;
  pack: string;
  timings: EngineResult['timings'];
  notes: string[];
  plan: NonNullable<EngineResult['plan']>;
}

/**
 * Does one request on an engine of its own, without Redis and server.
 * @throws MumuError
 */
export async function runOneShot(config: Config, asked: OneShot): Promise<OneShotResult> {
  const view = new ProgressView(process.stderr);
  const spec = commandNamed(asked.command);
  const text = checkText(asked.text, spec);
  const format = asked.out === undefined ? asked.options.format : formatOf(asked.out);
  if (asked.out !== undefined) await checkTarget(asked.out);
  const inputs = await Promise.all(asked.files.map((path) => openInput(path, config.limits.uploadBytes)));
  const action = 'new' as const;
  const references = inputs.map((input) => input.reference);
  chooseFiles({ command: asked.command, text, action }, references, undefined);
  if (format === 'mp4' && !references.some((reference) => reference.kind === 'video')) {
    throw new MumuError(
      'invalid_input',
      'mp4 is for clips: name a file that ends in .wav, .mp3, .ogg or .flac.',
    );
  }
  const seed = asked.options.seed ?? randomInt(2 ** 32);
  const request = requestSchema.parse({
    command: asked.command,
    id: randomUUID(),
    conversation: 'shell',
    user: 'shell',
    files: references,
    options: { ...asked.options, seed, ...(format === undefined ? {} : { format }) },
    text,
    ...(asked.command === 'generate' ? { action } : {}),
  });

  const packFolder = await ensurePack(config, asked.options.pack ?? config.pack, {
    onProgress: (fraction) => view.show('building', fraction),
    onWait: () => view.note('another mumu builds this pack: waiting for it'),
  });
  const workFolder = await mkdtemp(join(tmpdir(), 'mumu-'));
  const engine = startEngine({
    packFolder,
    device: asked.device,
    threads: config.threads,
    cacheFolder: join(config.dataFolder, 'cache'),
    verbose: /^(?:info|debug|trace)$/.test(config.logLevel),
  });
  const forget = onInterrupt(() => {
    if (engine.pid !== null) process.kill(engine.pid, 'SIGKILL');
    rmSync(workFolder, { recursive: true, force: true });
    for (const draft of openDrafts()) rmSync(draft, { force: true });
    view.clear();
  });
  try {
    const result = await engine.run(
      { request, files: inputs.map((input) => input.engine), workFolder, seed },
      { onProgress: (progress) => view.report(progress) },
    );
    view.clear();
    return {
      id: request.id,
      text: result.text,
      files: await deliverAll(result, asked.out),
      seed,
      pack: result.pack,
      timings: result.timings,
      notes: result.notes,
      plan: result.plan ?? [],
    };
  } finally {
    view.clear();
    await engine.close();
    await rm(workFolder, { recursive: true, force: true });
    forget();
  }
}

async function deliverAll(result: EngineResult, out: string | undefined): Promise<OneShotResult['files']> {
  const files: OneShotResult['files'] = [];
  for (const [index, file] of result.files.entries()) {
    const target = out === undefined ? file.name : index === 0 ? out : numbered(out, index + 1);
    const path = await deliver(file.path, target, out !== undefined);
    files.push({ path, mime: file.mime, ...(file.seconds === undefined ? {} : { seconds: file.seconds }) });
  }
  return files;
}
