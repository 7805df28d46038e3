import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MumuError } from '#contracts/errors';
import type { Delivery } from '#src/chat/delivery/types';
import { Uploads } from '#src/chat/slack/uploads';
import { createClient, type SlackClient } from '#src/chat/slack/web';
import { loadConfig } from '#src/config';
import { createLogger } from '#src/log';
import { slackEnvironment } from '#test/src/chat/slack/support/bot';
import { SlackServer } from '#test/src/chat/slack/support/slack-server';
import { ALICE, BOT, GENERAL } from '#test/src/chat/slack/support/workspace';

const log = createLogger('silent');
const content = Buffer.from('a waltz, in bytes');
let server: SlackServer;
let client: SlackClient;
let uploads: Uploads;

beforeAll(async () => {
  server = await SlackServer.start();
  const { slack } = loadConfig(slackEnvironment(server.address, 'socket'));
  if (slack === undefined) throw new Error('no settings');
  client = createClient(slack, log);
  uploads = new Uploads(client, log, server.address, 5);
});
afterAll(() => server.close());

function setting() {
  const { ts } = server.workspace.add({ channel: GENERAL, bot_id: BOT, text: '', blocks: [], files: [] });
  const delivery: Delivery = {
    ...{ id: 'slack-1', platform: 'slack', user: `slack:T:${ALICE}`, roles: [], conversation: 'c' },
    intent: { type: 'line', text: '' },
    address: { user: ALICE, channel: GENERAL },
    ...{ receivedAt: Date.now(), state: 'queued', posted: {}, fileCount: 0 },
  };
  const note = async (posted: Record<string, unknown>) => {
    Object.assign(delivery.posted, posted);
  };
  const upload = {
    ...{ key: 'k', name: 'waltz.mp3', bytes: content.length },
    open: async () => Readable.from([content]),
  };
  const share = () => uploads.share(upload, delivery, { channel: GENERAL, ts }, note);
  const shared = () => server.workspace.messages.filter(({ thread_ts }) => thread_ts === ts);
  return { delivery, upload, share, shared };
}

describe('an upload', () => {
  it('that is done is not done again', async () => {
    const { share, shared } = setting();
    const first = await share();
    expect(first).toMatchObject({ name: 'waltz.mp3', address: expect.stringContaining('waltz.mp3') });
    expect(await share()).toEqual(first);
    expect(shared()).toHaveLength(1);
  });

  it('that was completed, and that Slack still does not show after a crash, is not sent again', async () => {
    const { delivery, share, shared } = setting();
    server.api.shares = 'never';
    const first = await share();
    Object.assign(delivery.posted['upload:k'] as object, { state: 'begun' });
    expect((await share()).name).toBe(first.name);
    server.api.shares = 'at once';
    expect(server.api.calls.filter((method) => method === 'files.getUploadURLExternal')).toHaveLength(2);
    expect(shared()).toHaveLength(0);
  });

  it('whose bytes never arrived begins anew', async () => {
    const { share, shared } = setting();
    server.mishap('upload', { kind: 'lose' });
    await expect(share()).rejects.toThrow();
    await share();
    expect(shared()).toHaveLength(1);
  });

  it('of a file that is gone is told instead', async () => {
    const { upload, share, shared } = setting();
    upload.open = async () => {
      throw new MumuError('not_found', 'The file is no longer stored: send it again.');
    };
    expect(await share()).toEqual({
      name: 'waltz.mp3',
      problem: 'The file is no longer stored: send it again.',
    });
    expect(shared()).toEqual([]);
  });

  it('goes to Slack’s own addresses only', async () => {
    const { upload } = setting();
    const strict = new Uploads(client, log, undefined);
    const delivery = setting().delivery;
    const place = { channel: GENERAL, ts: '1.1' };
    await expect(strict.share(upload, delivery, place, async () => undefined)).rejects.toMatchObject({
      code: 'internal',
    });
  });
});
