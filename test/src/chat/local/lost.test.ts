import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OPEN_POLICY } from '#src/policy/policy';
import { conversationName, type Field, LocalServer } from '#test/src/chat/local/support';
import { makeResult } from '#test/support/requests';

let local: LocalServer;
/** Ids of the requests that the worker was given. */
let done: string[];

beforeAll(async () => {
  local = await LocalServer.start();
});
afterAll(() => local.close());
beforeEach(() => {
  done = [];
  local.rules = OPEN_POLICY;
  local.handle = async (request) => {
    done.push(request.id);
    return makeResult(request);
  };
});

const drawn = () => randomBytes(16).toString('base64url');

describe('a request whose sender hangs up', () => {
  it.each(['words alone', 'a file'])('is not queued: %s', async (what) => {
    const conversation = conversationName();
    let judge = () => {};
    const judged = new Promise<void>((resolve) => {
      judge = resolve;
    });
    // Whatever was sent has been read by then.
    const asked = new Promise<void>((resolve) => {
      local.rules = {
        ...OPEN_POLICY,
        checkPrompt: async (text) => {
          if (text !== 'unwanted?') return;
          resolve();
          await judged;
        },
      };
    });
    const files: Record<string, Field> =
      what === 'a file' ? { file: { name: 'a.wav', bytes: local.song } } : {};
    const hangUp = await local.postAlone({ conversation, text: 'unwanted?', ...files });
    await asked;
    await hangUp();
    judge();
    const wanted = await local.post({ conversation, text: 'wanted?' });
    await local.events(wanted.body.id);
    expect(await local.exchanges(conversation)).toMatchObject([{ id: wanted.body.id }]);
    expect(done).toEqual([wanted.body.id]);
  });
});

describe('a request that is sent again under its id', () => {
  it('is done once and answered as it was taken', async () => {
    const [conversation, id] = [conversationName(), drawn()];
    const file = { name: 'a.wav', bytes: local.song };
    const first = await local.post({ conversation, id, text: 'what is this?', file });
    expect(first).toMatchObject({ status: 202, body: { id } });
    expect(await local.post({ conversation, id, text: 'what is this?', file })).toEqual(first);
    await local.events(id);
    expect(await local.post({ conversation, id, text: 'something else?' })).toEqual(first);
    expect(await local.exchanges(conversation)).toMatchObject([{ id, text: 'what is this?' }]);
    expect(done).toEqual([id]);
    const other = await local.post({ conversation, id: drawn(), text: 'what is this?' });
    await local.events(other.body.id);
    expect(await local.exchanges(conversation)).toHaveLength(2);
  });

  it('is one job also where both come at once', async () => {
    const [conversation, id] = [conversationName(), drawn()];
    const answers = await Promise.all(
      [0, 1].map(() => local.post({ conversation, id, text: 'what is a waltz?' })),
    );
    for (const answer of answers) expect(answer).toMatchObject({ status: 202, body: { id } });
    await local.events(id);
    expect(await local.exchanges(conversation)).toHaveLength(1);
    expect(done).toEqual([id]);
  });

  it('is no further one where it was the last that one may have', async () => {
    local.handle = (_request, { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const conversation = conversationName();
    const ids = Array.from({ length: 6 }, drawn);
    const file = { name: 'a.wav', bytes: local.song };
    for (const id of ids) await local.post({ conversation, id, text: 'what is this?', file });
    const last = ids.at(-1) ?? '';
    const again = await local.post({ conversation, id: last, text: 'what is this?', file });
    expect(again).toMatchObject({ status: 202, body: { id: last, files: [{ name: 'a.wav' }] } });
    const further = await local.post({ conversation, id: drawn(), text: 'what is this?', file });
    expect(further.status).toBe(429);
    const ended = ids.map((id) => local.events(id));
    for (const id of ids) await fetch(`${local.base}/api/requests/${id}`, { method: 'DELETE' });
    await Promise.all(ended);
  });

  it('is refused where the id belongs to another conversation', async () => {
    const id = drawn();
    await local.post({ conversation: conversationName(), id, text: 'what is a waltz?' });
    await local.events(id);
    const stranger = await local.post({ conversation: conversationName(), id, text: 'what is a waltz?' });
    expect(stranger).toMatchObject({ status: 400, body: { error: { code: 'invalid_input' } } });
    expect(done).toEqual([id]);
  });

  it.each([
    ['of Discord', 'd1234567890123456789'],
    ['of Slack', `slack-${'0'.repeat(20)}`],
    ['too short', 'a'.repeat(21)],
    ['too long', 'a'.repeat(23)],
    ['with other signs', `${'a'.repeat(20)}:b`],
    ['with a line after it', `${'a'.repeat(22)}\n`],
    ['empty', ''],
  ])('is refused where that is no id of the page: %s', async (_name, id) => {
    const answer = await local.post({ conversation: conversationName(), id, text: 'what is a waltz?' });
    expect(answer.status).toBe(400);
    expect(answer.body.error.message).toMatch(/named by 22/);
  });
});
