import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MumuError } from '#contracts/errors';
import { probe } from '#inference/media/probe';
import { createAnswers } from '#src/chat/answers';
import { Intake } from '#src/chat/intake';
import type { EngineState } from '#src/chat/local/context';
import { createServer, listen } from '#src/chat/local/server';
import { loadConfig } from '#src/config';
import { createLogger } from '#src/log';
import { OPEN_POLICY, type Policy } from '#src/policy/policy';
import { consumeJobs, type JobConsumer, type JobHandler } from '#src/queue/consume';
import { JobQueue } from '#src/queue/job-queue';
import { Forget } from '#src/settings/forget';
import { Settings } from '#src/settings/settings';
import { FolderStorage } from '#src/storage/folder-storage';
import { tone } from '#test/support/media-fixtures';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeRequest, makeResult } from '#test/support/requests';

const log = createLogger('silent');

let redis: TestRedis;
let queue: JobQueue;
let storage: FolderStorage;
let app: FastifyInstance;
let consumer: JobConsumer;
let base: string;
let song: Buffer;
let engine: EngineState = { state: 'ready', pack: 'mini', device: 'cpu' };
/** What the operator allows; a test may set its own. */
let rules: Policy = OPEN_POLICY;
/** What the worker does with a job; each test sets its own. */
let handle: JobHandler = async (request) => makeResult(request);

beforeAll(async () => {
  redis = await startTestRedis();
  const config = loadConfig({
    MUMU_DATA: redis.folder,
    MUMU_MAX_UPLOAD_MB: '3',
    MUMU_ALLOWED_HOSTS: 'music.test',
  });
  queue = new JobQueue(redis.access, { activeJobs: 6, keepMilliseconds: 3600_000, log });
  storage = await FolderStorage.open({
    folder: join(redis.folder, 'storage'),
    maxBytes: config.limits.storageBytes,
    keepMilliseconds: config.limits.keepMilliseconds,
    filesInUse: () => queue.filesInUse(),
    log,
  });
  const intake = new Intake({
    queue,
    storage,
    maxFileBytes: config.limits.uploadBytes,
    inspect: async (path, signal) => {
      const { kind, mime, seconds } = await probe(path, signal);
      return { kind, mime, ...(seconds === undefined ? {} : { seconds }) };
    },
  });
  const pageFolder = join(redis.folder, 'page');
  const examplesFolder = join(redis.folder, 'examples');
  await mkdir(pageFolder);
  await mkdir(examplesFolder);
  await writeFile(join(pageFolder, 'index.html'), '<!doctype html><title>mumu</title>');
  const examples = [{ title: 'A waltz', line: '/describe', file: 'waltz.wav' }];
  await writeFile(join(examplesFolder, 'examples.json'), JSON.stringify(examples));
  song = await readFile(tone(join(redis.folder, 'song.wav'), { seconds: 1 }));
  await writeFile(join(examplesFolder, 'waltz.wav'), song);
  const connection = redis.access.connect('producer');
  const { prefix } = redis.access;
  const settings = new Settings(connection, prefix);
  const forget = new Forget({ queue, storage, settings, redis: connection, prefix, log });
  const policy: Policy = {
    mayUse: (who, command) => rules.mayUse(who, command),
    checkPrompt: (text, who) => rules.checkPrompt(text, who),
    checkAnswer: (text, who, part) => rules.checkAnswer(text, who, part),
  };
  const answers = createAnswers({ queue, policy, settings, forget });
  const context = {
    config,
    queue,
    storage,
    intake,
    policy,
    answers,
    settings,
    forget,
    engineState: () => engine,
    pageFolder,
    examplesFolder,
    log,
  };
  app = await createServer(context);
  base = `http://127.0.0.1:${await listen(app, '127.0.0.1', 0)}`;
  consumer = await consumeJobs({
    redis: redis.access,
    queues: ['text', 'music'],
    concurrency: { text: 2, music: 1 },
    handle: (request, context) => handle(request, context),
    keepMilliseconds: 3600_000,
    log,
  });
});

afterAll(async () => {
  await app.close();
  await consumer.close(0);
  await queue.close();
  await redis.close();
});

