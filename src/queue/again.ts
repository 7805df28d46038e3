/** Told in the progress of a job that was started before. */
export const AGAIN = {
  worker: 'The worker stopped in the middle; your job was taken up again.',
  engine: 'The engine stopped in the middle; your job was taken up again.',
} as const;

/** Whether a note says that the job was started before: chats that have words of their own for it use those. */
export function isAgain(note: string): boolean {
  return note === AGAIN.worker || note === AGAIN.engine;
}
