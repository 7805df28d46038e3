import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MumuError } from '#contracts/errors';
import type { Request } from '#contracts/request';
import { OPEN_POLICY } from '#src/policy/policy';
import { makeReceipt, NO_SECRETS, Rig, TestMessenger, until } from '#test/src/chat/delivery/support';
import { tone } from '#test/support/media-fixtures';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeResult } from '#test/support/requests';

let server: TestRedis;
let rig: Rig;
let messenger: TestMessenger;
let song: Buffer;

beforeAll(async () => {
  server = await startTestRedis();
  song = await readFile(tone(join(server.folder, 'song.wav'), { seconds: 1, rate: 8000 }));
});
afterAll(() => server.close());

let count = 0;
beforeEach(async () => {
  count += 1;
  rig = await Rig.start({ ...server.access, prefix: `courier${count}` }, server.folder);
  messenger = new TestMessenger();
});
afterEach(() => rig.close());

describe('a receipt', () => {
  it('becomes a job with its files, and its result ends it', async () => {
    const courier = await rig.courier(messenger);
    const seen: Request[] = [];
    await rig.work(async (request) => {
      seen.push(request);
      return makeResult(request);
    });
    const receipt = makeReceipt({
      server: 'discord:guild-1',
      intent: { type: 'line', text: 'What is this?' },
    });
    const secrets = { files: [messenger.give('song.wav', song)], token: 'hush-hush' };
    expect(await courier.receive(receipt, secrets)).toBe(true);
    const { view, secrets: kept } = await messenger.end(receipt.id);
    expect(view).toMatchObject({ state: 'done', result: { text: 'a waltz' }, request: { id: receipt.id } });
    expect(kept).toEqual(secrets);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({
      command: 'ask',
      server: 'discord:guild-1',
      files: [{ name: 'song.wav', kind: 'audio', mime: 'audio/wav' }],
    });
    await until(async () => (await courier.lookUp(receipt.id))?.delivery.state === 'closed');
    expect(await courier.lookUp(receipt.id)).toMatchObject({ result: { text: 'a waltz' } });
  });

  it('that comes twice is one job and one answer', async () => {
    const courier = await rig.courier(messenger);
    const other = new TestMessenger();
    const second = await rig.courier(other);
    let runs = 0;
    await rig.work(async (request) => {
      runs += 1;
      await delay(200);
      return makeResult(request);
    });
    const receipt = makeReceipt();
    const taken = await Promise.all([
      courier.receive(receipt, NO_SECRETS),
      courier.receive(receipt, NO_SECRETS),
      second.receive(receipt, NO_SECRETS),
    ]);
    expect(taken.filter(Boolean)).toHaveLength(1);
    await Promise.race([messenger.end(receipt.id), other.end(receipt.id)]);
    await until(async () => (await courier.lookUp(receipt.id))?.delivery.state === 'closed');
    expect(await courier.receive(receipt, NO_SECRETS)).toBe(false);
    expect(runs).toBe(1);
    expect(messenger.finished.length + other.finished.length).toBe(1);
  });

  it('of a direct line is answered without a job', async () => {
    const courier = await rig.courier(messenger);
    const receipt = makeReceipt({ intent: { type: 'line', text: '/help remix' } });
    await courier.receive(receipt, NO_SECRETS);
    const { view } = await messenger.end(receipt.id);
    expect(view).toMatchObject({ state: 'told', text: expect.stringContaining('/remix') });
  });

  it('that cannot be done ends in a sentence', async () => {
    const courier = await rig.courier(messenger);
    const nothing = makeReceipt({ intent: { type: 'line', text: '/remix slower' } });
    await courier.receive(nothing, NO_SECRETS);
    expect((await messenger.end(nothing.id)).view).toMatchObject({
      state: 'failed',
      error: { code: 'invalid_input', message: expect.stringContaining('attach') },
    });
    const gone = makeReceipt();
    await courier.receive(gone, { files: [{ name: 'a.mp3', reference: 'https://cdn.test/gone' }] });
    expect((await messenger.end(gone.id)).view).toMatchObject({
      state: 'failed',
      error: { code: 'not_found' },
    });
    const text = makeReceipt();
    const file = messenger.give('song.mp3', Buffer.from('no song at all, whatever its name says'));
    await courier.receive(text, { files: [file, messenger.give('good.wav', song)] });
    expect((await messenger.end(text.id)).view).toMatchObject({
      state: 'failed',
      error: { code: 'unsupported_media', message: expect.stringMatching(/^song\.mp3: /) },
    });
  });
});