const conversationName = () => randomBytes(16).toString('hex');

type Field = string | { name: string; bytes: Uint8Array };

function form(fields: Record<string, Field | Field[]>): FormData {
  const data = new FormData();
  for (const [name, given] of Object.entries(fields)) {
    for (const field of Array.isArray(given) ? given : [given]) {
      if (typeof field === 'string') data.append(name, field);
      else data.append(name, new Blob([Uint8Array.from(field.bytes)]), field.name);
    }
  }
  return data;
}

/** The fields that the tests look at; which of them an answer has depends on what was asked. */
interface Answer {
  id: string;
  command: string;
  text: string;
  options: object;
  files: Array<{ key: string }>;
  error: { code: string; message: string };
  exchanges: unknown[];
  jobs: unknown[];
  commands: Array<{ name: string }>;
  examples: Array<{ file: { url: string } }>;
}

async function read(response: Response): Promise<Answer> {
  return (await response.json()) as Answer;
}

async function post(fields: Record<string, Field | Field[]>) {
  const response = await fetch(`${base}/api/requests`, { method: 'POST', body: form(fields) });
  return { status: response.status, body: await read(response) };
}

interface ServerEvent {
  event: string;
  data: { [key: string]: unknown };
}

/** The events of a request until the stream ends, or until `enough`. */
async function events(id: string, enough?: (event: ServerEvent) => boolean): Promise<ServerEvent[]> {
  const response = await fetch(`${base}/api/requests/${id}/events`);
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const seen: ServerEvent[] = [];
  let rest = '';
  for await (const chunk of response.body ?? []) {
    rest += Buffer.from(chunk).toString('utf8');
    const frames = rest.split('\n\n');
    rest = frames.pop() ?? '';
    for (const frame of frames) {
      const event = /^event: (.*)$/m.exec(frame)?.[1];
      if (event === undefined) continue;
      seen.push({ event, data: JSON.parse(/^data: (.*)$/m.exec(frame)?.[1] ?? '') });
      const last = seen.at(-1);
      if (last !== undefined && enough?.(last)) {
        return seen;
      }
    }
  }
  return seen;
}

