import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Request } from '#contracts/request';
import type { Courier, Intent, Receipt } from '#src/chat/delivery/types';
import { makeReceipt, NO_SECRETS, Rig, TestMessenger } from '#test/src/chat/delivery/support';
import { tone } from '#test/support/media-fixtures';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeResult } from '#test/support/requests';

let server: TestRedis;
let rig: Rig;
let messenger: TestMessenger;
let courier: Courier;
let key: string;
const seen = new Map<string, Request>();

beforeAll(async () => {
  server = await startTestRedis();
  tone(join(server.folder, 'waltz.wav'), { seconds: 1, rate: 8000 });
});
afterAll(() => server.close());

let count = 0;
beforeEach(async () => {
  count += 1;
  rig = await Rig.start({ ...server.access, prefix: `buttons${count}` }, server.folder);
  messenger = new TestMessenger();
  const content = { kind: 'audio' as const, mime: 'audio/wav', seconds: 1 };
  const stored = await rig.storage.putFile(join(server.folder, 'waltz.wav'), content);
  key = stored.key;
  const track = { key, name: 'waltz.wav', mime: 'audio/wav', bytes: stored.bytes, seconds: 1 };
  await rig.work(async (request) => {
    seen.set(request.id, request);
    return makeResult(request, { files: request.command === 'ask' ? [] : [track] });
  });
  courier = await rig.courier(messenger, { defaults: async () => ({ temperature: 0.5 }) });
});
afterEach(() => rig.close());

/** Sends something and gives back what the worker got; undefined if it never came to that. */
async function send(intent: Intent, given: Partial<Receipt> = {}): Promise<Request | undefined> {
  const receipt = makeReceipt({ ...given, intent });
  await courier.receive(receipt, NO_SECRETS);
  await messenger.end(receipt.id);
  return seen.get(receipt.id);
}

const press = (button: 'again' | 'vary' | 'extend' | 'remix', of: string, text?: string): Intent => ({
  type: 'button',
  button,
  of,
  ...(text === undefined ? {} : { text }),
});

async function waltz(): Promise<Request> {
  const options = { seconds: 5, format: 'mp3' as const, seed: 7 };
  const first = await send({
    type: 'command',
    command: 'generate',
    text: 'a calm waltz',
    options,
    action: 'new',
  });
  if (first === undefined) throw new Error('nothing was generated');
  return first;
}

describe('buttons under a result', () => {
  it('a request goes by what it says, then by the user’s settings', async () => {
    expect((await waltz()).options).toEqual({ seconds: 5, format: 'mp3', seed: 7, temperature: 0.5 });
  });

  it('vary and again ask for the same under another seed', async () => {
    const first = await waltz();
    const varied = await send(press('vary', first.id));
    expect(varied).toMatchObject({ command: 'generate', text: 'a calm waltz', action: 'vary' });
    expect(varied?.options).toMatchObject({ seconds: 5, format: 'mp3' });
    expect(varied?.options.seed).not.toBe(7);
    const again = await send(press('again', first.id));
    expect(again).toMatchObject({ command: 'generate', text: 'a calm waltz', action: 'new' });
    expect(again?.options.seed).not.toBe(7);
  });

  it('extend continues the track with the same words', async () => {
    const first = await waltz();
    const longer = await send(press('extend', first.id));
    expect(longer).toMatchObject({ command: 'generate', action: 'extend', text: 'a calm waltz' });
    expect(longer?.files).toMatchObject([{ key, name: 'waltz.wav' }]);
    expect(longer?.options.format).toBeUndefined();
  });

  it('remix changes the track as the form says, options and all', async () => {
    const first = await waltz();
    const changed = await send(press('remix', first.id, '20 % slower --guidance 4'));
    expect(changed).toMatchObject({ command: 'remix', text: '20 % slower', options: { guidance: 4 } });
    expect(changed?.files).toMatchObject([{ key }]);
    const empty = makeReceipt({ intent: press('remix', first.id, ' ') });
    await courier.receive(empty, NO_SECRETS);
    expect((await messenger.end(empty.id)).view).toMatchObject({ error: { code: 'invalid_input' } });
  });

  it('belong to their conversation: nobody elsewhere reaches its files', async () => {
    const first = await waltz();
    const stranger = { user: 'discord:2', conversation: 'discord:channel-2' };
    for (const button of ['again', 'extend', 'remix'] as const) {
      const receipt = makeReceipt({ ...stranger, intent: press(button, first.id, 'slower') });
      await courier.receive(receipt, NO_SECRETS);
      expect((await messenger.end(receipt.id)).view).toMatchObject({ error: { code: 'not_found' } });
      expect(seen.get(receipt.id)).toBeUndefined();
    }
  });

  it('of something forgotten, or without a track, say so', async () => {
    const nobody = makeReceipt({ intent: press('again', 'nobody') });
    await courier.receive(nobody, NO_SECRETS);
    expect((await messenger.end(nobody.id)).view).toMatchObject({ error: { code: 'not_found' } });
    const question = await send({ type: 'line', text: 'What is a waltz?' });
    const extend = makeReceipt({ intent: press('extend', question?.id ?? '') });
    await courier.receive(extend, NO_SECRETS);
    expect((await messenger.end(extend.id)).view).toMatchObject({
      error: { code: 'not_found', message: expect.stringContaining('no track') },
    });
  });
});
