import type { Progress } from '#contracts/progress';
import type { Policy, Who } from '#src/policy/policy';

/**
 * What of an answer may be seen while it is written: partial texts pass the operator's policy one at a time, the newest
 * first, so a slow check shows fewer of them and never holds the work up.
 */
export class ShownText {
  private checking = false;
  private next: string | undefined;
  private ended = false;

  constructor(
    private readonly policy: Policy,
    private readonly who: Who,
    private readonly show: (progress: Progress) => void,
  ) {}

  progress(progress: Progress): void {
    if (progress.type !== 'text') {
      this.show(progress);
      return;
    }
    this.next = progress.text;
    if (!this.checking) void this.check();
  }

  /** The whole answer as it may be shown. @throws MumuError refused */
  async last(text: string): Promise<string> {
    this.ended = true;
    return await this.policy.checkAnswer(text, this.who);
  }

  private async check(): Promise<void> {
    this.checking = true;
    while (this.next !== undefined && !this.ended) {
      const text = this.next;
      this.next = undefined;
      try {
        const shown = await this.policy.checkAnswer(text, this.who, 'partial');
        if (!this.ended) this.show({ type: 'text', text: shown });
      } catch {
        // Refused, or the check is away: the whole answer meets the same and says so.
      }
    }
    this.checking = false;
  }
}