describe('a request over HTTP', () => {
  it('takes a file and a question and streams the answer', async () => {
    const conversation = conversationName();
    let hear = () => {};
    const heard = new Promise<void>((resolve) => {
      hear = resolve;
    });
    handle = async (request, { onProgress }) => {
      onProgress({ type: 'stage', stage: 'language', fraction: 0.5 });
      onProgress({ type: 'text', text: 'a tone' });
      await heard;
      return makeResult(request, { text: 'a tone of 440 Hz' });
    };
    const sent = await post({ conversation, text: 'What is this?', file: { name: 'söng.wav', bytes: song } });
    expect(sent.status).toBe(202);
    expect(sent.body).toMatchObject({ id: expect.any(String), command: 'ask' });
    expect(sent.body.files).toMatchObject([
      { kind: 'audio', name: 'söng.wav', bytes: song.length, seconds: 1 },
    ]);
    const seen = await events(sent.body.id, (event) => {
      if (event.event === 'text') hear();
      return false;
    });
    expect(seen.at(-1)).toMatchObject({
      event: 'result',
      data: { text: 'a tone of 440 Hz', seed: expect.any(Number) },
    });
    expect(seen.map((event) => event.event)).toContain('text');
    const again = await events(sent.body.id);
    expect(again).toEqual([seen.at(-1)]);
  });

  it('follows up on the last track, in this conversation only', async () => {
    const conversation = conversationName();
    handle = async (request) => makeResult(request);
    const first = await post({ conversation, text: '/describe', file: { name: 'a.wav', bytes: song } });
    await events(first.body.id);
    const followUp = await post({ conversation, text: 'make it slower' });
    expect(followUp.body).toMatchObject({ command: 'remix', files: [{ key: first.body.files[0]?.key }] });
    await events(followUp.body.id);
    const stranger = await post({ conversation: conversationName(), text: '/remix slower' });
    expect(stranger).toMatchObject({ status: 400, body: { error: { code: 'invalid_input' } } });
    const thief = await post({
      conversation: conversationName(),
      text: '/describe',
      files: first.body.files[0]?.key ?? '',
    });
    expect(thief).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } });
    const owner = await post({
      conversation,
      command: 'ask',
      text: 'Key?',
      files: first.body.files[0]?.key ?? '',
    });
    expect(owner.status).toBe(202);
    await events(owner.body.id);
  });

  it('takes explicit fields, with options of the page behind those of the line', async () => {
    const conversation = conversationName();
    const explicit = await post({
      conversation,
      command: 'generate',
      text: 'calm',
      options: JSON.stringify({ seconds: 12, seed: 9 }),
      action: 'vary',
    });
    expect(explicit.body.options).toEqual({ seconds: 12, seed: 9 });
    const options = JSON.stringify({ seconds: 12, temperature: 0.2 });
    const line = await post({ conversation, text: '/generate calm --seconds 5', options });
    expect(line.body.options).toMatchObject({ seconds: 5, temperature: 0.2 });
    await Promise.all([events(explicit.body.id), events(line.body.id)]);
  });

  it('cancels what runs, and a reload in the middle shows where it is', async () => {
    const conversation = conversationName();
    handle = (_request, { signal, onProgress }) => {
      onProgress({ type: 'stage', stage: 'music', fraction: 0.4 });
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    };
    const { body } = await post({ conversation, text: '/generate long' });
    await events(body.id, (event) => event.event === 'progress');
    const reloaded = await read(await fetch(`${base}/api/conversations/${conversation}`));
    expect(reloaded.exchanges).toMatchObject([{ id: body.id, state: 'active', typed: '/generate long' }]);
    const replayed = await events(body.id, (event) => event.event === 'progress');
    expect(replayed.at(-1)?.data).toEqual({ stage: 'music', fraction: 0.4 });
    const shown = await read(await fetch(`${base}/api/queue?conversation=${conversation}`));
    expect(shown.jobs).toEqual([{ id: body.id, command: 'generate', state: 'active', position: 0 }]);
    const told = events(body.id);
    const cancelled = await fetch(`${base}/api/requests/${body.id}`, { method: 'DELETE' });
    expect(await cancelled.json()).toEqual({ id: body.id, outcome: 'stopping' });
    expect((await told).at(-1)).toMatchObject({ event: 'error', data: { code: 'cancelled' } });
  });

  it('answers /help, /queue and /cancel without a job', async () => {
    const conversation = conversationName();
    expect((await post({ conversation, text: '/help generate' })).body.text).toContain('--seconds');
    expect((await post({ conversation, text: '/queue' })).body).toMatchObject({ command: 'queue', jobs: [] });
    expect((await post({ conversation, text: '/cancel' })).body).toEqual({
      command: 'cancel',
      outcome: 'nothing',
    });
  });

  it('keeps settings, which count where neither the page nor the line says otherwise', async () => {
    const conversation = conversationName();
    const set = await post({ conversation, text: '/settings seconds 20' });
    expect(set).toMatchObject({ status: 200, body: { command: 'settings' } });
    expect(set.body.text).toContain('seconds is set to 20');
    await post({ conversation, text: '/settings temperature 0.3' });
    expect((await post({ conversation, text: '/settings' })).body.text).toMatch(/^seconds: 20$/m);
    handle = async (request) => makeResult(request);
    const optionsOf = async (fields: Record<string, Field>) => {
      const { body } = await post({ conversation, ...fields });
      await events(body.id);
      return body.options;
    };
    expect(await optionsOf({ text: '/generate calm' })).toMatchObject({ seconds: 20, temperature: 0.3 });
    expect(await optionsOf({ text: '/generate calm --seconds 5' })).toMatchObject({ seconds: 5 });
    const options = JSON.stringify({ seconds: 9 });
    expect(await optionsOf({ text: '/generate calm', options })).toMatchObject({ seconds: 9 });
    expect(await optionsOf({ text: 'what is a waltz?' })).not.toHaveProperty('seconds');
    expect(await optionsOf({ text: 'calm', command: 'generate' })).not.toHaveProperty('seconds');
    await post({ conversation, text: '/settings reset' });
    expect(await optionsOf({ text: '/generate calm' })).not.toHaveProperty('seconds');
    expect((await post({ conversation, text: '/settings tempo 3' })).body.error.message).toMatch(
      /no setting tempo/,
    );
  });

  it('goes by the operator’s policy', async () => {
    const conversation = conversationName();
    handle = async (request, { onProgress }) => {
      onProgress({ type: 'text', text: 'a damn' });
      await new Promise((resolve) => setTimeout(resolve, 300));
      return makeResult(request);
    };
    rules = {
      mayUse: async (_who, command) => {
        if (command === 'remix') throw new MumuError('not_allowed', 'No remixes here.');
      },
      checkPrompt: async (text) => {
        if (text.includes('bad')) throw new MumuError('refused', 'Not that.');
      },
      checkAnswer: async (text) => text.replace('damn', '████'),
    };
    try {
      expect(await post({ conversation, text: '/remix slower' })).toMatchObject({
        status: 403,
        body: { error: { code: 'not_allowed', message: 'No remixes here.' } },
      });
      expect(await post({ conversation, text: 'a bad question?' })).toMatchObject({
        status: 422,
        body: { error: { code: 'refused' } },
      });
      const { body } = await post({ conversation, text: 'a question?' });
      const told = await events(body.id);
      expect(told.find(({ event }) => event === 'text')?.data).toEqual({ text: 'a ████' });
      expect(told.at(-1)?.event).toBe('result');
    } finally {
      rules = OPEN_POLICY;
    }
  });

  it('forgets what was given in a conversation, and nothing of others', async () => {
    const [conversation, other] = [conversationName(), conversationName()];
    handle = async (request) => makeResult(request);
    const file = { name: 'own.wav', bytes: Buffer.concat([song, Buffer.alloc(64)]) };
    const asked = await post({ conversation, text: 'what is this?', file });
    const key = asked.body.files[0]?.key as string;
    await events(asked.body.id);
    const kept = await post({ conversation: other, text: 'what is a waltz?' });
    await events(kept.body.id);
    const forgotten = await post({ conversation, text: '/settings forget me' });
    expect(forgotten.body).toMatchObject({ command: 'settings', forgotten: true });
    expect(forgotten.body.text).toContain('1 request with the answers (in 1 conversation), 1 file');
    expect((await read(await fetch(`${base}/api/conversations/${conversation}`))).exchanges).toEqual([]);
    expect((await fetch(`${base}/api/files/${key}?conversation=${conversation}`)).status).toBe(404);
    expect((await fetch(`${base}/api/requests/${asked.body.id}/events`)).status).toBe(404);
    expect(await storage.find(key)).toBeUndefined();
    expect((await read(await fetch(`${base}/api/conversations/${other}`))).exchanges).toHaveLength(1);
  });

  it('neither tells of nor stops what was asked on a chat platform, whose ids are no secret', async () => {
    handle = (_request, { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const request = makeRequest({ id: '1234567890', conversation: 'discord:1', user: 'discord:2' });
    await queue.submit(request);
    expect((await fetch(`${base}/api/requests/1234567890/events`)).status).toBe(404);
    expect((await fetch(`${base}/api/requests/1234567890`, { method: 'DELETE' })).status).toBe(404);
    expect((await fetch(`${base}/api/conversations/discord:1`)).status).toBe(400);
    await queue.cancel(request.id);
  });

  it('tells a failure as an error event', async () => {
    handle = async () => {
      throw new MumuError('cannot_do', 'I cannot sing.');
    };
    const { body } = await post({ conversation: conversationName(), text: 'sing?' });
    expect((await events(body.id)).at(-1)).toEqual({
      event: 'error',
      data: { code: 'cannot_do', message: 'I cannot sing.' },
    });
    const response = await fetch(`${base}/api/requests/${body.id}/events`, {
      headers: { 'last-event-id': 'end' },
    });
    expect(response.status).toBe(204);
  });
});

