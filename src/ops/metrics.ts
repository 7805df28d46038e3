import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { CourierObserver } from '#src/chat/delivery/follower';
import type { IntakeObserver } from '#src/chat/intake';
import type { JobObserver } from '#src/queue/observer';

/** Seconds: from an answer at once to a long piece on a slow machine. */
const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
/** Seconds of taking something in, which never waits for a model. */
const INTAKE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** How busy one queue is. */
export interface QueueCount {
  queue: string;
  waiting: number;
  active: number;
}

/**
 * The operator's figures, in the units that Prometheus asks for (seconds, bytes). Labels are commands, stages, queues
 * and codes only: who asked and what was said is in none of them.
 */
export class Metrics {
  readonly registry = new Registry();
  private readonly wait = this.histogram('mumu_queue_wait_seconds', 'Time from intake to a worker', [
    'command',
  ]);
  private readonly stages = this.histogram('mumu_job_stage_seconds', 'Time of a job in one stage', [
    'command',
    'stage',
  ]);
  private readonly jobs = new Counter({
    name: 'mumu_jobs_total',
    help: 'Jobs ended, by outcome: done, or the code of the failure',
    labelNames: ['command', 'outcome'] as const,
    registers: [this.registry],
  });
  private readonly unfinished = new Counter({
    name: 'mumu_jobs_unfinished_total',
    help: 'Tries of jobs that go on elsewhere or once more: put-back, or the code of the failure',
    labelNames: ['command', 'reason'] as const,
    registers: [this.registry],
  });
  private readonly retries = this.counter('mumu_jobs_taken_up_again_total', 'Jobs begun for a second time');
  private readonly tokens = this.counter('mumu_language_tokens_total', 'Tokens the language model wrote');
  private readonly music = this.counter('mumu_music_seconds_total', 'Seconds of new music made');
  private readonly intake = new Histogram({
    name: 'mumu_intake_seconds',
    help: 'Time to put a request on its queue',
    labelNames: ['command'] as const,
    buckets: INTAKE_SECONDS,
    registers: [this.registry],
  });
  private readonly refusals = new Counter({
    name: 'mumu_intake_refused_total',
    help: 'Requests and files turned away at intake, by code',
    labelNames: ['code'] as const,
    registers: [this.registry],
  });
  private readonly received = new Counter({
    name: 'mumu_deliveries_received_total',
    help: 'Requests taken over from a platform',
    labelNames: ['platform'] as const,
    registers: [this.registry],
  });
  private readonly toQueue = new Histogram({
    name: 'mumu_delivery_queued_seconds',
    help: 'Time from receiving a request to having it on its queue, fetching its files included',
    labelNames: ['platform'] as const,
    buckets: SECONDS,
    registers: [this.registry],
  });
  private readonly answered = new Histogram({
    name: 'mumu_delivery_answered_seconds',
    help: 'Time from receiving a request to its answer on the platform, by outcome',
    labelNames: ['platform', 'outcome'] as const,
    buckets: SECONDS,
    registers: [this.registry],
  });
  private readonly platformRetries = new Counter({
    name: 'mumu_platform_retries_total',
    help: 'Calls to a platform that failed and were made again',
    labelNames: ['platform'] as const,
    registers: [this.registry],
  });
  private readonly uploads = this.counter('mumu_intake_bytes_total', 'Bytes of files taken in');

  /** What workers tell of. */
  readonly work: JobObserver = {
    started: ({ command }, { waitMilliseconds, attempt }) => {
      this.wait.observe({ command }, Math.max(0, waitMilliseconds) / 1000);
      if (attempt > 1) this.retries.inc();
    },
    ended: ({ command }, outcome) => {
      const isDone = outcome.status === 'done';
      const told = outcome.status === 'failed' ? outcome.code : outcome.status;
      // A job that is put back or tried again has not ended: those are counted apart.
      const isOver = outcome.status === 'done' || (outcome.status === 'failed' && !outcome.again);
      if (isOver) this.jobs.inc({ command, outcome: told });
      else this.unfinished.inc({ command, reason: told });
      if (!isDone) return;
      const { timings, counts } = outcome.result;
      for (const [stage, milliseconds] of Object.entries(timings)) {
        // A stage that a job did not come by says nothing of how long it takes.
        if (milliseconds > 0) this.stages.observe({ command, stage }, milliseconds / 1000);
      }
      this.tokens.inc(counts?.tokens ?? 0);
      this.music.inc(counts?.musicSeconds ?? 0);
    },
  };
  /** What intake tells of. */
  readonly requests: IntakeObserver = {
    file: (bytes) => this.uploads.inc(bytes),
    queued: (command, milliseconds) => this.intake.observe({ command }, milliseconds / 1000),
    refused: (code) => this.refusals.inc({ code }),
  };
  /** What couriers tell of. */
  readonly deliveries: CourierObserver = {
    received: (platform) => this.received.inc({ platform }),
    queued: (platform, milliseconds) => this.toQueue.observe({ platform }, milliseconds / 1000),
    posted: (platform, outcome, milliseconds) =>
      this.answered.observe({ platform, outcome }, milliseconds / 1000),
    retried: (platform) => this.platformRetries.inc({ platform }),
  };

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** Gauges of the queues, asked for whenever the figures are read. */
  watchQueues(counts: () => Promise<readonly QueueCount[]>): void {
    const jobs: Gauge<'queue' | 'state'> = new Gauge({
      name: 'mumu_queue_jobs',
      help: 'Jobs that wait or run',
      labelNames: ['queue', 'state'] as const,
      registers: [this.registry],
      collect: async () => {
        jobs.reset();
        // Redis away: no figures of the queues, but all others.
        const found = await counts().catch(() => []);
        for (const { queue, waiting, active } of found) {
          jobs.set({ queue, state: 'waiting' }, waiting);
          jobs.set({ queue, state: 'active' }, active);
        }
      },
    });
  }

  /** Whether a part of this process works: 1 or 0. */
  watchPart(part: string, isUp: () => boolean): void {
    this.up.set({ part }, 0);
    this.parts.set(part, isUp);
  }

  private readonly parts = new Map<string, () => boolean>();
  private readonly up: Gauge<'part'> = new Gauge({
    name: 'mumu_up',
    help: 'Whether a part of this process works: discord, slack, worker, page',
    labelNames: ['part'] as const,
    registers: [this.registry],
    collect: () => {
      for (const [part, isUp] of this.parts) this.up.set({ part }, isUp() ? 1 : 0);
    },
  });

  private counter(name: string, help: string): Counter {
    return new Counter({ name, help, registers: [this.registry] });
  }

  private histogram<Label extends string>(name: string, help: string, labelNames: readonly Label[]) {
    return new Histogram<Label>({ name, help, labelNames, buckets: SECONDS, registers: [this.registry] });
  }
}
