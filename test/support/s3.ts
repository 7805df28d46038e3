import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { Config } from '#src/config';
import { PYTHON } from '#test/models/support/python';

export type S3Settings = NonNullable<Config['s3']>;

/** A real S3 server (moto, from the training package's test tools) with one bucket, for one test file. */
export interface TestS3 {
  settings: S3Settings;
  client: S3Client;
  close(): Promise<void>;
}

/** Where the server's program lies beside the interpreter. */
const SERVER = PYTHON.replace(/[^/]+$/, 'moto_server');

export async function startTestS3(bucket = 'music'): Promise<TestS3> {
  if (!existsSync(SERVER)) {
    throw new Error(`${SERVER} is not there: install the training package's test tools (npm test does)`);
  }
  const port = await freePort();
  const child = spawn(SERVER, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
  const ended = once(child, 'close');
  const endpoint = `http://127.0.0.1:${port}`;
  const credentials = { id: 'test', secret: 'test' };
  const settings = { bucket, endpoint, region: 'us-east-1', prefix: 'mumu/', credentials };
  while ((await fetch(endpoint).catch(() => undefined)) === undefined) {
    if (child.exitCode !== null) throw new Error(`moto_server ended with ${child.exitCode}`);
    await delay(100);
  }
  const client = new S3Client({
    ...{ endpoint, region: settings.region, forcePathStyle: true },
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return {
    settings,
    client,
    async close() {
      client.destroy();
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address === 'object' && address !== null) return address.port;
  throw new Error('no port');
}