describe('an answer', () => {
  const help = () => makeReceipt({ intent: { type: 'line', text: '/help' } });

  it.each([
    'unavailable',
    'internal',
    'disk_full',
    'missing_dependency',
    'damaged_pack',
    'limit_reached',
  ] as const)('that meets what may pass is tried again: %s', async (code) => {
    const attempts: number[] = [];
    messenger.onFinish = async (_delivery, _note, attempt) => {
      attempts.push(attempt);
      if (attempt === 0) throw new MumuError(code, 'Not now.');
    };
    const courier = await rig.courier(messenger);
    const receipt = help();
    await courier.receive(receipt, NO_SECRETS);
    expect((await messenger.end(receipt.id)).view).toMatchObject({ state: 'told' });
    expect(attempts).toEqual([0, 1]);
  });

  it.each(['not_found', 'not_allowed', 'cannot_do', 'refused'] as const)(
    'that can come to nothing is given up: %s',
    async (code) => {
      const attempts: number[] = [];
      messenger.onFinish = async (_delivery, _note, attempt) => {
        attempts.push(attempt);
        throw new MumuError(code, 'Never.');
      };
      const courier = await rig.courier(messenger);
      const receipt = help();
      await courier.receive(receipt, NO_SECRETS);
      const key = `${rig.redis.prefix}:delivery:${receipt.id}`;
      const store = rig.redis.connect('producer');
      await until(async () => (await store.hget(key, 'state')) === 'closed');
      store.disconnect();
      expect(attempts).toEqual([0]);
    },
  );
});

describe('files', () => {
  it('a platform does not hand out at once are asked for again', async () => {
    const courier = await rig.courier(messenger);
    await rig.work(async (request) => makeResult(request));
    const file = messenger.give('song.wav', song);
    const open = messenger.files.get(file.reference);
    let tries = 0;
    messenger.files.set(file.reference, () => {
      tries += 1;
      if (tries === 1) throw new MumuError('unavailable', 'Not now.');
      return open?.() ?? Readable.from([]);
    });
    const receipt = makeReceipt();
    await courier.receive(receipt, { files: [file] });
    expect((await messenger.end(receipt.id)).view).toMatchObject({ state: 'done' });
    expect(tries).toBe(2);
  });

  it('whose seal cannot be opened have to be sent again', async () => {
    const first = await rig.courier(messenger);
    const file = messenger.give('song.wav', song);
    messenger.files.set(file.reference, () => new PassThrough());
    const receipt = makeReceipt();
    await first.receive(receipt, { files: [file] });
    await until(() => messenger.viewsOf(receipt.id).some((view) => view.state === 'fetching'));
    await first.close();
    await rig.courier(messenger, { secret: 'the secret of another machine' });
    expect((await messenger.end(receipt.id)).view).toMatchObject({
      error: { code: 'not_found', message: expect.stringContaining('send') },
    });
  });

  it('more than ten are refused', async () => {
    const courier = await rig.courier(messenger);
    const receipt = makeReceipt();
    const files = Array.from({ length: 11 }, (_, place) => messenger.give(`${place}.wav`, song));
    await courier.receive(receipt, { files });
    expect((await messenger.end(receipt.id)).view).toMatchObject({ error: { code: 'invalid_input' } });
  });
});

