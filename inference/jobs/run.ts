import type { EngineJob, EngineOutput, EngineResult } from '#contracts/engine';
import type { Progress, Stage } from '#contracts/progress';
import type { Counts, PlanStep, Timings } from '#contracts/result';
import { throwIfAborted } from '#inference/runtime/abort';

export type RunOptions = { signal?: AbortSignal | undefined; onProgress?: (progress: Progress) => void };

/** One job under way: its progress, notes and clock. */
export class JobRun {
  readonly notes: string[] = [];
  readonly signal: AbortSignal;
  private readonly started = performance.now();
  private readonly spent: Omit<Timings, 'total'> = { decode: 0, encode: 0, language: 0, music: 0 };
  private readonly counts: Counts = { tokens: 0, musicSeconds: 0 };
  private last = '';

  constructor(
    readonly job: EngineJob,
    private readonly options: RunOptions,
  ) {
    this.signal = options.signal ?? new AbortController().signal;
  }

  get seed(): number {
    return this.job.seed;
  }

  /** Something the user should know, said once. */
  readonly note = (text: string): void => {
    if (this.notes.includes(text)) return;
    this.notes.push(text);
    this.options.onProgress?.({ type: 'note', text });
  };

  readonly text = (text: string): void => {
    this.options.onProgress?.({ type: 'text', text });
  };

  /** Progress in steps of a percent: what changes less is not worth a message. */
  readonly stage = (stage: Stage, fraction: number): void => {
    const rounded = Math.round(Math.min(1, Math.max(0, fraction)) * 100) / 100;
    const key = `${stage} ${rounded}`;
    if (key === this.last) return;
    this.last = key;
    this.options.onProgress?.({ type: 'stage', stage, fraction: rounded });
  };

  readonly spend = (stage: keyof Omit<Timings, 'total'>, milliseconds: number): void => {
    this.spent[stage] += milliseconds;
  };

  readonly count = (what: keyof Counts, amount: number): void => {
    this.counts[what] += amount;
  };

  /** Runs `work` on the clock of a stage. */
  async timed<T>(stage: keyof Omit<Timings, 'total'>, work: () => Promise<T>): Promise<T> {
    throwIfAborted(this.signal);
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.spend(stage, performance.now() - start);
    }
  }

  result(
    pack: string,
    outcome: {
      text: string;
      files?: EngineOutput[];
      caption?: string | undefined;
      plan?: PlanStep[] | undefined;
    },
  ): EngineResult {
    const round = (value: number) => Math.round(value * 10) / 10;
    const { decode, encode, language, music } = this.spent;
    const timings: Timings = {
      decode: round(decode),
      encode: round(encode),
      language: round(language),
      music: round(music),
      total: round(performance.now() - this.started),
    };
    return {
      text: outcome.text,
      files: outcome.files ?? [],
      pack,
      timings,
      counts: this.counts,
      notes: this.notes,
      ...(outcome.plan ? { plan: outcome.plan } : {}),
      ...(outcome.caption ? { caption: outcome.caption } : {}),
    };
  }
}
