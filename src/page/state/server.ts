import { type Example, fetchExamples, fetchHealth, fetchHelp, type Health, type Help } from './api.ts';
import { Store } from './store.ts';

/** Milliseconds between two looks at a server that is not ready, and at one that is. */
const IMPATIENT = 1500;
const CALM = 15_000;

/** What the server says of itself; undefined before the first answer, `away` where there is none. */
export const health = new Store<Health | { state: 'away' } | undefined>(undefined);
export const help = new Store<Help | undefined>(undefined);
export const examples = new Store<Example[]>([]);

/** Looks after the server for as long as the page is open and seen. */
export function startServerWatch(): void {
  const look = async () => {
    if (!document.hidden) {
      const now = (await fetchHealth()) ?? { state: 'away' as const };
      if (JSON.stringify(now) !== JSON.stringify(health.get())) health.set(now);
      if (now.state !== 'away' && help.get() === undefined) await readOnce();
    }
    setTimeout(look, health.get()?.state === 'ready' ? CALM : IMPATIENT);
  };
  void look();
}

async function readOnce(): Promise<void> {
  try {
    help.set(await fetchHelp());
    examples.set(await fetchExamples());
  } catch {
    // The next look asks again.
  }
}
