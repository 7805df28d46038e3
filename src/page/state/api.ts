import type { CommandName, CommandSpec } from '#commands/spec';
import type { Failure } from '#contracts/errors';
import type { FileRef, RequestCommand, RequestOptions } from '#contracts/request';
import type { Result } from '#contracts/result';

/** What the server's interface (docs/http.md) answers, as far as the page uses it. */
export type Action = 'new' | 'vary' | 'extend';

export interface Help {
  text: string;
  commands: CommandSpec[];
  limits: { fileBytes: number; files: number; textLength: number; activeJobs: number };
}

export interface Example {
  title: string;
  line: string;
  file?: { name: string; url: string };
}

export interface OpenJob {
  id: string;
  command: RequestCommand;
  state: 'queued' | 'active';
  position: number;
}

export interface QueueOverview {
  queues: Record<string, { waiting: number; active: number }>;
  jobs: OpenJob[];
}

export interface StoredExchange {
  id: string;
  at: number;
  command: RequestCommand;
  text: string;
  typed?: string;
  action?: Action;
  files: FileRef[];
  options: RequestOptions;
  state: 'queued' | 'active' | 'ended';
  result?: Result;
}

export type Health =
  | { state: 'starting' }
  | { state: 'ready'; pack: string; device: string }
  | { state: 'failed'; error: Failure };

/** What a sent line comes to. */
export type Answer =
  | { command: RequestCommand; id: string; text: string; files: FileRef[]; options: RequestOptions }
  | { command: Extract<CommandName, 'help'>; text: string }
  | ({ command: Extract<CommandName, 'queue'> } & QueueOverview)
  | {
      command: Extract<CommandName, 'cancel'>;
      outcome: 'cancelled' | 'stopping' | 'ended' | 'unknown' | 'nothing';
    }
  /** `forgotten` answers the wish to be so: whether nothing of the conversation is left. */
  | { command: Extract<CommandName, 'settings'>; text: string; forgotten?: boolean };

/** An answer that is no success, in the server's own sentence. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

export const OFFLINE: Failure = {
  code: 'internal',
  message: 'mumu does not answer: see whether it still runs, then try again.',
};

/** What any thrown thing says to the user. */
export function failureOf(error: unknown): Failure {
  return error instanceof Refusal ? error.failure : OFFLINE;
}

function isFailure(body: unknown): body is { error: Failure } {
  return typeof (body as { error?: { message?: unknown } } | null)?.error?.message === 'string';
}

/**
 * @throws Refusal with the server's sentence, or the one above if there is no server.
 */
async function call<T>(path: string, init?: RequestInit): Promise<T> {
  let body: unknown;
  let response: Response;
  try {
    response = await fetch(path, init);
    body = await response.json();
  } catch {
    throw new Refusal(OFFLINE);
  }
  if (response.ok) return body as T;
  throw new Refusal(isFailure(body) ? body.error : OFFLINE);
}

export const fetchHelp = () => call<Help>('/api/help');
export const fetchExamples = async () => (await call<{ examples: Example[] }>('/api/examples')).examples;
export const fetchConversation = async (id: string) =>
  (await call<{ exchanges: StoredExchange[] }>(`/api/conversations/${id}`)).exchanges;
export const cancelRequest = (id: string) =>
  call<{ outcome: string }>(`/api/requests/${encodeURIComponent(id)}`, { method: 'DELETE' });

/**
 * Has everything deleted that was given to a conversation.
 * @returns whether nothing of it is left
 */
export async function forgetConversation(id: string): Promise<boolean> {
  const form = new FormData();
  form.append('conversation', id);
  form.append('text', '/settings forget me');
  const answer = await call<{ forgotten?: boolean }>('/api/requests', { method: 'POST', body: form });
  return answer.forgotten === true;
}

/** Whether requests can be answered; undefined if nobody is there. */
export async function fetchHealth(): Promise<Health | undefined> {
  try {
    const response = await fetch('/healthz', { cache: 'no-store' });
    return (await response.json()) as Health;
  } catch {
    return undefined;
  }
}

/** Address of a file of a conversation; `download` makes the browser save it. */
export function fileUrl(conversation: string, key: string, download = false): string {
  return `/api/files/${key}?conversation=${conversation}${download ? '&download=1' : ''}`;
}

/**
 * Sends a request. XMLHttpRequest, because fetch does not tell how much of an upload is through.
 * @throws Refusal (through the promise), code `cancelled` if `signal` aborted it.
 */
export function sendRequest(
  form: FormData,
  signal: AbortSignal,
  onUpload: (fraction: number) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const refuse = (failure: Failure) => reject(new Refusal(failure));
    request.open('POST', '/api/requests');
    request.responseType = 'json';
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onUpload(event.loaded / event.total);
    };
    request.onload = () => {
      const body: unknown = request.response;
      if (request.status >= 200 && request.status < 300 && body !== null) resolve(body as Answer);
      else refuse(isFailure(body) ? body.error : OFFLINE);
    };
    request.onerror = () => refuse(OFFLINE);
    request.onabort = () => refuse({ code: 'cancelled', message: 'The upload was cancelled.' });
    signal.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}
