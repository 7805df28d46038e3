import type { Metrics } from '#src/ops/metrics';
import type { RedisAccess } from '#src/redis/access';

/** How long Redis may take to answer before it counts as away, milliseconds. */
const PATIENCE = 2_000;

export interface HealthReport {
  ok: boolean;
  /** By part: redis, discord, slack, worker, page. */
  parts: Record<string, boolean>;
}

/** Whether the parts of this process work. */
export class Health {
  private readonly parts = new Map<string, () => boolean>();
  private readonly connection;

  constructor(
    redis: RedisAccess,
    private readonly metrics: Metrics,
  ) {
    this.connection = redis.connect('producer');
  }

  /** Adds a part that says of itself whether it works. */
  watch(part: string, isUp: () => boolean): void {
    this.parts.set(part, isUp);
    this.metrics.watchPart(part, isUp);
  }

  async report(): Promise<HealthReport> {
    const parts: Record<string, boolean> = { redis: await this.redisAnswers() };
    for (const [part, isUp] of this.parts) parts[part] = isUp();
    return { ok: Object.values(parts).every(Boolean), parts };
  }

  private async redisAnswers(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), PATIENCE);
    });
    const pong = this.connection.ping().then(
      () => true,
      () => false,
    );
    return Promise.race([pong, late]).finally(() => clearTimeout(timer));
  }
}
