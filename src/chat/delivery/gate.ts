/** Lets only so many through at once; the others wait for their turn in order. */
export class Gate {
  private readonly waiting: Array<() => void> = [];

  constructor(private free: number) {}

  async pass<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.free += 1;
      else next();
    }
  }
}
