import type { RequestCommand } from '#contracts/request';

/** Text answers have a queue of their own, so that they never wait behind music. */
export const QUEUE_NAMES = ['text', 'music'] as const;
export type QueueName = (typeof QUEUE_NAMES)[number];

/** How often a job may be tried: once more after the engine died under it. */
export const ATTEMPTS = 2;

/** Which queue a request goes to. */
export function queueOf(command: RequestCommand): QueueName {
  return command === 'ask' || command === 'describe' ? 'text' : 'music';
}

/** BullMQ refuses ids that are whole numbers, which a chat platform's ids are: hence the letter before them. */
export function jobIdOf(requestId: string): string {
  return `r-${requestId}`;
}

export function requestIdOf(jobId: string): string {
  return jobId.slice(2);
}

/** Channel on which cancelled request ids are broadcast to every worker. */
export function cancelChannel(prefix: string): string {
  return `${prefix}:cancel`;
}

/** Set while a cancelled job has not ended: a worker that takes it up only now ends it at once. */
export function cancelKey(prefix: string, requestId: string): string {
  return `${prefix}:cancelled:${requestId}`;
}
