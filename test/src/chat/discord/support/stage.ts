import { readFileSync } from 'node:fs';
import type { APIAttachment } from 'discord-api-types/v10';
import { Bot, until } from '#test/src/chat/discord/support/bot';
import { EngineDouble } from '#test/src/chat/discord/support/engine-double';
import { LocalDiscord, type Standing } from '#test/src/chat/discord/support/local-discord';
import { buttonsOn } from '#test/src/chat/discord/support/people';
import type { OpenInteraction } from '#test/src/chat/discord/support/rest-api';
import { fixtureFolder, tone } from '#test/support/media-fixtures';

/** A local Discord with the bot on it, and an engine that answers at once. */
export class Stage {
  private constructor(
    readonly discord: LocalDiscord,
    readonly bot: Bot,
    readonly engine: EngineDouble,
    readonly fixtures: ReturnType<typeof fixtureFolder>,
    private readonly sound: Buffer,
  ) {}

  static async open(environment: Record<string, string> = {}): Promise<Stage> {
    const fixtures = fixtureFolder();
    const sound = readFileSync(tone(fixtures.path('song.mp3'), { seconds: 2 }));
    const discord = await LocalDiscord.start();
    const bot = await Bot.start(discord, environment);
    const engine = new EngineDouble(bot.services, fixtures);
    await bot.work(engine.handle);
    return new Stage(discord, bot, engine, fixtures, sound);
  }

  /** A song somebody uploads. */
  song(name = 'song.mp3'): APIAttachment {
    return this.discord.attach(name, 'audio/mpeg', this.sound);
  }

  /** The message an interaction ended in: one that has its seed under it, or the words given. */
  async ended(open: OpenInteraction, words = 'seed'): Promise<Standing> {
    return await until(() => {
      const message = this.discord.messages.get(open.message ?? '');
      return message?.content.includes(words) === true ? message : undefined;
    });
  }

  /** The bot's answer to somebody's message, once it says so. */
  async answered(id: string, words = 'seed'): Promise<Standing> {
    return await until(() => this.answersTo(id).find(({ content }) => content.includes(words)));
  }

  answersTo(id: string): Standing[] {
    return [...this.discord.messages.values()].filter(({ reference }) => reference === id);
  }

  /** What only the one who pressed sees. */
  async whisper(open: OpenInteraction): Promise<string> {
    return await until(() => open.whispers.at(-1));
  }

  async close(): Promise<void> {
    await this.bot.close();
    await this.discord.close();
    this.fixtures.remove();
  }
}

export function labelsOf(message: Standing): Array<string | undefined> {
  return buttonsOn(message).map(({ label }) => label);
}
