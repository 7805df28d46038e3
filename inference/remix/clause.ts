/** A number in digits, wherever it stands. */
const DIGITS = /\d+(?:[.,:]\d+)*/g;

/** One clause as a rule reads it. What was read of its numbers is noted, so that none is passed over in silence. */
export class Clause {
  private readonly read: (readonly [from: number, to: number])[] = [];

  constructor(readonly text: string) {}

  has(pattern: RegExp): boolean {
    return pattern.test(this.text);
  }

  /** The first place that fits a pattern; the numbers in it count as read. */
  find(source: string): RegExpExecArray | undefined {
    const found = new RegExp(source, 'i').exec(this.text);
    if (found === null) return undefined;
    this.read.push([found.index, found.index + found[0].length]);
    return found;
  }

  /** Numbers that nobody has read. */
  unread(): string[] {
    return Array.from(this.text.matchAll(DIGITS)).flatMap(({ 0: number, index }) =>
      this.read.some(([from, to]) => from <= index && index + number.length <= to) ? [] : [number],
    );
  }
}

/** What a pattern's brackets held. */
export const group = (found: RegExpExecArray | undefined, index: number): string => found?.[index] ?? '';
