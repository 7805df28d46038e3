/** What has to happen before the process may end; everything here is synchronous, so nothing can delay it. */
const cleanups = new Set<() => void>();

/** Registers work for an interrupt. @returns takes it back. */
export function onInterrupt(cleanup: () => void): () => void {
  cleanups.add(cleanup);
  return () => cleanups.delete(cleanup);
}

/** Ends the process at once at Ctrl-C (130) or SIGTERM, leaving nothing half-written. */
export function exitOnSignals(): void {
  const stop = () => {
    for (const cleanup of cleanups) {
      try {
        cleanup();
      } catch {
        // The rest still has to be done.
      }
    }
    process.exit(130);
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}
