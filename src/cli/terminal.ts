import type { Progress, Stage } from '#contracts/progress';

/** What each stage is called on the terminal. */
const NAMES: Record<Stage, string> = {
  decode: 'reading',
  encode: 'listening',
  language: 'thinking',
  music: 'composing',
  remix: 'remixing',
  finish: 'finishing',
};
const WIDTH = 24;

/** Where progress goes: standard error, as a bar on a terminal, as one line per stage elsewhere. */
export interface Terminal {
  write(text: string): unknown;
  isTTY?: boolean;
}

/** Shows what a job is doing. Notes stay as lines; the bar is wiped at the end. */
export class ProgressView {
  private stage: string | undefined;
  private drawn = '';

  constructor(private readonly out: Terminal) {}

  report(progress: Progress): void {
    if (progress.type === 'stage') this.show(NAMES[progress.stage], progress.fraction);
    if (progress.type === 'note') this.note(progress.text);
  }

  /** One step and how much of it is done, 0 to 1. */
  show(name: string, fraction: number): void {
    if (this.out.isTTY !== true) {
      if (this.stage !== name) this.out.write(`mumu: ${name}\n`);
      this.stage = name;
      return;
    }
    const full = Math.round(Math.min(Math.max(fraction, 0), 1) * WIDTH);
    const percent = String(Math.floor(fraction * 100)).padStart(3);
    const bar = `${'█'.repeat(full)}${'░'.repeat(WIDTH - full)}`;
    const line = `${name.padEnd(12)}${bar} ${percent} %`;
    if (line === this.drawn) return;
    this.out.write(`\r${line}`);
    this.drawn = line;
  }

  note(text: string): void {
    this.clear();
    this.out.write(`mumu: ${text}\n`);
  }

  /** Wipes the bar. */
  clear(): void {
    if (this.drawn !== '') this.out.write(`\r${' '.repeat(this.drawn.length)}\r`);
    this.drawn = '';
  }
}
