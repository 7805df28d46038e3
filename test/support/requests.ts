import { randomUUID } from 'node:crypto';
import { type Request, requestSchema } from '#contracts/request';
import type { DoneResult, ResultFile } from '#contracts/result';

/** A valid request with what a test cares about filled in. */
export function makeRequest(given: Partial<Request> & { command?: Request['command'] } = {}): Request {
  return requestSchema.parse({
    id: randomUUID(),
    command: 'ask',
    conversation: 'conversation-1',
    user: 'user-1',
    files: [],
    options: {},
    text: 'What is playing?',
    ...given,
  });
}

/** The result a worker hands back for a request. */
export function makeResult(
  request: Request,
  given: { text?: string; files?: ResultFile[] } = {},
): DoneResult {
  return {
    status: 'done',
    id: request.id,
    text: given.text ?? 'a waltz',
    files: given.files ?? [],
    seed: request.options.seed ?? 1,
    pack: 'mini',
    timings: { decode: 1, encode: 2, language: 3, music: 0, total: 6 },
    notes: [],
  };
}
