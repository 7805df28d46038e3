import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MumuError } from '#contracts/errors';
import { OPEN_POLICY } from '#src/policy/policy';
import { conversationName, type Field, LocalServer, read } from '#test/src/chat/local/support';
import { makeRequest, makeResult } from '#test/support/requests';

let local: LocalServer;

beforeAll(async () => {
  local = await LocalServer.start();
});
afterAll(() => local.close());

describe('a request over HTTP', () => {
  it('takes a file and a question and streams the answer', async () => {
    const conversation = conversationName();
    let hear = () => {};
    const heard = new Promise<void>((resolve) => {
      hear = resolve;
    });
    local.handle = async (request, { onProgress }) => {
      onProgress({ type: 'stage', stage: 'language', fraction: 0.5 });
      onProgress({ type: 'text', text: 'a tone' });
      await heard;
      return makeResult(request, { text: 'a tone of 440 Hz' });
    };
    const sent = await local.post({
      conversation,
      text: 'What is this?',
      file: { name: 'söng.wav', bytes: local.song },
    });
    expect(sent.status).toBe(202);
    expect(sent.body).toMatchObject({ id: expect.any(String), command: 'ask' });
    expect(sent.body.files).toMatchObject([
      { kind: 'audio', name: 'söng.wav', bytes: local.song.length, seconds: 1 },
    ]);
    const seen = await local.events(sent.body.id, (event) => {
      if (event.event === 'text') hear();
      return false;
    });
    expect(seen.at(-1)).toMatchObject({
      event: 'result',
      data: { text: 'a tone of 440 Hz', seed: expect.any(Number) },
    });
    expect(seen.map((event) => event.event)).toContain('text');
    const again = await local.events(sent.body.id);
    expect(again).toEqual([seen.at(-1)]);
  });

  it('follows up on the last track, in this conversation only', async () => {
    const conversation = conversationName();
    local.handle = async (request) => makeResult(request);
    const first = await local.post({
      conversation,
      text: '/describe',
      file: { name: 'a.wav', bytes: local.song },
    });
    await local.events(first.body.id);
    const followUp = await local.post({ conversation, text: 'make it slower' });
    expect(followUp.body).toMatchObject({ command: 'remix', files: [{ key: first.body.files[0]?.key }] });
    await local.events(followUp.body.id);
    const stranger = await local.post({ conversation: conversationName(), text: '/remix slower' });
    expect(stranger).toMatchObject({ status: 400, body: { error: { code: 'invalid_input' } } });
    const thief = await local.post({
      conversation: conversationName(),
      text: '/describe',
      files: first.body.files[0]?.key ?? '',
    });
    expect(thief).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } });
    const owner = await local.post({
      conversation,
      command: 'ask',
      text: 'Key?',
      files: first.body.files[0]?.key ?? '',
    });
    expect(owner.status).toBe(202);
    await local.events(owner.body.id);
  });

  it('takes explicit fields, with options of the page behind those of the line', async () => {
    const conversation = conversationName();
    const explicit = await local.post({
      conversation,
      command: 'generate',
      text: 'calm',
      options: JSON.stringify({ seconds: 12, seed: 9 }),
      action: 'vary',
    });
    expect(explicit.body.options).toEqual({ seconds: 12, seed: 9 });
    const options = JSON.stringify({ seconds: 12, temperature: 0.2 });
    const line = await local.post({ conversation, text: '/generate calm --seconds 5', options });
    expect(line.body.options).toMatchObject({ seconds: 5, temperature: 0.2 });
    await Promise.all([local.events(explicit.body.id), local.events(line.body.id)]);
  });

  it('cancels what runs, and a reload in the middle shows where it is', async () => {
    const conversation = conversationName();
    local.handle = (_request, { signal, onProgress }) => {
      onProgress({ type: 'stage', stage: 'music', fraction: 0.4 });
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    };
    const { body } = await local.post({ conversation, text: '/generate long' });
    await local.events(body.id, (event) => event.event === 'progress');
    const reloaded = await read(await fetch(`${local.base}/api/conversations/${conversation}`));
    expect(reloaded.exchanges).toMatchObject([{ id: body.id, state: 'active', typed: '/generate long' }]);
    const replayed = await local.events(body.id, (event) => event.event === 'progress');
    expect(replayed.at(-1)?.data).toEqual({ stage: 'music', fraction: 0.4 });
    const shown = await read(await fetch(`${local.base}/api/queue?conversation=${conversation}`));
    expect(shown.jobs).toEqual([{ id: body.id, command: 'generate', state: 'active', position: 0 }]);
    const told = local.events(body.id);
    const cancelled = await fetch(`${local.base}/api/requests/${body.id}`, { method: 'DELETE' });
    expect(await cancelled.json()).toEqual({ id: body.id, outcome: 'stopping' });
    expect((await told).at(-1)).toMatchObject({ event: 'error', data: { code: 'cancelled' } });
  });

  it('answers /help, /queue and /cancel without a job', async () => {
    const conversation = conversationName();
    expect((await local.post({ conversation, text: '/help generate' })).body.text).toContain('--seconds');
    expect((await local.post({ conversation, text: '/queue' })).body).toMatchObject({
      command: 'queue',
      jobs: [],
    });
    expect((await local.post({ conversation, text: '/cancel' })).body).toEqual({
      command: 'cancel',
      outcome: 'nothing',
    });
  });

  it('keeps settings, which count where neither the page nor the line says otherwise', async () => {
    const conversation = conversationName();
    const set = await local.post({ conversation, text: '/settings seconds 20' });
    expect(set).toMatchObject({ status: 200, body: { command: 'settings' } });
    expect(set.body.text).toContain('seconds is set to 20');
    await local.post({ conversation, text: '/settings temperature 0.3' });
    expect((await local.post({ conversation, text: '/settings' })).body.text).toMatch(/^seconds: 20$/m);
    local.handle = async (request) => makeResult(request);
    const optionsOf = async (fields: Record<string, Field>) => {
      const { body } = await local.post({ conversation, ...fields });
      await local.events(body.id);
      return body.options;
    };
    expect(await optionsOf({ text: '/generate calm' })).toMatchObject({ seconds: 20, temperature: 0.3 });
    expect(await optionsOf({ text: '/generate calm --seconds 5' })).toMatchObject({ seconds: 5 });
    const options = JSON.stringify({ seconds: 9 });
    expect(await optionsOf({ text: '/generate calm', options })).toMatchObject({ seconds: 9 });
    expect(await optionsOf({ text: 'what is a waltz?' })).not.toHaveProperty('seconds');
    expect(await optionsOf({ text: 'calm', command: 'generate' })).not.toHaveProperty('seconds');
    await local.post({ conversation, text: '/settings reset' });
    expect(await optionsOf({ text: '/generate calm' })).not.toHaveProperty('seconds');
    expect((await local.post({ conversation, text: '/settings tempo 3' })).body.error.message).toMatch(
      /no setting tempo/,
    );
  });

  it('goes by the operator’s policy', async () => {
    const conversation = conversationName();
    local.handle = async (request, { onProgress }) => {
      onProgress({ type: 'text', text: 'a damn' });
      await new Promise((resolve) => setTimeout(resolve, 300));
      return makeResult(request);
    };
    local.rules = {
      mayUse: async (_who, command) => {
        if (command === 'remix') throw new MumuError('not_allowed', 'No remixes here.');
      },
      checkPrompt: async (text) => {
        if (text.includes('bad')) throw new MumuError('refused', 'Not that.');
      },
      checkAnswer: async (text) => text.replace('damn', '████'),
    };
    try {
      expect(await local.post({ conversation, text: '/remix slower' })).toMatchObject({
        status: 403,
        body: { error: { code: 'not_allowed', message: 'No remixes here.' } },
      });
      expect(await local.post({ conversation, text: 'a bad question?' })).toMatchObject({
        status: 422,
        body: { error: { code: 'refused' } },
      });
      const { body } = await local.post({ conversation, text: 'a question?' });
      const told = await local.events(body.id);
      expect(told.find(({ event }) => event === 'text')?.data).toEqual({ text: 'a ████' });
      expect(told.at(-1)?.event).toBe('result');
    } finally {
      local.rules = OPEN_POLICY;
    }
  });

  it('forgets what was given in a conversation, and nothing of others', async () => {
    const [conversation, other] = [conversationName(), conversationName()];
    local.handle = async (request) => makeResult(request);
    const file = { name: 'own.wav', bytes: Buffer.concat([local.song, Buffer.alloc(64)]) };
    const asked = await local.post({ conversation, text: 'what is this?', file });
    const key = asked.body.files[0]?.key as string;
    await local.events(asked.body.id);
    const kept = await local.post({ conversation: other, text: 'what is a waltz?' });
    await local.events(kept.body.id);
    const forgotten = await local.post({ conversation, text: '/settings forget me' });
    expect(forgotten.body).toMatchObject({ command: 'settings', forgotten: true });
    expect(forgotten.body.text).toContain('1 request with the answers (in 1 conversation), 1 file');
    expect((await read(await fetch(`${local.base}/api/conversations/${conversation}`))).exchanges).toEqual(
      [],
    );
    expect((await fetch(`${local.base}/api/files/${key}?conversation=${conversation}`)).status).toBe(404);
    expect((await fetch(`${local.base}/api/requests/${asked.body.id}/events`)).status).toBe(404);
    expect(await local.storage.find(key)).toBeUndefined();
    expect(await local.exchanges(other)).toHaveLength(1);
  });

  it('forgets what another address gave to a conversation, and says what stays', async () => {
    const conversation = conversationName();
    local.handle = async (request) => makeResult(request);
    const bytes = Buffer.concat([local.song, Buffer.alloc(128)]);
    const stored = await local.storage.put(Readable.from([bytes]), {
      maxBytes: bytes.length,
      inspect: async () => ({ kind: 'audio', mime: 'audio/wav', seconds: 1 }),
    });
    // As before the provider gave this machine a new address.
    const before = makeRequest({
      conversation,
      user: 'page:192.0.2.7',
      files: [{ ...stored, name: 'own.wav' }],
    });
    const strange = makeRequest({ conversation, user: 'discord:3' });
    for (const request of [before, strange]) {
      await local.queue.submit(request);
      await local.events(request.id);
    }
    const some = await local.post({ conversation, text: '/settings forget me' });
    expect(some.body).toMatchObject({ command: 'settings', forgotten: false });
    expect(some.body.text).toContain('1 request with the answers (in 1 conversation), 1 file');
    expect(await local.exchanges(conversation)).toMatchObject([{ id: strange.id }]);
    expect(await local.storage.find(stored.key)).toBeUndefined();
    await local.queue.conversations.forgetUser(strange.user, conversation);
    const all = await local.post({ conversation, text: '/settings forget me' });
    expect(all.body).toMatchObject({ text: 'There was nothing of yours.', forgotten: true });
  });

  it('neither tells of nor stops what was asked on a chat platform, whose ids are no secret', async () => {
    local.handle = (_request, { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const request = makeRequest({ id: '1234567890', conversation: 'discord:1', user: 'discord:2' });
    await local.queue.submit(request);
    expect((await fetch(`${local.base}/api/requests/1234567890/events`)).status).toBe(404);
    expect((await fetch(`${local.base}/api/requests/1234567890`, { method: 'DELETE' })).status).toBe(404);
    expect((await fetch(`${local.base}/api/conversations/discord:1`)).status).toBe(400);
    await local.queue.cancel(request.id);
  });

  it('tells a failure as an error event', async () => {
    local.handle = async () => {
      throw new MumuError('cannot_do', 'I cannot sing.');
    };
    const { body } = await local.post({ conversation: conversationName(), text: 'sing?' });
    expect((await local.events(body.id)).at(-1)).toEqual({
      event: 'error',
      data: { code: 'cannot_do', message: 'I cannot sing.' },
    });
    const response = await fetch(`${local.base}/api/requests/${body.id}/events`, {
      headers: { 'last-event-id': 'end' },
    });
    expect(response.status).toBe(204);
  });
});
