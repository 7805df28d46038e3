import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openRemote, type RemoteOptions } from '#src/chat/download';

let server: Server;
let base: string;
let requests: IncomingMessage[];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeAll(async () => {
  server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  requests = [];
});

const read = async (path: string, given: Partial<RemoteOptions> = {}) =>
  await buffer(
    await openRemote(`${base}${path}`, { hosts: ['files.test'], maxBytes: 1000, standIn: base, ...given }),
  );

describe('a download', () => {
  it('gives the bytes, with the headers it was told to send', async () => {
    answer = (_request, response) => response.end('a song');
    const headers = { authorization: 'Bearer xoxb-1' };
    expect((await read('/song', { headers })).toString()).toBe('a song');
    expect(requests[0]?.headers).toMatchObject({
      authorization: 'Bearer xoxb-1',
      'accept-encoding': 'identity',
    });
  });

  it('asks nobody but the platform', async () => {
    const addresses = [
      'https://evil.test/song',
      'https://files.test.evil.test/song',
      'https://evilfiles.test/song',
      'http://files.test/song',
      'https://files.test:8443/song',
      'https://user:word@files.test/song',
      'https://files.test@evil.test/song',
      'http://169.254.169.254/latest',
      'http://127.0.0.1:1/song',
      'file:///etc/passwd',
      'no address',
    ];
    for (const address of addresses) {
      await expect(
        openRemote(address, { hosts: ['files.test'], maxBytes: 10, standIn: base }),
      ).rejects.toMatchObject({ code: 'unsupported_media' });
    }
    expect(requests).toHaveLength(0);
    await expect(openRemote(`${base}/song`, { hosts: ['files.test'], maxBytes: 10 })).rejects.toMatchObject({
      code: 'unsupported_media',
    });
  });

  it('follows a move inside the platform, and none to elsewhere or in circles', async () => {
    answer = (request, response) => {
      if (request.url === '/moved') response.writeHead(302, { location: '/song' }).end();
      else if (request.url === '/away') response.writeHead(302, { location: 'http://localhost:9/x' }).end();
      else if (request.url === '/circle') response.writeHead(302, { location: '/circle' }).end();
      else response.end('a song');
    };
    expect((await read('/moved')).toString()).toBe('a song');
    await expect(read('/away')).rejects.toMatchObject({ code: 'unsupported_media' });
    requests = [];
    await expect(read('/circle')).rejects.toMatchObject({ code: 'unavailable' });
    expect(requests.length).toBeLessThan(6);
  });

  it('refuses a web page', async () => {
    answer = (_request, response) =>
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<p>');
    await expect(read('/song')).rejects.toMatchObject({ code: 'unsupported_media' });
  });

  it('refuses more than allowed, announced or not', async () => {
    answer = (_request, response) =>
      response.writeHead(200, { 'content-length': '2000' }).end(Buffer.alloc(2000));
    await expect(read('/song')).rejects.toMatchObject({ code: 'too_large' });
    let sent = 0;
    answer = (_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(500))) sent += 500;
      };
      response.on('drain', more);
      more();
    };
    await expect(read('/song')).rejects.toMatchObject({ code: 'too_large' });
    expect(sent).toBeLessThan(50_000_000);
  });

  it('says what is gone for good and what may come back', async () => {
    for (const [status, code] of [
      [404, 'not_found'],
      [403, 'not_found'],
      [429, 'unavailable'],
      [503, 'unavailable'],
    ] as const) {
      answer = (_request, response) => response.writeHead(status).end();
      await expect(read('/song')).rejects.toMatchObject({ code });
    }
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half', () => response.destroy());
    };
    await expect(read('/song')).rejects.toMatchObject({ code: 'unavailable' });
    answer = (request) => request.socket.destroy();
    await expect(read('/song')).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('ends when its caller wants no more', async () => {
    answer = (_request, response) => void response.write('half');
    const stop = new AbortController();
    const reading = read('/song', { signal: stop.signal });
    setTimeout(() => stop.abort(), 100);
    await expect(reading).rejects.toMatchObject({ code: 'cancelled' });
  });
});
