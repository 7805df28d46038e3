import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MumuError } from '#contracts/errors';
import { type Answers, createAnswers } from '#src/chat/answers';
import { createLogger } from '#src/log';
import { OPEN_POLICY, type Policy } from '#src/policy/policy';
import { JobQueue } from '#src/queue/job-queue';
import { Forget } from '#src/settings/forget';
import { Settings } from '#src/settings/settings';
import { FolderStorage } from '#src/storage/folder-storage';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeRequest } from '#test/support/requests';

const log = createLogger('silent');
const ANN = { user: 'discord:1' };
const BOB = { user: 'discord:2' };

let redis: TestRedis;
let queue: JobQueue;
let answers: Answers;
let policy: Policy = OPEN_POLICY;

beforeAll(async () => {
  redis = await startTestRedis();
  queue = new JobQueue(redis.access, { keepMilliseconds: 3600_000, log });
  await queue.ready();
  const storage = await FolderStorage.open({
    folder: redis.folder,
    maxBytes: 1e6,
    keepMilliseconds: 3600_000,
    filesInUse: () => queue.filesInUse(),
    log,
  });
  const connection = redis.access.connect('producer');
  const { prefix } = redis.access;
  const settings = new Settings(connection, prefix);
  const forget = new Forget({ queue, storage, settings, redis: connection, prefix, log });
  const rules: Policy = { ...OPEN_POLICY, mayUse: (who, command) => policy.mayUse(who, command) };
  answers = createAnswers({ queue, policy: rules, settings, forget });
});
beforeEach(() => {
  policy = OPEN_POLICY;
});
afterAll(async () => {
  await queue.close();
  await redis.close();
});

describe('cancel', () => {
  it('stops one’s own job of a shared conversation, never another’s', async () => {
    const conversation = 'discord:thread';
    const anns = makeRequest({ ...ANN, conversation, id: 'anns' });
    const bobs = makeRequest({ ...BOB, conversation, id: 'bobs' });
    await queue.submit(anns);
    await queue.submit(bobs);
    const cancel = (who: { user: string }, id?: string) =>
      answers.answer({ command: 'cancel', ...(id === undefined ? {} : { id }) }, who, conversation);
    await expect(cancel(ANN, 'bobs')).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(cancel(ANN, 'nobodys')).rejects.toMatchObject({ code: 'not_found' });
    // The latest job here is Bob's, and Ann means hers.
    expect(await cancel(ANN)).toBe('Cancelled.');
    expect((await queue.openRequests()).map(({ id }) => id)).toEqual(['bobs']);
    expect(await cancel(ANN)).toMatch(/nothing to cancel: no job of yours/);
    expect(await cancel(BOB, 'bobs')).toBe('Cancelled.');
  });
});

describe('settings', () => {
  it('are shown, set and taken back', async () => {
    const say = (line: Parameters<Answers['answer']>[0]) => answers.answer(line, ANN, 'discord:dm');
    const set = { command: 'settings', action: 'set', key: 'topP', value: 0.5 } as const;
    expect(await say(set)).toBe('top-p is set to 0.5 for your requests from now on.');
    expect(await say({ ...set, key: 'voice', value: true })).toMatch(/^voice is set to on /);
    const shown = await say({ command: 'settings', action: 'show' });
    expect(shown).toMatch(/^top-p: 0\.5$/m);
    expect(shown).toMatch(/^voice: on$/m);
    expect(shown).toMatch(/^seconds: not set$/m);
    expect(await say({ command: 'settings', action: 'reset', key: 'voice' })).toBe(
      'voice is not set any more.',
    );
    expect(await say({ command: 'settings', action: 'reset' })).toMatch(/^None of your settings/);
    expect(await say({ command: 'settings', action: 'reset' })).toBe('You had set nothing.');
  });
});

describe('the policy', () => {
  it('is asked about commands that need no model', async () => {
    policy = {
      ...OPEN_POLICY,
      mayUse: async (_who, command) => {
        if (command === 'queue') throw new MumuError('not_allowed', 'Not here.');
      },
    };
    await expect(answers.answer({ command: 'queue' }, ANN, 'discord:dm')).rejects.toMatchObject({
      code: 'not_allowed',
    });
    expect(await answers.answer({ command: 'help' }, ANN, 'discord:dm')).toContain('/settings');
  });
});