describe('what is shown', () => {
  it('comes one call at a time, the newest last, and never after the end', async () => {
    messenger.interval = 30;
    messenger.onShow = async () => {
      await delay(40);
    };
    const courier = await rig.courier(messenger);
    await rig.work(async (request, { onProgress }) => {
      for (let step = 0; step <= 10; step += 1) {
        onProgress({ type: 'stage', stage: 'language', fraction: step / 10 });
        onProgress({ type: 'text', text: 'a waltz '.repeat(step) });
        await delay(60);
      }
      await delay(400);
      return makeResult(request);
    });
    const receipt = makeReceipt();
    await courier.receive(receipt, NO_SECRETS);
    await messenger.end(receipt.id);
    const shown = messenger.viewsOf(receipt.id).length;
    const fractions = messenger
      .viewsOf(receipt.id)
      .flatMap((view) => (view.state === 'active' && view.fraction !== undefined ? [view.fraction] : []));
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(messenger.viewsOf(receipt.id).at(-1)).toMatchObject({ fraction: 1, text: 'a waltz '.repeat(10) });
    expect(messenger.overlaps).toBe(0);
    await delay(100);
    expect(messenger.viewsOf(receipt.id)).toHaveLength(shown);
  });

  it('goes through the policy: words of answers are struck out, refused ones are not shown', async () => {
    const policy = {
      ...OPEN_POLICY,
      checkAnswer: async (text: string) => {
        if (text.includes('unspeakable')) throw new MumuError('refused', 'That may not be shown here.');
        return text.replaceAll('waltz', '*****');
      },
    };
    const courier = await rig.courier(messenger, { policy });
    await rig.work(async (request, { onProgress }) => {
      onProgress({ type: 'text', text: 'a waltz, then' });
      await delay(600);
      return makeResult(request, { text: request.text === 'bad' ? 'unspeakable' : 'a waltz' });
    });
    const [good, bad] = [makeReceipt(), makeReceipt({ intent: { type: 'line', text: 'bad' } })];
    await courier.receive(good, NO_SECRETS);
    await courier.receive(bad, NO_SECRETS);
    expect((await messenger.end(good.id)).view).toMatchObject({ result: { text: 'a *****' } });
    expect(messenger.viewsOf(good.id)).toContainEqual(expect.objectContaining({ text: 'a *****, then' }));
    expect((await messenger.end(bad.id)).view).toMatchObject({ state: 'failed', error: { code: 'refused' } });
    expect(JSON.stringify(messenger.shown)).not.toContain('waltz');
  });
});

describe('the policy', () => {
  it('goes for the names of new music too: they are made of its caption', async () => {
    const policy = {
      ...OPEN_POLICY,
      checkAnswer: async (text: string) => text.replaceAll('damn', '████'),
    };
    const courier = await rig.courier(messenger, { policy });
    await rig.work(async (request) => {
      const isBad = request.text.includes('bad');
      const name = isBad ? 'a-damn-slow-waltz.mp3' : 'a-slow-waltz.mp3';
      const files = [{ key: 'a'.repeat(64), name, mime: 'audio/mpeg', bytes: 1, seconds: 1 }];
      return { ...makeResult(request, { files }), caption: isBad ? 'a damn slow waltz' : 'a slow waltz' };
    });
    const ask = (text: string) => makeReceipt({ intent: { type: 'line', text } });
    const [good, bad] = [ask('/generate good'), ask('/generate bad')];
    for (const receipt of [good, bad]) await courier.receive(receipt, NO_SECRETS);
    expect((await messenger.end(good.id)).view).toMatchObject({
      result: { caption: 'a slow waltz', files: [{ name: 'a-slow-waltz.mp3' }] },
    });
    expect((await messenger.end(bad.id)).view).toMatchObject({
      result: { caption: 'a ████ slow waltz', files: [{ name: 'music.mp3', mime: 'audio/mpeg' }] },
    });
  });

  it('is asked nothing about help, whatever is the matter with it', async () => {
    const no = async () => {
      throw new MumuError('refused', 'No.');
    };
    const policy = { mayUse: OPEN_POLICY.mayUse, checkPrompt: no, checkAnswer: no };
    const courier = await rig.courier(messenger, { policy });
    const receipt = makeReceipt({ intent: { type: 'line', text: '/help ask' } });
    await courier.receive(receipt, NO_SECRETS);
    expect((await messenger.end(receipt.id)).view).toMatchObject({ state: 'told' });
  });

  it('that lets somebody use nothing has none of their files fetched', async () => {
    const policy = {
      ...OPEN_POLICY,
      mayUse: async () => {
        throw new MumuError('not_allowed', 'Not you.');
      },
    };
    const courier = await rig.courier(messenger, { policy });
    const file = messenger.give('song.wav', song);
    let opened = false;
    messenger.files.set(file.reference, () => {
      opened = true;
      return Readable.from([song]);
    });
    const receipt = makeReceipt({ intent: { type: 'line', text: 'What is this?' } });
    await courier.receive(receipt, { files: [file] });
    expect((await messenger.end(receipt.id)).view).toMatchObject({ error: { code: 'not_allowed' } });
    expect(opened).toBe(false);
  });

  it('is asked before any file is fetched', async () => {
    const policy = {
      ...OPEN_POLICY,
      mayUse: async () => {
        throw new MumuError('not_allowed', 'Only DJs may do this here.');
      },
    };
    const courier = await rig.courier(messenger, { policy });
    const file = messenger.give('song.wav', song);
    let opened = 0;
    const open = messenger.files.get(file.reference);
    messenger.files.set(file.reference, () => {
      opened += 1;
      return open?.() as never;
    });
    const command = { type: 'command' as const, command: 'describe' as const, text: '', options: {} };
    const receipt = makeReceipt({ intent: { ...command, action: 'new' } });
    await courier.receive(receipt, { files: [file] });
    expect((await messenger.end(receipt.id)).view).toMatchObject({ error: { code: 'not_allowed' } });
    expect(opened).toBe(0);
  });

  it('refuses words before they are queued', async () => {
    const policy = {
      ...OPEN_POLICY,
      checkPrompt: async (text: string) => {
        if (text.includes('bad')) throw new MumuError('refused', 'Not these words.');
      },
    };
    const courier = await rig.courier(messenger, { policy });
    const receipt = makeReceipt({ intent: { type: 'line', text: 'a bad question?' } });
    await courier.receive(receipt, NO_SECRETS);
    expect((await messenger.end(receipt.id)).view).toMatchObject({ error: { code: 'refused' } });
    expect((await rig.queue.overview(receipt.conversation)).jobs).toEqual([]);
  });
});

