import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { repositoryFolder } from '#src/config';
import { describeWithPython } from '#test/models/support/python';
import { slackEnvironment } from '#test/src/chat/slack/support/bot';
import { Driver, socketWire, until } from '#test/src/chat/slack/support/driver';
import { SlackServer } from '#test/src/chat/slack/support/slack-server';
import { ALICE, BORIS, BOT, DIRECT_ALICE, DIRECT_BORIS } from '#test/src/chat/slack/support/workspace';
import { randomPack } from '#test/support/random-pack';
import { RedisProcess } from '#test/support/redis-process';
import { startTestS3, type TestS3 } from '#test/support/s3';

/** A process of mumu with what it said. */
interface Part {
  child: ChildProcess;
  ended: Promise<unknown[]>;
  said(): string;
}

// One bot and two workers share nothing but Redis and S3: each has a data folder of its own, as on three machines.
describeWithPython('mumu bot and mumu worker', () => {
  let folder: string;
  let pack: Awaited<ReturnType<typeof randomPack>>;
  let redis: RedisProcess;
  let s3: TestS3;
  let slack: SlackServer;
  const parts: Part[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mumu-serving-'));
    [pack, redis, s3, slack] = await Promise.all([
      randomPack(),
      RedisProcess.create(),
      startTestS3(),
      SlackServer.start(),
    ]);
  });
  afterAll(async () => {
    for (const { child } of parts) child.kill('SIGKILL');
    await slack?.close();
    await s3?.close();
    await redis?.close();
    await pack?.remove();
    await rm(folder, { recursive: true, force: true });
  });

  /** Starts a part on a "machine" of its own and waits until it says that it is there. */
  async function start(machine: string, args: string[], ready: RegExp, given = {}): Promise<Part> {
    const node = ['--conditions=mumu-source', '--import', 'tsx', join(repositoryFolder(), 'src/cli/main.ts')];
    const { endpoint = '', bucket, credentials } = s3.settings;
    const child = spawn(process.execPath, [...node, ...args], {
      cwd: repositoryFolder(),
      env: {
        ...{ PATH: process.env.PATH, HOME: folder, TMPDIR: tmpdir() },
        ...{ MUMU_DATA: join(folder, machine), MUMU_PACK: 'random', MUMU_LOG: 'info', MUMU_SECRET: 'shared' },
        ...{ REDIS_URL: redis.url, S3_BUCKET: bucket, S3_ENDPOINT: endpoint },
        ...{ S3_ACCESS_KEY_ID: credentials?.id, S3_SECRET_ACCESS_KEY: credentials?.secret },
        ...given,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    const part: Part = { child, ended: once(child, 'close'), said: () => said };
    parts.push(part);
    await until(
      `${args.join(' ')} to be ready`,
      () => {
        if (child.exitCode !== null) throw new Error(`${args[0]} ended: ${said}`);
        return ready.test(said) ? true : undefined;
      },
      240,
    );
    return part;
  }

  async function startWorker(machine: string): Promise<Part> {
    await cp(pack.packFolder, join(folder, machine, 'packs', 'random'), { recursive: true });
    return start(machine, ['worker', '--device', 'cpu'], /pack random on cpu/);
  }

  it('share the work over Redis and S3 and stop in order', { timeout: 600_000 }, async () => {
    const [bot, ...workers] = await Promise.all([
      start('bot', ['bot'], /slack connected/, slackEnvironment(slack.address, 'socket')),
      startWorker('one'),
      startWorker('two'),
    ]);
    const driver = new Driver(slack, socketWire(slack));
    for (const seed of [1, 2, 3]) {
      await driver.say(ALICE, DIRECT_ALICE, `/generate a march --seconds 1 --seed ${seed}`);
      await driver.say(BORIS, DIRECT_BORIS, `/generate a waltz --seconds 1 --seed ${seed}`);
    }
    const tracks = () =>
      slack.workspace.messages.flatMap((message) => (message.bot_id === BOT ? message.files : []));
    await until('six tracks', () => (tracks().length >= 6 ? true : undefined), 240);

    for (const worker of workers) expect(worker.said()).toContain('"msg":"job done"');
    expect(workers.map((worker) => worker.said()).join('')).not.toMatch(/a march|a waltz/);
    // Tracks came to the bot through S3: its own folder holds copies only, no store of its own.
    expect(await readdir(join(folder, 'bot'))).toEqual(['s3-cache']);

    for (const { child } of [...workers, bot]) child.kill('SIGTERM');
    for (const { ended } of [...workers, bot]) expect(await ended).toEqual([0, null]);
    expect(tracks()).toHaveLength(6);
    expect(slack.api.problems).toEqual([]);
  });
});
