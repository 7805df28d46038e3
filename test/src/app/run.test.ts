import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { repositoryFolder } from '#src/config';
import { randomPack } from '#test/support/random-pack';

// Processes and an engine start here; a busy machine takes its time.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

/** A Discord that begins an answer to each call and goes no further, until it is told how it ends. */
class SlowDiscord {
  private readonly server: Server;
  private readonly waiting: ServerResponse[] = [];
  private status = 200;

  constructor() {
    this.server = createServer((request, response) => {
      request.resume();
      response.writeHead(this.status, { 'content-type': 'application/json' });
      if (this.status !== 200) {
        response.end(JSON.stringify({ message: 'No.', code: 0 }));
        return;
      }
      // discord.js is patient once an answer has begun.
      response.write(' ');
      this.waiting.push(response);
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/api`;
  }

  get isAsked(): boolean {
    return this.waiting.length > 0;
  }

  /** Ends the first answer, with which application it is, and refuses what comes next with a status. */
  refuse(status: number): void {
    this.status = status;
    for (const response of this.waiting.splice(0)) response.end(JSON.stringify({ id: '1' }));
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe('mumu all beside a Discord that does not answer', () => {
  let pack: Awaited<ReturnType<typeof randomPack>>;
  let folder: string;
  let discord: SlowDiscord;
  let api: string;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    pack = await randomPack();
  });
  afterAll(() => pack?.remove());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mumu-run-'));
    await cp(pack.packFolder, join(folder, 'packs', 'random'), { recursive: true });
    discord = new SlowDiscord();
    api = await discord.listen();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await discord.close();
    await rm(folder, { recursive: true, force: true });
  });

  function start(name = 'random') {
    const main = join(repositoryFolder(), 'src/cli/main.ts');
    const child = spawn(
      process.execPath,
      ['--conditions=mumu-source', '--import', 'tsx', main, 'all', '--device', 'cpu', '--pack', name],
      {
        cwd: repositoryFolder(),
        env: {
          ...{ PATH: process.env.PATH, HOME: folder, TMPDIR: tmpdir(), MUMU_DATA: folder },
          ...{ DISCORD_TOKEN: 'a.b.c', MUMU_DISCORD_API: api, MUMU_OPS_PORT: '0' },
        },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    children.push(child);
    let said = '';
    child.stderr?.on('data', (chunk) => {
      said += chunk;
    });
    const ended = once(child, 'close');
    const saying = (words: RegExp) =>
      vi.waitFor(
        () => {
          if (child.exitCode !== null) throw new Error(`it ended: ${said}`);
          expect(said).toMatch(words);
        },
        { timeout: 240_000, interval: 50 },
      );
    return { child, ended, saying, said: () => said };
  }

  it('its worker takes jobs all the same, and a signal ends both', async () => {
    const { child, ended, saying, said } = start();
    await saying(/pack random on cpu/);
    expect(discord.isAsked).toBe(true);
    expect(said()).not.toMatch(/discord/i);
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });

  it('a token that is refused later ends the worker too', async () => {
    const { ended, saying, said } = start();
    await saying(/pack random on cpu/);
    discord.refuse(401);
    expect(await ended).toEqual([2, null]);
    expect(said()).toContain('DISCORD_TOKEN');
  });

  it('a worker that cannot start ends the start', async () => {
    const { ended, said } = start('nothing');
    expect(await ended).toEqual([2, null]);
    expect(said()).toContain('There is no pack nothing');
  });
});
