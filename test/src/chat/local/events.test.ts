import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ServerContext } from '#src/chat/local/context';
import { installEvents } from '#src/chat/local/events';
import { OPEN_POLICY } from '#src/policy/policy';
import type { JobEvent } from '#src/queue/snapshot';
import { makeRequest, makeResult } from '#test/support/requests';

let app: FastifyInstance;
let client: Socket;
/** What the queue knows of the request; a test may keep it waiting. */
let view: () => Promise<unknown>;
let tell: (event: JobEvent) => void;
const stopped = vi.fn();
const watch = vi.fn((_id: string, listener: typeof tell) => {
  tell = listener;
  return stopped;
});

beforeEach(async () => {
  // Only what beats is ours to move; the wires go by the clock.
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  view = async () => ({});
  const conversations = { conversationOf: async () => 'c'.repeat(32) };
  const queue = { conversations, watch, view: () => view() };
  app = fastify({ forceCloseConnections: true });
  installEvents(app, { queue, policy: OPEN_POLICY } as unknown as ServerContext);
  await app.listen({ host: '127.0.0.1', port: 0 });
  vi.clearAllTimers();
});
afterEach(async () => {
  client.destroy();
  await app.close();
  vi.useRealTimers();
  vi.clearAllMocks();
});

async function follow(): Promise<void> {
  const address = app.server.address();
  client = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
  client.on('error', () => undefined);
  await once(client, 'connect');
  client.write('GET /api/requests/r1/events HTTP/1.1\r\nhost: localhost\r\n\r\n');
}

const result = (): JobEvent => {
  const request = makeRequest({ id: 'r1' });
  return { type: 'result', result: { ...makeResult(request), status: 'done' } };
};

describe('events', () => {
  it('of a request that has ended beat no more, though nobody reads them', async () => {
    await follow();
    await vi.waitFor(() => expect(watch).toHaveBeenCalled());
    client.pause();
    expect(vi.getTimerCount()).toBe(1);
    // More than the wires hold, so that the end stays unread on our side.
    for (let i = 0; i < 8; i += 1) tell({ type: 'note', text: 'x'.repeat(4_000_000) });
    tell(result());
    await vi.waitFor(() => expect(vi.getTimerCount()).toBe(0));
    expect(stopped).not.toHaveBeenCalled();
    // A beat after the end would be an error that nobody catches, and the end of the process.
    await vi.advanceTimersByTimeAsync(60_000);
    client.resume();
    client.destroy();
    await vi.waitFor(() => expect(stopped).toHaveBeenCalledOnce());
  });

  it('do not pile up texts for who does not read: the next one holds them', async () => {
    await follow();
    await vi.waitFor(() => expect(watch).toHaveBeenCalled());
    client.pause();
    tell({ type: 'note', text: 'x'.repeat(32_000_000) });
    for (let i = 0; i < 50; i += 1) tell({ type: 'text', text: `unread ${i}` });
    tell(result());
    let read = '';
    client.on('data', (chunk: Buffer) => {
      read = (read + chunk.toString('utf8')).slice(-100_000);
    });
    client.resume();
    await vi.waitFor(() => expect(read).toContain('event: result'), { timeout: 20_000 });
    expect(read).not.toContain('unread');
  });

  it('leave nothing behind for who left before they began', async () => {
    let answer: (view: object) => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      view = () => {
        resolve();
        return new Promise((settle) => {
          answer = settle;
        });
      };
    });
    const left = new Promise((resolve) => {
      app.server.once('connection', (socket: Socket) => socket.once('close', resolve));
    });
    await follow();
    await asked;
    client.destroy();
    await left;
    answer({});
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(vi.getTimerCount()).toBe(0);
    expect(watch.mock.calls.length).toBe(stopped.mock.calls.length);
  });

  it('go on to beat while there is something to come', async () => {
    await follow();
    await vi.waitFor(() => expect(watch).toHaveBeenCalled());
    const beat = once(client, 'data');
    await beat;
    const next = once(client, 'data');
    await vi.advanceTimersByTimeAsync(15_000);
    expect(String((await next)[0])).toContain(': still here');
  });
});
