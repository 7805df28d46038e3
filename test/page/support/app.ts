import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { buildPack } from '#models/packs/build';
import { repositoryFolder } from '#src/config';
import { writeRandomCheckpoint } from '#test/support/random-checkpoint';

export interface PageApp {
  /** Address of the page. */
  base: string;
  pack: string;
  stop(): Promise<void>;
}

/** Bundles the page as it is now. @param folder where to; by default where the app serves it from */
export async function buildPage(folder?: string): Promise<void> {
  await build({
    configFile: join(repositoryFolder(), 'vite.config.ts'),
    logLevel: 'warn',
    ...(folder === undefined ? {} : { build: { outDir: folder } }),
  });
}

/**
 * The whole app as `mumu chat` starts it, in a data folder of its own: Redis, server, worker and engine, with the
 * pack that ships with the repository, or one of random weights where none does.
 */
export async function startPageApp(): Promise<PageApp> {
  const root = repositoryFolder();
  await buildPage();
  const data = await mkdtemp(join(tmpdir(), 'mumu-page-'));
  const pack = existsSync(join(root, 'models', 'mini', 'checkpoint.json')) ? 'mini' : 'random';
  if (pack === 'random') {
    await writeRandomCheckpoint(join(data, 'checkpoint'));
    await buildPack(join(data, 'checkpoint'), join(data, 'packs', pack));
  }
  const child = spawn(
    process.execPath,
    ['--conditions=mumu-source', '--import', 'tsx', join(root, 'src/cli/main.ts'), 'chat', '--pack', pack],
    {
      cwd: root,
      env: {
        ...process.env,
        MUMU_DATA: data,
        MUMU_PORT: '0',
        MUMU_LOG: 'warn',
        REDIS_URL: '',
        NODE_OPTIONS: '',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let said = '';
  const base = await new Promise<string>((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const address = /chat at (http:\/\/[\d.]+:\d+)/.exec(said)?.[1];
      if (address !== undefined) resolve(address);
    });
    void ended.then(() => reject(new Error(`mumu chat ended: ${said}`)));
  });
  return {
    base,
    pack,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      await rm(data, { recursive: true, force: true });
    },
  };
}
