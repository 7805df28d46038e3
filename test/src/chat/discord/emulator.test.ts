import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApplicationCommandOptionType, ButtonStyle, ChannelType, ComponentType } from 'discord-api-types/v10';
import { DigitalDiscord } from 'discord-digital-twin';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bot } from '#test/src/chat/discord/support/bot';
import { EngineDouble } from '#test/src/chat/discord/support/engine-double';
import { fixtureFolder } from '#test/support/media-fixtures';

/*
 * The same bot on somebody else's Discord (discord-digital-twin), to catch what we and our own local Discord might both
 * have misread. It has no list of commands, reads no multipart and mentions nobody, so files and mentions are tested on
 * ours; a proxy answers the one call that it lacks.
 */
const fixtures = fixtureFolder();
let twin: DigitalDiscord;
let proxy: Server;
let bot: Bot;
let engine: EngineDouble;
let channelId: string;
let userId: string;
let commands: unknown = [];

beforeAll(async () => {
  twin = new DigitalDiscord({
    channels: [{ name: 'music', type: ChannelType.GuildText }],
    users: [{ username: 'ana' }],
  });
  await twin.start();
  channelId = (await twin.prisma.channel.findFirstOrThrow()).id;
  userId = (await twin.getFirstNonBotUserId()) ?? '';
  const api = await startProxy(new URL(twin.restUrl).origin);
  bot = await Bot.start({ token: twin.botToken, api });
  engine = new EngineDouble(bot.services, fixtures);
  await bot.work(engine.handle);
});
afterAll(async () => {
  await bot?.close();
  proxy?.close();
  await twin?.stop();
  fixtures.remove();
});

async function startProxy(origin: string): Promise<string> {
  proxy = createServer((request: IncomingMessage, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { method = 'GET', url = '/' } = request;
      const json = { 'content-type': 'application/json' };
      if (method === 'GET' && /\/applications\/\d+\/commands/.test(url)) {
        response.writeHead(200, json).end(JSON.stringify(commands));
        return;
      }
      const body = chunks.length === 0 ? null : Buffer.concat(chunks);
      const { authorization, 'content-type': type } = request.headers;
      const headers = {
        ...(authorization === undefined ? {} : { authorization }),
        ...(type === undefined ? {} : { 'content-type': type }),
      };
      const answer = await fetch(`${origin}${url}`, { method, headers, body });
      const text = await answer.text();
      if (method === 'PUT' && answer.ok) commands = JSON.parse(text);
      if (answer.status === 204) response.writeHead(204).end();
      else response.writeHead(answer.status, json).end(text);
    })();
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/api`;
}

const ask = (question: string) =>
  twin
    .channel(channelId)
    .user(userId)
    .runSlashCommand({
      name: 'ask',
      options: [{ name: 'question', type: ApplicationCommandOptionType.String, value: question }],
    });

const said = (words: string) =>
  twin.channel(channelId).waitForMessage({
    timeout: 30_000,
    predicate: ({ author, content }) => author.bot === true && content.includes(words),
  });

describe('on an independent emulator', () => {
  it('registers its commands and logs in', async () => {
    const names = (await twin.prisma.applicationCommand.findMany()).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['ask', 'generate', 'settings', 'Remix this']));
    expect(bot.adapter.connected).toBe(true);
  });

  it('acknowledges a command and answers in one message, with a button that asks again', async () => {
    const { id } = await ask('What is a waltz?');
    const acknowledged = await twin.channel(channelId).waitForInteractionAck({ interactionId: id });
    expect(acknowledged.acknowledged).toBe(true);
    const answer = await said(`job d${id}`);
    expect(answer.content).toContain('It is a waltz.');
    const [row] = answer.components ?? [];
    const button = row?.type === ComponentType.ActionRow ? row.components[0] : undefined;
    expect(button).toMatchObject({
      type: ComponentType.Button,
      style: ButtonStyle.Secondary,
      label: 'Again',
    });

    const customId = button !== undefined && 'custom_id' in button ? button.custom_id : '';
    const pressed = await twin
      .channel(channelId)
      .user(userId)
      .clickButton({ messageId: answer.id, customId });
    // The emulator shows it in place of the old answer; Discord, and ours, as a message of its own.
    await said(`job d${pressed.id}`);
    expect(engine.requests.map(({ text }) => text)).toEqual(['What is a waltz?', 'What is a waltz?']);
  });
});
