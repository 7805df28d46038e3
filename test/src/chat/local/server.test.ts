import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conversationName, type Field, LocalServer, read } from '#test/src/chat/local/support';
import { makeResult } from '#test/support/requests';

let local: LocalServer;

beforeAll(async () => {
  local = await LocalServer.start();
});
afterAll(() => local.close());

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
    const answer = await local.post(fields);
    expect(answer.body.error.message).toMatch(message);
    expect(answer.status).toBe(status);
  });

  it('that is no form, no route, no request', async () => {
    const json = await fetch(`${local.base}/api/requests`, { method: 'POST', body: '{}' });
    expect(json.status).toBe(400);
    expect((await read(json)).error.code).toBe('invalid_input');
    const lost = await fetch(`${local.base}/api/nothing`);
    expect([lost.status, (await read(lost)).error.code]).toEqual([404, 'not_found']);
    const unknown = await fetch(`${local.base}/api/requests/nobody/events`);
    expect(unknown.status).toBe(404);
    expect((await fetch(`${local.base}/api/requests/nobody`, { method: 'DELETE' })).status).toBe(404);
  });

  it('beyond the limit of jobs is refused plainly', async () => {
    local.handle = (_request, { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const conversation = conversationName();
    const ids: string[] = [];
    for (let count = 0; count < 6; count += 1) {
      ids.push((await local.post({ conversation, text: `question ${count}?` })).body.id);
    }
    const refused = await local.post({ conversation, text: 'one more?' });
    expect(refused).toMatchObject({ status: 429, body: { error: { code: 'limit_reached' } } });
    const bytes = Buffer.concat([local.song, Buffer.alloc(640)]);
    const file = { name: 'too-many.wav', bytes };
    expect((await local.post({ conversation, text: 'and this?', file })).status).toBe(429);
    // It was not even stored.
    expect(await local.storage.find(createHash('sha256').update(bytes).digest('hex'))).toBeUndefined();
    const ended = ids.map((id) => local.events(id));
    for (const id of ids) await fetch(`${local.base}/api/requests/${id}`, { method: 'DELETE' });
    for (const seen of await Promise.all(ended)) expect(seen.at(-1)?.data.code).toBe('cancelled');
  });
});

describe('files', () => {
  it('are served to their conversation only, whole and in ranges', async () => {
    const conversation = conversationName();
    local.handle = async (request) => makeResult(request);
    const { body } = await local.post({
      conversation,
      text: '/describe',
      file: { name: 'a "b".wav', bytes: local.song },
    });
    await local.events(body.id);
    const url = `${local.base}/api/files/${body.files[0]?.key}?conversation=`;
    const whole = await fetch(url + conversation);
    expect(whole.headers.get('content-type')).toMatch(/^audio\//);
    expect(whole.headers.get('x-content-type-options')).toBe('nosniff');
    expect(whole.headers.get('content-disposition')).toBe(
      'inline; filename="a _b_.wav"; filename*=UTF-8\'\'a%20%22b%22.wav',
    );
    expect(Buffer.from(await whole.arrayBuffer())).toEqual(local.song);
    const part = await fetch(url + conversation, { headers: { range: 'bytes=100-199' } });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 100-199/${local.song.length}`);
    expect(Buffer.from(await part.arrayBuffer())).toEqual(local.song.subarray(100, 200));
    const tail = await fetch(url + conversation, { headers: { range: 'bytes=-50' } });
    expect(Buffer.from(await tail.arrayBuffer())).toEqual(local.song.subarray(-50));
    const beyond = await fetch(url + conversation, { headers: { range: `bytes=${local.song.length}-` } });
    expect(beyond.status).toBe(416);
    const saved = await fetch(`${url + conversation}&download=1`);
    expect(saved.headers.get('content-disposition')).toMatch(/^attachment/);
    expect((await fetch(url + conversationName())).status).toBe(404);
    expect((await fetch(`${local.base}/api/files/..%2f..%2fetc?conversation=${conversation}`)).status).toBe(
      404,
    );
  });
});

describe('the rest', () => {
  it('says whether it can answer', async () => {
    expect((await fetch(`${local.base}/healthz`)).status).toBe(200);
    local.engine = { state: 'starting' };
    const starting = await fetch(`${local.base}/healthz`);
    expect([starting.status, await starting.json()]).toEqual([503, { state: 'starting' }]);
    local.engine = { state: 'ready', pack: 'mini', device: 'cpu' };
  });

  it('serves the page, help and examples', async () => {
    const page = await fetch(local.base);
    expect(await page.text()).toContain('<title>mumu</title>');
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(page.headers.get('access-control-allow-origin')).toBeNull();
    const help = await read(await fetch(`${local.base}/api/help`));
    expect(help.commands.map((command) => command.name)).toContain('remix');
    const { examples } = await read(await fetch(`${local.base}/api/examples`));
    expect(examples[0]?.file.url).toBe('/examples/waltz.wav');
    expect((await fetch(local.base + examples[0]?.file.url)).status).toBe(200);
  });

  /** The path goes out as it is written here, whatever a browser would make of it. */
  const status = (headers: Record<string, string>, path = '/api/help', method = 'GET') =>
    new Promise<number | undefined>((resolve, reject) => {
      const options = { headers, path, method, port: new URL(local.base).port, host: '127.0.0.1' };
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
