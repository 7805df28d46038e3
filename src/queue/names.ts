import type { Request, RequestCommand } from '#contracts/request';

/** Text answers have queues of their own, so that they never wait behind music. */
export const QUEUE_KINDS = ['text', 'music'] as const;
export type QueueKind = (typeof QUEUE_KINDS)[number];

/** What a queue holds: jobs of one kind for one pack, and where they ask for it, for one kind of device. */
export interface Route {
  kind: QueueKind;
  pack: string;
  /** Absent: any device that has the pack will do. */
  device?: string;
}

/** The pack that ships with the program, for whoever says nothing else. */
export const DEFAULT_PACK = 'mini';

/** How often a job may be tried: once more after the engine died under it. */
export const ATTEMPTS = 2;
/** A job whose worker died under it this often is not given to a further one. */
export const DEATHS = 2;

export function kindOf(command: RequestCommand): QueueKind {
  return command === 'ask' || command === 'describe' ? 'text' : 'music';
}

/** Where a request goes. @param defaultPack what answers where it names none */
export function routeOf(request: Pick<Request, 'command' | 'options'>, defaultPack: string): Route {
  const { pack = defaultPack, device } = request.options;
  return { kind: kindOf(request.command), pack, ...(device === undefined ? {} : { device }) };
}

/** `music.mini`, `text.mini@cuda`: BullMQ wants no colon in it, and no pack's name holds an @. */
export function queueName({ kind, pack, device }: Route): string {
  return device === undefined ? `${kind}.${pack}` : `${kind}.${pack}@${device}`;
}

/** What `queueName` was made from; undefined for a name that it cannot have made. */
export function readQueueName(name: string): Route | undefined {
  const parts = /^(text|music)\.([^@]+)(?:@([^@]+))?$/.exec(name);
  const kind = QUEUE_KINDS.find((one) => one === parts?.[1]);
  const [, , pack, device] = parts ?? [];
  if (kind === undefined || pack === undefined) return undefined;
  return { kind, pack, ...(device === undefined ? {} : { device }) };
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
