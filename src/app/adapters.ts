import { setTimeout as delay } from 'node:timers/promises';
import { MumuError } from '#contracts/errors';
import type { Running } from '#src/app/running';
import type { RunningAdapter, Services } from '#src/app/services';
import type { Config } from '#src/config';
import type { Logger } from '#src/log';

/** A platform that does not answer at the start is tried again this often, milliseconds. */
const RETRY = 15_000;
/** A connection that is being made when the process stops has so long to come about and be ended, milliseconds. */
const STOP_PATIENCE = 2000;

/**
 * Says whether there is a platform to connect to.
 * @throws MumuError missing_dependency naming what to set
 */
export function requirePlatform({ discord, slack }: Pick<Config, 'discord' | 'slack'>): void {
  if (discord !== undefined || slack !== undefined) return;
  throw new MumuError(
    'missing_dependency',
    'There is no bot to start: set DISCORD_TOKEN (docs/discord.md), or SLACK_BOT_TOKEN with SLACK_APP_TOKEN or SLACK_SIGNING_SECRET (docs/slack.md).',
  );
}

/**
 * An adapter for every platform that has a token, to be started: its library is loaded only then. All are in `running`
 * already, so that what is added to that later ends before them.
 */
export async function openAdapters(services: Services, running: Running): Promise<PatientAdapter[]> {
  const { config, log } = services;
  const starts: Array<[platform: string, begin: () => Promise<RunningAdapter>]> = [];
  if (config.discord !== undefined) {
    const { startDiscord } = await import('#src/chat/discord/start');
    starts.push(['discord', () => startDiscord(services)]);
  }
  if (config.slack !== undefined) {
    const { startSlack } = await import('#src/chat/slack/start');
    starts.push(['slack', () => startSlack(services)]);
  }
  const adapters = starts.map(([platform, begin]) => new PatientAdapter(platform, begin, log));
  for (const adapter of adapters) running.add(adapter.platform, () => adapter.close());
  return adapters;
}

/** An adapter that goes on trying while its platform is away. */
export class PatientAdapter implements RunningAdapter {
  private current: RunningAdapter | undefined;
  private readonly closing = new AbortController();
  private trying: Promise<void> = Promise.resolve();

  constructor(
    readonly platform: string,
    private readonly begin: () => Promise<RunningAdapter>,
    private readonly log: Logger,
    /** Milliseconds. */
    private readonly retry = RETRY,
  ) {}

  get connected(): boolean {
    return this.current?.connected ?? false;
  }

  /** Resolves after the first try, whether the platform answered or not. @throws MumuError what is no passing thing */
  async start(): Promise<void> {
    const first = this.try();
    this.trying = first.then(
      () => undefined,
      () => undefined,
    );
    if (await first) return;
    this.trying = this.tryOn().catch((error: Error) => {
      this.log.error({ platform: this.platform, error: error.message }, 'platform given up');
    });
  }

  async close(): Promise<void> {
    this.closing.abort();
    await Promise.race([this.trying, delay(STOP_PATIENCE, undefined, { ref: false })]);
    await this.current?.close();
  }

  private async tryOn(): Promise<void> {
    const { signal } = this.closing;
    if (signal.aborted) return;
    do {
      await delay(this.retry, undefined, { signal }).catch(() => undefined);
    } while (!signal.aborted && !(await this.try()));
  }

  private async try(): Promise<boolean> {
    try {
      const adapter = await this.begin();
      // Nobody would end it any more, nor the requests it takes in.
      if (this.closing.signal.aborted) await adapter.close();
      else this.current = adapter;
      return true;
    } catch (error) {
      if (!(error instanceof MumuError) || error.code !== 'unavailable') throw error;
      this.log.warn({ platform: this.platform, error: error.message }, 'platform is away: trying again');
      return false;
    }
  }
}
