import type { Failure } from '#contracts/errors';
import type { Stage } from '#contracts/progress';
import type { DoneResult, Result } from '#contracts/result';

/** Who hears what a request says of itself. */
export interface Follower {
  /** 1 is next, 0 has begun. */
  queued(position: number): void;
  stage(stage: Stage, fraction: number): void;
  /** The whole text so far. */
  text(text: string): void;
  note(text: string): void;
  /** The last word. */
  ended(result: Result): void;
  /** The server no longer knows the request, or refused the line. */
  lost(): void;
}

/**
 * Listens to `GET /api/requests/:id/events`. The server tells first where the request stands, so that a line
 * that broke, or a page that was reloaded, misses nothing; EventSource connects again by itself.
 * @returns stops listening.
 */
export function followRequest(id: string, follower: Follower): () => void {
  const source = new EventSource(`/api/requests/${encodeURIComponent(id)}/events`);
  const hear = <T>(name: string, tell: (data: T) => void) => {
    source.addEventListener(name, (event) => {
      // The browser's own errors have the same name as ours, and no data.
      if (event instanceof MessageEvent) tell(JSON.parse(String(event.data)) as T);
    });
  };
  const end = (result: Result) => {
    source.close();
    follower.ended(result);
  };
  hear<{ position: number }>('queued', ({ position }) => follower.queued(position));
  hear<{ stage: Stage; fraction: number }>('progress', ({ stage, fraction }) =>
    follower.stage(stage, fraction),
  );
  hear<{ text: string }>('text', ({ text }) => follower.text(text));
  hear<{ text: string }>('note', ({ text }) => follower.note(text));
  hear<DoneResult>('result', end);
  hear<Failure>('error', (error) => end({ status: 'failed', id, error }));
  source.onerror = (event) => {
    if (event instanceof MessageEvent || source.readyState !== EventSource.CLOSED) return;
    follower.lost();
  };
  return () => source.close();
}