describe('bad input', () => {
  it.each<[string, Record<string, Field | Field[]>, number, RegExp]>([
    ['no conversation', { text: 'hi?' }, 400, /conversation is missing/],
    ['a short conversation', { text: 'hi?', conversation: 'x' }, 400, /named by 22/],
    ['an unknown command', { text: '/sing', conversation: 'c'.repeat(32) }, 400, /no command \/sing/],
    ['options that are no JSON', { text: 'a?', conversation: 'c'.repeat(32), options: '{' }, 400, /JSON/],
    ['an empty prompt', { command: 'generate', conversation: 'c'.repeat(32) }, 400, /Say what the music/],
    ['text too long', { text: 'a'.repeat(4001), conversation: 'c'.repeat(32) }, 400, /at most 4,000/],
    [
      'an empty file',
      { text: '', conversation: 'c'.repeat(32), file: { name: 'a.mp3', bytes: Buffer.alloc(0) } },
      400,
      /^a\.mp3: The file is empty/,
    ],
    [
      'a text called .mp3',
      {
        text: '',
        conversation: 'c'.repeat(32),
        file: { name: 'a.mp3', bytes: Buffer.from('not music at all') },
      },
      415,
      /^a\.mp3: /,
    ],
    [
      'a large file',
      {
        text: '',
        conversation: 'c'.repeat(32),
        file: { name: 'a.wav', bytes: Buffer.alloc(5 * 1024 * 1024) },
      },
      413,
      /^a\.wav: The file is larger than 3 MB/,
    ],
    [
      'too many files',
      {
        text: '',
        conversation: 'c'.repeat(32),
        file: Array.from({ length: 11 }, () => ({ name: 'a.wav', bytes: Buffer.from('x') })),
      },
      413,
      /./,
    ],
  ])('%s', async (_name, fields, status, message) => {
    const answer = await post(fields);
    expect(answer.body.error.message).toMatch(message);
    expect(answer.status).toBe(status);
  });

  it('that is no form, no route, no request', async () => {
    const json = await fetch(`${base}/api/requests`, { method: 'POST', body: '{}' });
    expect(json.status).toBe(400);
    expect((await read(json)).error.code).toBe('invalid_input');
    const lost = await fetch(`${base}/api/nothing`);
    expect([lost.status, (await read(lost)).error.code]).toEqual([404, 'not_found']);
    const unknown = await fetch(`${base}/api/requests/nobody/events`);
    expect(unknown.status).toBe(404);
    expect((await fetch(`${base}/api/requests/nobody`, { method: 'DELETE' })).status).toBe(404);
  });

  it('beyond the limit of jobs is refused plainly', async () => {
    handle = (_request, { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const conversation = conversationName();
    const ids: string[] = [];
    for (let count = 0; count < 6; count += 1) {
      ids.push((await post({ conversation, text: `question ${count}?` })).body.id);
    }
    const refused = await post({ conversation, text: 'one more?' });
    expect(refused).toMatchObject({ status: 429, body: { error: { code: 'limit_reached' } } });
    const bytes = Buffer.concat([song, Buffer.alloc(640)]);
    const file = { name: 'too-many.wav', bytes };
    expect((await post({ conversation, text: 'and this?', file })).status).toBe(429);
    // It was not even stored.
    expect(await storage.find(createHash('sha256').update(bytes).digest('hex'))).toBeUndefined();
    const ended = ids.map((id) => events(id));
    for (const id of ids) await fetch(`${base}/api/requests/${id}`, { method: 'DELETE' });
    for (const seen of await Promise.all(ended)) expect(seen.at(-1)?.data.code).toBe('cancelled');
  });
});

describe('files', () => {
  it('are served to their conversation only, whole and in ranges', async () => {
    const conversation = conversationName();
    handle = async (request) => makeResult(request);
    const { body } = await post({
      conversation,
      text: '/describe',
      file: { name: 'a "b".wav', bytes: song },
    });
    await events(body.id);
    const url = `${base}/api/files/${body.files[0]?.key}?conversation=`;
    const whole = await fetch(url + conversation);
    expect(whole.headers.get('content-type')).toMatch(/^audio\//);
    expect(whole.headers.get('x-content-type-options')).toBe('nosniff');
    expect(whole.headers.get('content-disposition')).toBe(
      'inline; filename="a _b_.wav"; filename*=UTF-8\'\'a%20%22b%22.wav',
    );
    expect(Buffer.from(await whole.arrayBuffer())).toEqual(song);
    const part = await fetch(url + conversation, { headers: { range: 'bytes=100-199' } });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 100-199/${song.length}`);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(song.subarray(100, 200));
    const tail = await fetch(url + conversation, { headers: { range: 'bytes=-50' } });
    expect(Buffer.from(await tail.arrayBuffer())).toEqual(song.subarray(-50));
    const beyond = await fetch(url + conversation, { headers: { range: `bytes=${song.length}-` } });
    expect(beyond.status).toBe(416);
    const saved = await fetch(`${url + conversation}&download=1`);
    expect(saved.headers.get('content-disposition')).toMatch(/^attachment/);
    expect((await fetch(url + conversationName())).status).toBe(404);
    expect((await fetch(`${base}/api/files/..%2f..%2fetc?conversation=${conversation}`)).status).toBe(404);
  });
});

describe('the rest', () => {
  it('says whether it can answer', async () => {
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
    engine = { state: 'starting' };
    const starting = await fetch(`${base}/healthz`);
    expect([starting.status, await starting.json()]).toEqual([503, { state: 'starting' }]);
    engine = { state: 'ready', pack: 'mini', device: 'cpu' };
  });

  it('serves the page, help and examples', async () => {
    const page = await fetch(base);
    expect(await page.text()).toContain('<title>mumu</title>');
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(page.headers.get('access-control-allow-origin')).toBeNull();
    const help = await read(await fetch(`${base}/api/help`));
    expect(help.commands.map((command) => command.name)).toContain('remix');
    const { examples } = await read(await fetch(`${base}/api/examples`));
    expect(examples[0]?.file.url).toBe('/examples/waltz.wav');
    expect((await fetch(base + examples[0]?.file.url)).status).toBe(200);
  });

  /** The path goes out as it is written here, whatever a browser would make of it. */
  const status = (headers: Record<string, string>, path = '/api/help', method = 'GET') =>
    new Promise<number | undefined>((resolve, reject) => {
      const options = { headers, path, method, port: new URL(base).port, host: '127.0.0.1' };
      httpRequest(options, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });

  it('answers only to its own names and its own page', async () => {
    expect(await status({ host: 'evil.example' })).toBe(421);
    expect(await status({ host: 'music.test' })).toBe(200);
    expect(await status({ host: 'localhost:8020' })).toBe(200);
    expect(await status({ host: '[::1]:8020' })).toBe(200);
    expect(await status({ host: 'localhost', origin: 'http://evil.example' })).toBe(403);
    expect(await status({ host: 'localhost', 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await status({ host: 'localhost', origin: 'http://localhost' })).toBe(200);
  });

  it.each([
    '/api/requests',
    '/%61pi/requests',
    '/%61%70%69/%72equests',
    '/api%2frequests',
    '//api/requests',
    '/api//requests',
    '/API/requests',
    '/./api/requests',
    '/api/requests;x=1',
    '/api/requests/',
    '/anything',
  ])('lets no other page change anything, however the address is written: %s', async (path) => {
    const foreign = { host: 'localhost', origin: 'http://evil.example' };
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expect(await status(foreign, path, method)).toBe(403);
      expect(await status({ host: 'localhost', 'sec-fetch-site': 'cross-site' }, path, method)).toBe(403);
    }
    expect(await status({ ...foreign, origin: 'http://localhost' }, path, 'POST')).not.toBe(403);
  });

  it('hands no other page anything of the interface, but lets them link to the page', async () => {
    const foreign = { host: 'localhost', 'sec-fetch-site': 'cross-site' };
    expect(await status(foreign, '/%61pi/help')).toBe(403);
    expect(await status(foreign, '/api/%68elp', 'HEAD')).toBe(403);
    expect(await status({ host: 'localhost', origin: 'null' }, '/%61pi/queue?conversation=x')).toBe(403);
    expect(await status(foreign, '/')).toBe(200);
    expect(await status(foreign, '/healthz')).toBe(200);
  });
});
