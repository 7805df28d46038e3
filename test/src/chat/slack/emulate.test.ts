import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createEmulator, type Emulator } from 'emulate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestBot, type TestBot } from '#test/src/chat/slack/support/bot';
import { postSigned } from '#test/src/chat/slack/support/driver';
import { readManifest } from '#test/src/chat/slack/support/manifest';
import { tone } from '#test/support/media-fixtures';
import { makeResult } from '#test/support/requests';

const BOT_TOKEN = 'xoxb-emulated';
const ALICE_TOKEN = 'xoxp-emulated';
const SCOPES = readManifest().oauth_config.scopes.bot;

/** What the test reads of the emulator's answers. */
interface Answer {
  ok: boolean;
  error?: string;
  ts?: string;
  user_id?: string;
  team_id?: string;
  upload_url?: string;
  file_id?: string;
  file?: { url_private_download: string };
  messages?: Array<{
    ts: string;
    text: string;
    user: string;
    thread_ts?: string;
    files?: Array<{ id: string; name: string }>;
  }>;
  channels?: Array<{ id: string; name: string }>;
}

/** The Slack emulator of another project (emulate 0.11.2), which knows nothing of this bot. */
describe('against an independent Slack emulator', () => {
  let emulator: Emulator;
  let bot: TestBot;
  let channel: string;
  let alice: string;
  let team: string;

  beforeAll(async () => {
    const port = await freePort();
    emulator = await createEmulator({
      service: 'slack',
      port,
      seed: {
        slack: {
          team: { name: 'mumu test', domain: 'mumu-test' },
          users: [{ name: 'alice', real_name: 'Alice', email: 'alice@example.org' }],
          channels: [{ name: 'music', topic: 'Songs' }],
          bots: [{ name: 'mumu' }],
          oauth_apps: [
            {
              ...{ app_id: 'A0MUMU', client_id: '1.1', client_secret: 'secret', name: 'mumu' },
              ...{ redirect_uris: ['http://127.0.0.1/'], scopes: SCOPES, bot_name: 'mumu' },
              ...{ bot_id: 'B0MUMU', bot_user_id: 'U0MUMU' },
            },
          ],
          tokens: [
            {
              ...{ token: BOT_TOKEN, type: 'bot', user: 'U0MUMU', user_id: 'U0MUMU', scopes: SCOPES },
              ...{ app_id: 'A0MUMU', bot_id: 'B0MUMU', bot_user_id: 'U0MUMU' },
            },
            {
              ...{ token: ALICE_TOKEN, type: 'user', user: 'alice' },
              scopes: [
                'channels:read',
                'channels:history',
                'channels:write',
                'chat:write',
                'files:read',
                'files:write',
              ],
            },
          ],
          strict_scopes: true,
        },
      },
    });
    const me = await call('auth.test', {});
    [alice, team] = [me.user_id ?? '', me.team_id ?? ''];
    const { channels = [] } = await call('conversations.list', {});
    channel = channels.find(({ name }) => name === 'music')?.id ?? '';
    await call('conversations.join', { channel }, BOT_TOKEN).catch(() => undefined);
    await call('conversations.invite', { channel, users: 'U0MUMU' }).catch(() => undefined);
    bot = await startTestBot({
      mode: 'http',
      environment: { SLACK_BOT_TOKEN: BOT_TOKEN, MUMU_SLACK_API: `${emulator.url}/api/` },
    });
  });
  afterAll(async () => {
    await bot?.close();
    await emulator?.close();
  });

  async function call(method: string, params: Record<string, unknown>, token = ALICE_TOKEN): Promise<Answer> {
    const response = await fetch(`${emulator.url}/api/${method}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(params),
    });
    const answer = (await response.json()) as Answer;
    if (!answer.ok) throw new Error(`${method}: ${answer.error}`);
    return answer;
  }

  it('fetches a song from a message, answers in its thread and uploads what it made', async () => {
    const path = tone(join(bot.folder, 'song.mp3'), { seconds: 1 });
    const song = await readFile(path);
    const content = { kind: 'audio', mime: 'audio/mpeg', seconds: 1 } as const;
    const { key, bytes } = await bot.opened.services.storage.putFile(path, content);
    let given: Buffer | undefined;
    bot.handle = async (request) => {
      given = await readFile(
        await bot.opened.services.storage.localPath(request.files[0]?.key ?? '', bot.folder),
      );
      return makeResult(request, {
        text: 'slower, as you wished',
        files: [{ key, bytes, name: 'slower.mp3', mime: 'audio/mpeg', seconds: 1 }],
      });
    };

    const upload = await call('files.getUploadURLExternal', { filename: 'song.mp3', length: song.length });
    await fetch(upload.upload_url ?? '', { method: 'POST', body: new Uint8Array(song) });
    await call('files.completeUploadExternal', { files: [{ id: upload.file_id }], channel_id: channel });
    const root = (await call('conversations.history', { channel })).messages?.[0];
    const { ts } = root ?? { ts: '' };
    const text = '<@U0MUMU> make it slower';
    const event = {
      ...{ type: 'app_mention', channel, user: alice, ts, text },
      files: [{ id: upload.file_id, name: 'song.mp3', mimetype: 'audio/mpeg', size: song.length }],
    };
    const body = JSON.stringify({ type: 'event_callback', team_id: team, event_id: 'Ev1', event });
    expect((await postSigned(bot.slack.port ?? 0, body, 'application/json')).status).toBe(200);

    const replies = await answered(ts);
    expect(given?.equals(song)).toBe(true);
    const own = replies.filter(({ user }) => user === 'U0MUMU');
    expect(own.filter(({ files = [] }) => files.length === 0)).toHaveLength(1);
    const shared = own.flatMap(({ files = [] }) => files);
    expect(shared.map(({ name }) => name)).toEqual(['slower.mp3']);
    const { file } = await call('files.info', { file: shared[0]?.id });
    const headers = { authorization: `Bearer ${ALICE_TOKEN}` };
    const back = await fetch(file?.url_private_download ?? '', { headers });
    expect(Buffer.from(await back.arrayBuffer()).equals(song)).toBe(true);
  });

  /** The thread, once the status message shows the result. */
  async function answered(ts: string): Promise<NonNullable<Answer['messages']>> {
    for (let tries = 0; tries < 300; tries += 1) {
      const { messages = [] } = await call('conversations.replies', { channel, ts });
      if (messages.some(({ text }) => text === 'slower, as you wished')) return messages;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('no answer');
  }
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
