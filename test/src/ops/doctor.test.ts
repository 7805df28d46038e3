import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, repositoryFolder } from '#src/config';
import { createLogger } from '#src/log';
import { examine } from '#src/ops/doctor/examine';
import { checkNode, checkPort } from '#src/ops/doctor/machine';
import { checkRedis, checkS3, checkWorkers } from '#src/ops/doctor/services';
import { checkDiscord, checkSlack, manifestScopes } from '#src/ops/doctor/tokens';
import { consumeJobs } from '#src/queue/consume';
import { describeWithPython } from '#test/models/support/python';
import { RedisProcess } from '#test/support/redis-process';
import { makeResult } from '#test/support/requests';
import { startTestS3 } from '#test/support/s3';

const log = createLogger('silent');
/** The shapes of tokens; no such bots exist. */
const DISCORD_TOKEN = `${'M'.repeat(26)}.GabcdE.${'x'.repeat(38)}`;
const SLACK = { botToken: 'xoxb-1-2-three', port: 0, host: '127.0.0.1' } as const;

let server: Server;
let base: string;
/** What the platform answers, by path. */
let answers: Record<string, { status?: number; scopes?: string; body: object }>;
let authorised: string[];

beforeAll(async () => {
  server = createServer((request, response) => {
    authorised.push(request.headers.authorization ?? '');
    const answer = answers[request.url ?? ''] ?? { status: 404, body: {} };
    response.writeHead(answer.status ?? 200, {
      'content-type': 'application/json',
      ...(answer.scopes === undefined ? {} : { 'x-oauth-scopes': answer.scopes }),
    });
    request.resume().on('end', () => response.end(JSON.stringify(answer.body)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  base = `http://127.0.0.1:${address.port}`;
});
afterAll(() => server?.close());
afterEach(() => {
  answers = {};
  authorised = [];
});

describe('checkDiscord', () => {
  const check = (token = DISCORD_TOKEN) => checkDiscord({ token, api: `${base}/api` });
  const both = { body: { integration_types_config: { 0: {}, 1: {} } } };

  it('knows what a token looks like, without asking anybody', async () => {
    authorised = [];
    const found = await check('0123456789abcdef0123456789abcdef');
    expect(found).toMatchObject({ state: 'missing', advice: expect.stringContaining('Reset Token') });
    expect(authorised).toEqual([]);
  });

  it('says whom the token belongs to', async () => {
    answers = { '/api/v10/users/@me': { body: { username: 'mumu' } }, '/api/v10/applications/@me': both };
    authorised = [];
    expect(await check()).toEqual({ name: 'discord', state: 'ok', found: 'signed in as mumu' });
    expect(authorised).toEqual([`Bot ${DISCORD_TOKEN}`, `Bot ${DISCORD_TOKEN}`]);
  });

  it('says what to do about a token that is not taken and an app that users cannot install', async () => {
    answers = { '/api/v10/users/@me': { status: 401, body: {} } };
    expect(await check()).toMatchObject({ state: 'missing', found: 'Discord does not take DISCORD_TOKEN' });
    answers = {
      '/api/v10/users/@me': { body: { username: 'mumu' } },
      '/api/v10/applications/@me': { body: { integration_types_config: { 0: {} } } },
    };
    expect(await check()).toMatchObject({
      state: 'warning',
      found: 'signed in as mumu, not installable to users',
    });
  });

  it('takes no answer for no proof of a bad token', async () => {
    const away = await checkDiscord({ token: DISCORD_TOKEN, api: 'http://127.0.0.1:9/api' });
    expect(away).toMatchObject({ state: 'warning', found: expect.stringContaining('cannot be reached') });
    expect(JSON.stringify(away)).not.toContain(DISCORD_TOKEN);
  });
});

describe('checkSlack', () => {
  const check = (given: Partial<Parameters<typeof checkSlack>[0]> = {}) =>
    checkSlack(
      { ...SLACK, appToken: 'xapp-1-2', signingSecret: undefined, api: `${base}/api/`, ...given },
      log,
    );
  const signedIn = { ok: true, user: 'mumu', team: 'Orchestra', user_id: 'U1', team_id: 'T1' };

  it.each([
    [{ botToken: 'xoxp-1' }, /no bot token/],
    [{ appToken: 'xoxb-1' }, /no app-level token/],
    [{ appToken: undefined, signingSecret: 'hush' }, /no signing secret/],
    [{ appToken: undefined }, /takes no events/],
  ])('knows what is wrong with %j without asking', async (given, found) => {
    const checked = await check(given);
    expect(checked.state).toBe('missing');
    expect(checked.found).toMatch(found);
    expect(checked.advice).toBeDefined();
  });

  it('compares the scopes with the manifest', async () => {
    const scopes = await manifestScopes();
    answers = {
      '/api/auth.test': { scopes: scopes.join(','), body: signedIn },
      '/api/apps.connections.open': { body: { ok: true, url: 'wss://nowhere.invalid' } },
    };
    expect(await check()).toEqual({
      name: 'slack',
      state: 'ok',
      found: 'signed in as mumu in Orchestra, Socket Mode',
    });
    const fewer = scopes.filter((scope) => scope !== 'files:write');
    answers['/api/auth.test'] = { scopes: fewer.join(','), body: signedIn };
    expect(await check()).toMatchObject({ state: 'missing', found: 'the bot token lacks files:write' });
  });

  it('says which word Slack refuses the tokens with', async () => {
    answers = { '/api/auth.test': { body: { ok: false, error: 'invalid_auth' } } };
    expect(await check()).toMatchObject({
      state: 'missing',
      found: 'Slack does not take the tokens (invalid_auth)',
    });
    expect(await check({ api: 'http://127.0.0.1:9/api/' })).toMatchObject({ state: 'warning' });
  });

  it('reads the same scopes as a YAML parser', async () => {
    const manifest = parse(await readFile(join(repositoryFolder(), 'manifest.yaml'), 'utf8'));
    expect(await manifestScopes()).toEqual(manifest.oauth_config.scopes.bot);
  });
});

describe('examine', () => {
  it('looks at everything and says what to do about what is missing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mumu-doctor-'));
    try {
      await writeFile(join(folder, 'file'), '');
      const config = loadConfig({
        MUMU_DATA: join(folder, 'data'),
        REDIS_URL: 'redis://127.0.0.1:9',
        MUMU_PUBLIC_URL: 'https://music.example.org',
        MUMU_PACK: 'nowhere',
        MUMU_PORT: '0',
        DISCORD_TOKEN: 'short',
        MUMU_POLICY: join(folder, 'none.json'),
      });
      const checks = await examine(config);
      const states = Object.fromEntries(checks.map(({ name, state }) => [name, state]));
      expect(states).toMatchObject({
        node: 'ok',
        ffmpeg: 'ok',
        redis: 'missing',
        workers: 'missing',
        'pack nowhere': 'missing',
        discord: 'missing',
        settings: 'missing',
        policy: 'missing',
      });
      for (const { state, advice } of checks) if (state === 'missing') expect(advice).toBeTruthy();
      const blocked = await examine({ ...config, dataFolder: join(folder, 'file', 'data') });
      expect(blocked.find(({ name }) => name === 'data folder')).toMatchObject({
        state: 'missing',
        found: expect.stringContaining('ENOTDIR'),
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('counts who takes jobs', async () => {
    const redis = await RedisProcess.create();
    try {
      const config = loadConfig({ REDIS_URL: redis.url });
      expect(await checkRedis(config, log)).toMatchObject({ state: 'ok' });
      expect(await checkWorkers(config, log)).toMatchObject({
        state: 'warning',
        advice: expect.stringContaining('mumu worker'),
      });
      const access = await redis.connect('mumu');
      const consumer = await consumeJobs({
        ...{
          redis: access,
          queues: ['text'],
          concurrency: { text: 1, music: 1 },
          keepMilliseconds: 1000,
          log,
        },
        handle: async (request) => makeResult(request),
      });
      expect(await checkWorkers(config, log)).toMatchObject({
        state: 'ok',
        found: expect.stringContaining('(mini;'),
      });
      await consumer.close(0);
      await access.close();
    } finally {
      await redis.close();
    }
  });

  it('knows old Nodes and taken ports', async () => {
    expect(checkNode('20.18.3').state).toBe('missing');
    expect(checkNode('20.19.0').state).toBe('ok');
    expect(checkNode('24.0.0').state).toBe('ok');
    const taken = await checkPort('page', '127.0.0.1', Number(new URL(base).port), 'MUMU_PORT');
    expect(taken).toMatchObject({ state: 'warning', advice: expect.stringContaining('MUMU_PORT') });
  });
});

describeWithPython('checkS3', () => {
  it('puts, reads and removes an object, and says what is wrong', async () => {
    const s3 = await startTestS3();
    try {
      expect((await checkS3(s3.settings)).state).toBe('ok');
      const left = await s3.client.send(new ListObjectsV2Command({ Bucket: s3.settings.bucket }));
      expect(left.Contents ?? []).toEqual([]);
      const wrong = await checkS3({ ...s3.settings, bucket: 'nowhere' });
      expect(wrong).toMatchObject({ state: 'missing', found: expect.stringContaining('create it') });
    } finally {
      await s3.close();
    }
  });
});
