import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryFolder } from '#src/config';
import { randomPack } from '#test/support/random-pack';

let pack: Awaited<ReturnType<typeof randomPack>>;
let chat: ChildProcess | undefined;

beforeAll(async () => {
  pack = await randomPack();
});
afterAll(async () => {
  chat?.kill('SIGKILL');
  while (ofThisTest('redis-server').length > 0) await delay(50);
  await pack?.remove();
});

/** Processes of a kind that work in this test's folder. */
function ofThisTest(kind: string): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n');
  return lines
    .filter((line) => line.includes(kind) && line.includes(pack.folder) && !line.includes('mumu-redis'))
    .map((line) => Number.parseInt(line, 10));
}

/** Starts `mumu chat` and waits until it says where it is. */
async function startChat(): Promise<{ child: ChildProcess; base: string; ended: Promise<unknown[]> }> {
  const node = ['--conditions=mumu-source', '--import', 'tsx', join(repositoryFolder(), 'src/cli/main.ts')];
  const child = spawn(process.execPath, [...node, 'chat', '--port', '0', '--device', 'cpu'], {
    cwd: repositoryFolder(),
    env: { ...process.env, MUMU_DATA: pack.folder, MUMU_PACK: 'random', MUMU_DRAIN_SECONDS: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  chat = child;
  const ended = once(child, 'close');
  let said = '';
  for await (const chunk of child.stderr) {
    said += chunk;
    const base = /chat at (http:\S+),/.exec(said)?.[1];
    if (base !== undefined) return { child, base, ended };
  }
  throw new Error(`mumu chat ended: ${said}`);
}

async function post(base: string, text: string): Promise<string> {
  const body = new FormData();
  body.append('conversation', randomBytes(16).toString('hex'));
  body.append('text', text);
  const response = await fetch(`${base}/api/requests`, { method: 'POST', body });
  return ((await response.json()) as { id: string }).id;
}

/** Reads a request's events until one of them matches. */
async function until(base: string, id: string, event: RegExp): Promise<string> {
  const response = await fetch(`${base}/api/requests/${id}/events`);
  let seen = '';
  for await (const chunk of response.body ?? []) {
    seen += Buffer.from(chunk).toString('utf8');
    if (event.test(seen)) return seen;
  }
  return seen;
}

// Processes are started here, which takes its time on a busy machine.
describe('mumu chat', { timeout: 600_000 }, () => {
  it('survives its engine, its own death and a stop in the middle of a job', async () => {
    const first = await startChat();
    expect((await fetch(`${first.base}/healthz`)).status).toBe(200);

    const lost = await post(first.base, '/generate a march --seconds 6 --seed 1');
    await until(first.base, lost, /"stage":"music"/);
    for (const pid of ofThisTest('engine-process')) process.kill(pid, 'SIGKILL');
    expect(await until(first.base, lost, /event: (?:result|error)/)).toContain('event: result');

    const killed = await post(first.base, '/generate a march --seconds 6 --seed 2');
    await until(first.base, killed, /"stage":"music"/);
    first.child.kill('SIGKILL');
    await first.ended;
    const second = await startChat();
    expect(await until(second.base, killed, /event: (?:result|error)/)).toContain('event: result');

    const stopped = await post(second.base, '/generate a march --seconds 60 --seed 3');
    await until(second.base, stopped, /"stage":"music"/);
    second.child.kill('SIGTERM');
    expect(await second.ended).toEqual([0, null]);
    expect(ofThisTest('redis-server')).toEqual([]);

    const third = await startChat();
    await until(third.base, stopped, /"stage":"music"/);
    const cancelled = await fetch(`${third.base}/api/requests/${stopped}`, { method: 'DELETE' });
    expect(await cancelled.json()).toEqual({ id: stopped, outcome: 'stopping' });
    expect(await until(third.base, stopped, /event: (?:result|error)/)).toContain('"code":"cancelled"');
    third.child.kill('SIGINT');
    expect(await third.ended).toEqual([130, null]);
  });
});