describe('cancel', () => {
  it('stops a request whose files are still on their way, for its owner only', async () => {
    const courier = await rig.courier(messenger);
    let ran = false;
    await rig.work(async (request) => {
      ran = true;
      return makeResult(request);
    });
    const file = messenger.give('song.wav', song);
    messenger.files.set(file.reference, () => new Readable({ read: () => undefined }));
    const receipt = makeReceipt();
    await courier.receive(receipt, { files: [file] });
    await until(() => messenger.viewsOf(receipt.id).some((view) => view.state === 'fetching'));
    await expect(courier.cancel(receipt.id, 'discord:2')).rejects.toMatchObject({ code: 'not_allowed' });
    expect(await courier.cancel(receipt.id, receipt.user)).toBe('stopping');
    expect((await messenger.end(receipt.id)).view).toMatchObject({ error: { code: 'cancelled' } });
    expect(ran).toBe(false);
  });

  it('reaches, from another bot, what is not on a queue yet', async () => {
    const courier = await rig.courier(messenger);
    const elsewhere = await rig.courier(new TestMessenger());
    const file = messenger.give('song.wav', song);
    const late = new PassThrough();
    messenger.files.set(file.reference, () => late);
    const receipt = makeReceipt();
    await courier.receive(receipt, { files: [file] });
    expect(await elsewhere.cancel(receipt.id, receipt.user)).toBe('stopping');
    late.end(song);
    expect((await messenger.end(receipt.id)).view).toMatchObject({ error: { code: 'cancelled' } });
    expect((await rig.queue.overview(receipt.conversation)).jobs).toEqual([]);
  });

  it('reaches a running job from another bot', async () => {
    const courier = await rig.courier(messenger);
    const elsewhere = await rig.courier(new TestMessenger());
    await rig.work(async (request, { signal }) => {
      await delay(60_000, undefined, { signal });
      return makeResult(request);
    });
    const receipt = makeReceipt();
    await courier.receive(receipt, NO_SECRETS);
    await until(() => messenger.viewsOf(receipt.id).some((view) => view.state === 'active'));
    expect(await elsewhere.cancel(receipt.id, receipt.user)).toBe('stopping');
    expect((await messenger.end(receipt.id)).view).toMatchObject({ error: { code: 'cancelled' } });
    expect(await courier.cancel('nobody', receipt.user)).toBe('unknown');
  });
});
