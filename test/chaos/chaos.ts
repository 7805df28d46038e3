import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { RemoteFile } from '#src/chat/delivery/types';
import { Part, PlatformPart, type PlatformReport, RedisPart } from '#test/chaos/parts';

/** A bot that does not take an event is given it again after this long, as platforms do, milliseconds. */
const RETRY = 4_000;

export interface ChaosOptions {
  rounds: number;
  /** What happens, and when, follows from it (but for how fast the machine is). */
  seed: number;
  /** How soon the dead are given up, milliseconds. Default 3,000. */
  patience?: number;
  /** Longest wait for the last result after the last round, milliseconds. Default 180,000. */
  settle?: number;
  log?: string;
  onRound?(round: number, what: string): void;
}

export interface ChaosReport {
  /** What was done, by name. */
  deeds: Record<string, number>;
  /** What came of it, by name. */
  outcomes: Record<string, number>;
  /** What must not be; empty if all is well. */
  problems: string[];
}

interface Command {
  id: string;
  receipt: object;
  files: RemoteFile[];
  taken: boolean;
}

/** Rounds of harm to bots, workers, engines and Redis while people go on asking; ends when everyone has an answer. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const folder = await mkdtemp(join(tmpdir(), 'mumu-chaos-'));
  const chaos = await Chaos.start(folder, options);
  try {
    for (let round = 1; round <= options.rounds; round += 1) {
      const deed = await chaos.round();
      options.onRound?.(round, deed);
    }
    return await chaos.end();
  } finally {
    await chaos.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

class Chaos {
  private readonly commands = new Map<string, Command>();
  private readonly deeds = new Map<string, number>();
  private readonly starting = new Set<Promise<void>>();
  private readonly waiting = new Map<string, () => void>();
  private readonly random: () => number;
  private readonly deliveries = new Set<Promise<void>>();
  private stopped = false;

  private constructor(
    private readonly options: ChaosOptions,
    private readonly redis: RedisPart,
    private readonly store: Redis,
    private readonly platform: PlatformPart,
    private readonly bots: Part[],
    private readonly workers: Part[],
  ) {
    this.random = seeded(options.seed);
  }

  static async start(folder: string, options: ChaosOptions): Promise<Chaos> {
    const redis = new RedisPart(join(folder, 'redis'));
    await redis.start();
    const platform = await PlatformPart.start();
    const settings = (name: string) => ({
      redisUrl: redis.url,
      dataFolder: join(folder, name),
      storageFolder: join(folder, 'storage'),
      platformUrl: platform.url,
      patience: options.patience ?? 3_000,
      log: options.log ?? 'silent',
    });
    let chaos: Chaos | undefined;
    const onTaken = (id: string, isNew: boolean) => chaos?.taken(id, isNew);
    const part = (module: 'bot' | 'worker', index: number) =>
      new Part(`${module} ${index}`, module, settings(`${module}-${index}`), onTaken);
    const bots = [1, 2].map((index) => part('bot', index));
    const workers = [1, 2].map((index) => part('worker', index));
    chaos = new Chaos(options, redis, redis.connect(), platform, bots, workers);
    await Promise.all([...bots, ...workers].map((one) => one.start()));
    return chaos;
  }

  /** People ask, something breaks. @returns what. */
  async round(): Promise<string> {
    for (let count = this.whole(2, 5); count > 0; count -= 1) this.ask();
    await delay(this.whole(20, 500));
    const deeds: Array<() => Promise<string>> = [
      () => this.harm(this.workers, 'SIGKILL'),
      () => this.harm(this.workers, 'SIGKILL'),
      () => this.harm(this.bots, 'SIGKILL'),
      () => this.harm(this.bots, 'SIGKILL'),
      () => this.harmEngine(),
      () => this.harmEngine(),
      () => this.harmRedis('SIGKILL'),
      () => this.harmRedis('SIGTERM'),
      () => this.harm(this.workers, 'SIGTERM'),
      () => this.harm(this.bots, 'SIGTERM'),
      () => this.repeat(),
    ];
    const deed = await this.pick(deeds)();
    this.count(this.deeds, deed);
    return deed;
  }

  /** Lets everything come to rest and looks at what the platform has. */
  async end(): Promise<ChaosReport> {
    await Promise.all(this.starting);
    await Promise.all([...this.bots, ...this.workers].map((part) => (part.isUp ? undefined : part.start())));
    await Promise.all(this.deliveries);
    const until = Date.now() + (this.options.settle ?? 180_000);
    let report = await this.platform.report();
    const open = () => this.commands.size - report.filter(({ finals }) => finals.length > 0).length;
    while (open() > 0 && Date.now() < until) {
      await delay(250);
      report = await this.platform.report();
    }
    // Whoever would post a second time has the time to.
    await delay((this.options.patience ?? 3_000) + 1_000);
    return await this.judge(await this.platform.report());
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.starting);
    await Promise.all([...this.bots, ...this.workers].map((part) => part.stop('SIGKILL')));
    this.store.disconnect();
    await this.redis.stop('SIGKILL');
    this.platform.stop();
  }

  /** Somebody asks for something: one time in three with a file, one in three for music, quickly or slowly. */
  private ask(): void {
    const id = `c${this.commands.size + 1}`;
    const person = this.whole(1, 20);
    const pace = this.random() < 0.5 ? 'at once' : `slow ${this.whole(50, 1500)}`;
    const files = this.random() < 0.33 ? [{ name: `song ${person}.wav`, reference: `file ${person}` }] : [];
    const command = this.random() < 0.33 ? 'generate' : 'ask';
    const receipt = {
      id,
      platform: 'discord',
      user: `discord:${person}`,
      server: `discord:server-${person % 3}`,
      conversation: `discord:${person}`,
      intent: { type: 'command', command, text: `please, ${pace}`, options: {}, action: 'new' },
      address: {},
    };
    const asked: Command = { id, receipt, files, taken: false };
    this.commands.set(id, asked);
    const delivered = this.deliver(asked).finally(() => this.deliveries.delete(delivered));
    this.deliveries.add(delivered);
  }

  /** Gives an event to one bot after another until one has taken it; sometimes once more. */
  private async deliver(command: Command): Promise<void> {
    while (!command.taken && !this.stopped) {
      const up = this.bots.filter((bot) => bot.isUp);
      if (up.length === 0) {
        await delay(50);
        continue;
      }
      this.send(command, this.pick(up));
      const taken = new Promise<void>((resolve) => this.waiting.set(command.id, resolve));
      await Promise.race([taken, delay(RETRY)]);
      this.waiting.delete(command.id);
      if (!command.taken) this.count(this.deeds, 'events delivered again, not being taken');
    }
    if (this.random() < 0.3) this.again(command);
  }

  private again(command: Command): void {
    const up = this.bots.filter((bot) => bot.isUp);
    if (up.length === 0) return;
    this.count(this.deeds, 'events delivered twice');
    this.send(command, this.pick(up));
  }

  private send({ receipt, files }: Command, bot: Part): void {
    bot.send({ type: 'event', receipt, files });
  }

  private taken(id: string, isNew: boolean): void {
    const command = this.commands.get(id);
    if (command !== undefined) command.taken = true;
    if (!isNew) this.count(this.deeds, 'events known by their id and dropped');
    this.waiting.get(id)?.();
  }

  /** Ends a bot or worker, and starts it again a while later. */
  private async harm(parts: Part[], signal: 'SIGKILL' | 'SIGTERM'): Promise<string> {
    const part = await this.oneUp(parts);
    await part.stop(signal);
    const pause = this.whole(0, 1500);
    const started = delay(pause)
      .then(() => part.start())
      .finally(() => this.starting.delete(started));
    this.starting.add(started);
    return `${part.name.split(' ')[0]}: ${signal}`;
  }

  private async harmEngine(): Promise<string> {
    const worker = await this.oneUp(this.workers);
    return (await worker.killEngine()) ? 'engine: SIGKILL' : 'rounds without harm';
  }

  private async oneUp(parts: Part[]): Promise<Part> {
    for (;;) {
      const up = parts.filter((part) => part.isUp);
      if (up.length > 0) return this.pick(up);
      await delay(50);
    }
  }

  /** Ends Redis for a while. */
  private async harmRedis(signal: 'SIGKILL' | 'SIGTERM'): Promise<string> {
    await this.redis.stop(signal);
    await delay(this.whole(50, 2500));
    await this.redis.start();
    return `redis: ${signal}`;
  }

  /** The platform sends what it sent before. */
  private async repeat(): Promise<string> {
    const known = [...this.commands.values()].filter(({ taken }) => taken);
    for (const command of known.slice(-10)) this.again(command);
    return 'rounds of repeated events';
  }

  private async judge(report: PlatformReport): Promise<ChaosReport> {
    const outcomes = new Map<string, number>();
    const problems: string[] = [];
    const byId = new Map(report.map((one) => [one.id, one]));
    for (const id of this.commands.keys()) {
      const seen = byId.get(id);
      const [last] = seen?.finals ?? [];
      if (seen === undefined || last === undefined) {
        problems.push(`${id} has no result`);
        continue;
      }
      if (seen.messages !== 1) problems.push(`${id} has ${seen.messages} messages`);
      if (seen.finished !== 1) problems.push(`${id} has ${seen.finished} messages with a result`);
      if (seen.undone > 0) problems.push(`${id} went back from its result`);
      if (new Set(seen.finals.map(({ text }) => text)).size > 1) problems.push(`${id} has several results`);
      const isAnswer = last.state === 'done' && last.text.startsWith(`answer to ${id} `);
      if (last.state === 'done' && !isAnswer) problems.push(`${id} has the answer of another`);
      this.count(outcomes, isAnswer ? 'answered' : `told: ${last.text}`);
      if (seen.finals.length > 1) this.count(outcomes, 'results shown again on the same message');
    }
    const open = await this.store.zcard('chaos:deliveries:discord');
    if (open > 0) problems.push(`${open} deliveries are still open`);
    for (const key of await this.store.keys('chaos:open:*')) problems.push(`${key} still counts jobs`);
    outcomes.set(
      'edits of status messages',
      report.reduce((sum, { edits }) => sum + edits, 0),
    );
    this.deeds.set('commands', this.commands.size);
    const sorted = (counts: Map<string, number>) => Object.fromEntries([...counts].sort());
    return { deeds: sorted(this.deeds), outcomes: sorted(outcomes), problems };
  }

  private count(counts: Map<string, number>, what: string): void {
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.whole(0, from.length - 1)] as T;
  }

  /** A whole number from `least` to `most`. */
  private whole(least: number, most: number): number {
    return least + Math.floor(this.random() * (most - least + 1));
  }
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
