import { type Client, type GatewayMessageCreateDispatchData, MessageType } from 'discord.js';
import type { Courier } from '#src/chat/delivery/types';
import { isThread, placeOfMessage } from '#src/chat/discord/people';
import { filesOf, fromMessage } from '#src/chat/discord/receipts';

/** What people write; the rest is what Discord writes itself (joins, pins, boosts). */
const WRITTEN: readonly MessageType[] = [MessageType.Default, MessageType.Reply];

/** Takes up messages that are meant for the bot: direct ones, and those that mention it or answer it. */
export class Mentions {
  constructor(
    private readonly client: Client,
    private readonly application: string,
    private readonly courier: Courier,
  ) {}

  async handle(message: GatewayMessageCreateDispatchData): Promise<void> {
    const bot = this.client.user?.id;
    if (bot === undefined || message.author.bot === true || message.webhook_id !== undefined) return;
    if (!WRITTEN.includes(message.type)) return;
    const isDirect = message.guild_id === undefined;
    if (!isDirect && !message.mentions.some(({ id }) => id === bot)) return;
    const files = filesOf(message, this.application);
    const answered = message.referenced_message;
    // "What key is this?" as an answer to somebody's song. Our own tracks are the conversation's already.
    if (files.length === 0 && answered != null && answered.author.id !== bot) {
      files.push(...filesOf(answered, this.application));
    }
    const text = wordsOf(message, bot);
    const line = text === '' && files.length === 0 ? '/help' : text;
    const place = placeOfMessage(message, this.threadOf(message), this.localeOf(message));
    const { receipt, secrets } = fromMessage(message.id, this.application, place, { line, files });
    await this.courier.receive(receipt, secrets);
  }

  private threadOf(message: GatewayMessageCreateDispatchData): { parent: string | undefined } | undefined {
    const channel = this.client.channels.cache.get(message.channel_id);
    if (channel?.isThread()) return { parent: channel.parentId ?? undefined };
    return isThread(message.channel_type) ? { parent: undefined } : undefined;
  }

  /** Messages carry no language: the server's own stands in. */
  private localeOf({ guild_id: guild }: GatewayMessageCreateDispatchData): string | undefined {
    return guild === undefined ? undefined : this.client.guilds.cache.get(guild)?.preferredLocale;
  }
}

/** The words of a message without the call to the bot, and with others' names in place of their numbers. */
function wordsOf(message: GatewayMessageCreateDispatchData, bot: string): string {
  return message.content
    .replace(/<@!?(\d{1,20})>/g, (mention, id: string) => {
      if (id === bot) return ' ';
      const person = message.mentions.find((one) => one.id === id);
      return person === undefined ? mention : `@${person.global_name ?? person.username}`;
    })
    .replace(/[ \t]{2,}/g, ' ')
    .trim();
}
