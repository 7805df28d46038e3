import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { Config } from '#src/config';
import type { Logger } from '#src/log';
import { type Check, failed, missing, ok, warning } from '#src/ops/doctor/check';
import { loadPolicy } from '#src/policy/load';
import { JobQueue } from '#src/queue/job-queue';
import { openRedis } from '#src/redis/access';

const run = promisify(execFile);

/** The Redis of the settings, or the program that a private one is started from. */
export async function checkRedis(config: Config, log: Logger): Promise<Check> {
  if (config.redisUrl === undefined) {
    try {
      const { stdout } = await run('redis-server', ['--version']);
      return ok(
        'redis',
        `${/v=(\S+)/.exec(stdout)?.[1] ?? 'unknown version'}, private (REDIS_URL is not set)`,
      );
    } catch {
      return missing(
        'redis',
        'redis-server is not installed',
        'Run "sudo apt-get install redis-server" (Debian, Ubuntu) or "brew install redis" (macOS), or set REDIS_URL to a Redis of your own.',
      );
    }
  }
  try {
    const access = await openRedis(config, log);
    try {
      const info = await access.connect('producer').info();
      const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1];
      const found = `${field('redis_version') ?? 'unknown version'}, never evicts`;
      if (field('aof_enabled') === '1') return ok('redis', `${found}, append-only file on`);
      return warning(
        'redis',
        `${found}, append-only file off`,
        'Jobs of the last minutes are lost when it dies: run "redis-cli CONFIG SET appendonly yes" on it, and set it in its configuration file.',
      );
    } finally {
      await access.close();
    }
  } catch (error) {
    return failed('redis', error, 'Mend that, or set REDIS_URL to another one.');
  }
}

/** Who takes jobs from the shared queue, and what was set aside. */
export async function checkWorkers(config: Config, log: Logger): Promise<Check> {
  const name = 'workers';
  try {
    const access = await openRedis(config, log);
    const queue = new JobQueue(access, { ...config.limits, pack: config.pack, log });
    try {
      const [workers, aside] = [await queue.workers(), await queue.setAside()];
      const found = workers.map(
        ({ host, packs, device }) => `${host} (${packs.join(', ')}; ${device ?? 'any'})`,
      );
      if (workers.length === 0) {
        return warning(name, 'none takes jobs from this Redis', 'Start one: mumu worker, or mumu all.');
      }
      if (aside.length === 0) return ok(name, found.join(', '));
      const advice = 'Each ended its worker twice: look for "set aside" in the log, with the ids.';
      return warning(name, `${found.join(', ')}; jobs set aside: ${aside.length}`, advice);
    } finally {
      await queue.close();
      await access.close();
    }
  } catch (error) {
    return failed(name, error, 'Mend Redis first.');
  }
}

/** The operator's rules, read as a bot reads them. */
export async function checkPolicy(config: Config, log: Logger): Promise<Check> {
  try {
    await loadPolicy(config, log);
    return ok('policy', `${config.policyFile} can be read`);
  } catch (error) {
    return failed('policy', error, 'Mend the file of MUMU_POLICY (docs/policy.md).');
  }
}

/** Puts a small object, reads it back and removes it. */
export async function checkS3(s3: NonNullable<Config['s3']>): Promise<Check> {
  const { S3Bucket } = await import('#src/storage/s3-bucket');
  const bucket = new S3Bucket(s3);
  const folder = await mkdtemp(join(tmpdir(), 'mumu-doctor-'));
  try {
    const content = randomBytes(64);
    const key = createHash('sha256').update(content).digest('hex');
    const path = join(folder, 'probe');
    await writeFile(path, content);
    await bucket.check();
    await bucket.upload({ key, bytes: content.length, kind: 'audio', mime: 'audio/wav', seconds: 1 }, path);
    try {
      const [head, body] = [await bucket.head(key), await buffer(await bucket.download(key))];
      if (head?.seconds !== 1 || !body.equals(content)) {
        return missing('s3', `${s3.bucket} changes what it is given`, 'Use a server that keeps metadata.');
      }
    } finally {
      await bucket.remove(key);
    }
    return ok('s3', `${s3.bucket}: put, read and removed an object`);
  } catch (error) {
    return failed('s3', error);
  } finally {
    bucket.close();
    await rm(folder, { recursive: true, force: true });
  }
}
