import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFromFuture, openConnection } from '#src/chat/slack/receiver';
import { startSlack } from '#src/chat/slack/start';
import { loadConfig } from '#src/config';
import { createLogger } from '#src/log';
import { startTestBot, type TestBot } from '#test/src/chat/slack/support/bot';
import { postSigned, until } from '#test/src/chat/slack/support/driver';
import { ALICE, DIRECT_ALICE, TEAM } from '#test/src/chat/slack/support/workspace';

const JSON_TYPE = 'application/json';

describe('HTTP mode', () => {
  let bot: TestBot;
  const port = () => bot.slack.port ?? 0;
  const now = () => Math.floor(Date.now() / 1000);
  let count = 0;

  beforeAll(async () => {
    bot = await startTestBot({ mode: 'http' });
  });
  afterAll(() => bot?.close());

  function question(): string {
    count += 1;
    const event = { type: 'message', channel_type: 'im', channel: DIRECT_ALICE, user: ALICE };
    return JSON.stringify({
      ...{ type: 'event_callback', team_id: TEAM, event_id: `Ev${count}` },
      event: { ...event, ts: `100${count}.000001`, text: 'What is a fugue?' },
    });
  }

  it('answers Slack’s question whether it is there, if it is Slack’s', async () => {
    const challenge = JSON.stringify({ type: 'url_verification', challenge: 'abc' });
    const answer = await postSigned(port(), challenge, JSON_TYPE);
    expect(await answer.json()).toEqual({ challenge: 'abc' });
    expect((await postSigned(port(), challenge, JSON_TYPE, { secret: 'other' })).status).toBe(401);
  });

  it('refuses a wrong signature, none, an old time and one from the future', async () => {
    const posted = bot.server.workspace.messages.length;
    const bad = [
      postSigned(port(), question(), JSON_TYPE, { secret: 'somebody-else' }),
      postSigned(port(), question(), JSON_TYPE, { signature: 'v0=' }),
      postSigned(port(), question(), JSON_TYPE, { signature: 'nonsense' }),
      postSigned(port(), question(), JSON_TYPE, { at: now() - 6 * 60 }),
      postSigned(port(), question(), JSON_TYPE, { at: now() + 6 * 60 }),
      postSigned(port(), question(), JSON_TYPE, { at: Number.NaN }),
      fetch(`http://127.0.0.1:${port()}/slack/events`, { method: 'POST', body: question() }),
    ];
    expect((await Promise.all(bad)).map(({ status }) => status)).toEqual(bad.map(() => 401));
    const elsewhere = await fetch(`http://127.0.0.1:${port()}/`, {
      headers: { 'x-slack-request-timestamp': String(now()) },
    });
    expect(elsewhere.status).toBe(404);
    const good = await postSigned(port(), question(), JSON_TYPE, { at: now() });
    expect(good.status).toBe(200);
    await until('one answer', () => bot.server.workspace.messages.length > posted);
    expect(bot.server.workspace.messages).toHaveLength(posted + 1);
  });

  it('reads no body without end, whoever sends it', async () => {
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(256 * 1024)),
    });
    const outcome = await fetch(`http://127.0.0.1:${port()}/slack/events`, {
      method: 'POST',
      body: endless,
      duplex: 'half',
      headers: { 'x-slack-request-timestamp': String(now()) },
    }).then(
      ({ status }) => status,
      () => 'broken off',
    );
    expect([413, 'broken off']).toContain(outcome);
    expect((await postSigned(port(), question(), JSON_TYPE)).status).toBe(200);
  });

  it('allows for clocks that differ a little', () => {
    const at = 1_700_000_000_000;
    expect(isFromFuture('1700000030', at)).toBe(false);
    expect(isFromFuture('1700000090', at)).toBe(true);
    expect(isFromFuture(undefined, at)).toBe(true);
    expect(isFromFuture('soon', at)).toBe(true);
  });
});

describe('a start', () => {
  const log = createLogger('silent');

  it('without a way for Slack to reach the bot says which variable is missing', () => {
    const { slack } = loadConfig({ SLACK_BOT_TOKEN: 'xoxb-x' });
    if (slack === undefined) throw new Error('no settings');
    expect(() => openConnection(slack, log)).toThrow(/SLACK_APP_TOKEN/);
  });

  it('with a token that Slack refuses says so', async () => {
    const failure = startTestBot({ mode: 'socket', environment: { SLACK_BOT_TOKEN: 'xoxb-wrong' } });
    await expect(failure).rejects.toMatchObject({ code: 'invalid_input', message: /SLACK_BOT_TOKEN/ });
  });

  it('with an app-level token that Slack refuses says so', async () => {
    const failure = startTestBot({ mode: 'socket', environment: { SLACK_APP_TOKEN: 'xapp-wrong' } });
    await expect(failure).rejects.toMatchObject({ code: 'invalid_input', message: /SLACK_APP_TOKEN/ });
  });

  it('without Slack’s answer says that too', async () => {
    const failure = startTestBot({
      mode: 'socket',
      environment: { MUMU_SLACK_API: 'http://127.0.0.1:1/api/' },
    });
    await expect(failure).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('at a port or an address that cannot be listened at says what to set, and is not tried again', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const start = (environment: Record<string, string>) => startTestBot({ mode: 'http', environment });
    await expect(start({ MUMU_SLACK_PORT: String(port) })).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringMatching(new RegExp(`${port}.* taken.*MUMU_SLACK_PORT.*MUMU_SLACK_HOST`)),
    });
    // A block of addresses for examples, which no machine has.
    await expect(start({ MUMU_SLACK_HOST: '203.0.113.9' })).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringMatching(/203\.0\.113\.9.*MUMU_SLACK_HOST.*MUMU_SLACK_PORT/),
    });
    other.close();
  });

  it('without settings is none', async () => {
    const bot = await startTestBot({ mode: 'socket', worker: false });
    const { services } = bot.opened;
    const config = { ...services.config, slack: undefined };
    await expect(startSlack({ ...services, config })).rejects.toMatchObject({ code: 'invalid_input' });
    await bot.close();
  });
});
