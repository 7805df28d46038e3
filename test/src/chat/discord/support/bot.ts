import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { openServices } from '#src/app/open';
import { Running } from '#src/app/running';
import type { RunningAdapter, Services } from '#src/app/services';
import { startDiscord } from '#src/chat/discord/start';
import { loadConfig } from '#src/config';
import { createLogger } from '#src/log';
import { consumeJobs, type JobConsumer, type JobHandler } from '#src/queue/consume';
import type { LocalDiscord } from '#test/src/chat/discord/support/local-discord';

const log = createLogger(process.env.MUMU_TEST_LOG ?? 'silent');

/** A bot as `mumu bot` runs it, on a Redis and a data folder of its own, at the local Discord. */
export class Bot {
  private constructor(
    readonly folder: string,
    readonly services: Services,
    private readonly running: Running,
    public adapter: RunningAdapter,
  ) {}

  static async start(
    discord: Pick<LocalDiscord, 'token' | 'api'>,
    environment: Record<string, string> = {},
  ): Promise<Bot> {
    const folder = await mkdtemp(join(tmpdir(), 'mumu-discord-'));
    const config = loadConfig({
      ...{ MUMU_DATA: folder, DISCORD_TOKEN: discord.token, MUMU_DISCORD_API: discord.api },
      ...environment,
    });
    const running = new Running(log);
    const { services } = await openServices(config, log, running);
    const adapter = await startDiscord(services);
    return new Bot(folder, services, running, adapter);
  }

  /** Ends the adapter and starts another, as when the bot's process is started anew. */
  async restart(): Promise<void> {
    await this.adapter.close();
    this.adapter = await startDiscord(this.services);
  }

  /** Takes jobs without an engine: what a job comes to is up to the test. */
  async work(handle: JobHandler): Promise<JobConsumer> {
    const { redis } = this.services;
    const consumer = await consumeJobs({
      ...{ redis, queues: ['text', 'music'], concurrency: { text: 4, music: 4 }, handle, log },
      keepMilliseconds: 3_600_000,
    });
    this.running.add('worker', () => consumer.close(0));
    return consumer;
  }

  add(what: string, end: () => unknown): void {
    this.running.add(what, end);
  }

  async close(): Promise<void> {
    await this.adapter.close();
    await this.running.close(20_000);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Waits until something holds; says what did not. */
export async function until<T>(look: () => T | undefined | false, { timeout = 45_000 } = {}): Promise<T> {
  return await vi.waitFor(
    () => {
      const found = look();
      if (found === undefined || found === false) throw new Error(`not yet: ${look}`);
      return found;
    },
    { timeout, interval: 25 },
  );
}
