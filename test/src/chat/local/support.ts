import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { request, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { expect } from 'vitest';
import { probe } from '#inference/media/probe';
import { createAnswers } from '#src/chat/answers';
import { Intake } from '#src/chat/intake';
import type { EngineState } from '#src/chat/local/context';
import { createServer, listen } from '#src/chat/local/server';
import { loadConfig } from '#src/config';
import { createLogger } from '#src/log';
import { OPEN_POLICY, type Policy } from '#src/policy/policy';
import { consumeJobs, type JobConsumer, type JobHandler } from '#src/queue/consume';
import { JobQueue } from '#src/queue/job-queue';
import { Forget } from '#src/settings/forget';
import { Settings } from '#src/settings/settings';
import { FolderStorage } from '#src/storage/folder-storage';
import { tone } from '#test/support/media-fixtures';
import { startTestRedis, type TestRedis } from '#test/support/redis';
import { makeResult } from '#test/support/requests';

const log = createLogger('silent');

export type Field = string | { name: string; bytes: Uint8Array };
export type Fields = Record<string, Field | Field[]>;

/** The fields that the tests look at; which of them an answer has depends on what was asked. */
export interface Answer {
  id: string;
  command: string;
  text: string;
  options: object;
  files: Array<{ key: string }>;
  error: { code: string; message: string };
  exchanges: unknown[];
  jobs: unknown[];
  commands: Array<{ name: string }>;
  examples: Array<{ file: { url: string } }>;
}

export interface ServerEvent {
  event: string;
  data: { [key: string]: unknown };
}

export const conversationName = () => randomBytes(16).toString('hex');

export async function read(response: Response): Promise<Answer> {
  return (await response.json()) as Answer;
}

export function form(fields: Fields): FormData {
  const data = new FormData();
  for (const [name, given] of Object.entries(fields)) {
    for (const field of Array.isArray(given) ? given : [given]) {
      if (typeof field === 'string') data.append(name, field);
      else data.append(name, new Blob([Uint8Array.from(field.bytes)]), field.name);
    }
  }
  return data;
}

/** The page's server with everything real but the engine. */
export class LocalServer {
  /** What the worker does with a job; each test sets its own. */
  handle: JobHandler = async (request) => makeResult(request);
  /** What the operator allows; a test may set its own. */
  rules: Policy = OPEN_POLICY;
  engine: EngineState = { state: 'ready', pack: 'mini', device: 'cpu' };
  /** Address of the page. */
  base = '';

  private app: FastifyInstance | undefined;
  private consumer: JobConsumer | undefined;

  private constructor(
    private readonly redis: TestRedis,
    readonly queue: JobQueue,
    readonly storage: FolderStorage,
    /** A file to send. */
    readonly song: Buffer,
  ) {}

  /** @param pageFolder a built page; without it there is one that is empty */
  static async start(pageFolder?: string): Promise<LocalServer> {
    const redis = await startTestRedis();
    const queue = new JobQueue(redis.access, { activeJobs: 6, keepMilliseconds: 3600_000, log });
    const config = loadConfig({
      MUMU_DATA: redis.folder,
      MUMU_MAX_UPLOAD_MB: '3',
      MUMU_ALLOWED_HOSTS: 'music.test',
    });
    const storage = await FolderStorage.open({
      folder: join(redis.folder, 'storage'),
      maxBytes: config.limits.storageBytes,
      keepMilliseconds: config.limits.keepMilliseconds,
      filesInUse: () => queue.filesInUse(),
      log,
    });
    const song = await readFile(tone(join(redis.folder, 'song.wav'), { seconds: 1 }));
    const local = new LocalServer(redis, queue, storage, song);
    const { base, app } = await local.listen(config, pageFolder ?? (await emptyPage(redis.folder)));
    local.base = base;
    local.app = app;
    local.consumer = await consumeJobs({
      redis: redis.access,
      queues: ['text', 'music'],
      concurrency: { text: 2, music: 1 },
      handle: (request, context) => local.handle(request, context),
      keepMilliseconds: 3600_000,
      log,
    });
    return local;
  }

  async close(): Promise<void> {
    await this.app?.close();
    await this.consumer?.close(0);
    await this.queue.close();
    await this.redis.close();
  }

  async post(fields: Fields): Promise<{ status: number; body: Answer }> {
    const response = await fetch(`${this.base}/api/requests`, { method: 'POST', body: form(fields) });
    return { status: response.status, body: await read(response) };
  }

  /**
   * Sends a request over a line of its own.
   * @returns hangs up, until the server has noticed
   */
  async postAlone(fields: Fields): Promise<() => Promise<void>> {
    const connected = once(this.app?.server ?? new EventEmitter(), 'connection');
    const whole = new Response(form(fields));
    const sending = request(`${this.base}/api/requests`, {
      method: 'POST',
      agent: false,
      headers: { 'content-type': whole.headers.get('content-type') ?? '' },
    });
    sending.on('error', () => undefined);
    sending.end(Buffer.from(await whole.arrayBuffer()));
    const [line] = (await connected) as [Socket];
    return async () => {
      const closed = once(line, 'close');
      sending.destroy();
      await closed;
    };
  }

  /** Resolves once the server has noticed that a line was cut before its answer. */
  async hungUp(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.app?.server.on('request', (_, response: ServerResponse) => {
        response.once('close', () => {
          if (!response.writableFinished) resolve();
        });
      });
    });
  }

  /** What a conversation has been asked, as a reload would show it. */
  async exchanges(conversation: string): Promise<unknown[]> {
    return (await read(await fetch(`${this.base}/api/conversations/${conversation}`))).exchanges;
  }

  /** The events of a request until the stream ends, or until `enough`. */
  async events(id: string, enough?: (event: ServerEvent) => boolean): Promise<ServerEvent[]> {
    const response = await fetch(`${this.base}/api/requests/${id}/events`);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const seen: ServerEvent[] = [];
    let rest = '';
    for await (const chunk of response.body ?? []) {
      rest += Buffer.from(chunk).toString('utf8');
      const frames = rest.split('\n\n');
      rest = frames.pop() ?? '';
      for (const frame of frames) {
        const event = /^event: (.*)$/m.exec(frame)?.[1];
        if (event === undefined) continue;
        seen.push({ event, data: JSON.parse(/^data: (.*)$/m.exec(frame)?.[1] ?? '') });
        const last = seen.at(-1);
        if (last !== undefined && enough?.(last)) {
          return seen;
        }
      }
    }
    return seen;
  }

  private async listen(config: ReturnType<typeof loadConfig>, pageFolder: string) {
    const { redis, queue, storage, song } = this;
    const intake = new Intake({
      queue,
      storage,
      maxFileBytes: config.limits.uploadBytes,
      inspect: async (path, signal) => {
        const { kind, mime, seconds } = await probe(path, signal);
        return { kind, mime, ...(seconds === undefined ? {} : { seconds }) };
      },
    });
    const examplesFolder = join(redis.folder, 'examples');
    await mkdir(examplesFolder);
    const examples = [{ title: 'A waltz', line: '/describe', file: 'waltz.wav' }];
    await writeFile(join(examplesFolder, 'examples.json'), JSON.stringify(examples));
    await writeFile(join(examplesFolder, 'waltz.wav'), song);
    const connection = redis.access.connect('producer');
    const { prefix } = redis.access;
    const settings = new Settings(connection, prefix);
    const forget = new Forget({ queue, storage, settings, redis: connection, prefix, log });
    const policy: Policy = {
      mayUse: (who, command) => this.rules.mayUse(who, command),
      checkPrompt: (text, who) => this.rules.checkPrompt(text, who),
      checkAnswer: (text, who, part) => this.rules.checkAnswer(text, who, part),
    };
    const answers = createAnswers({ queue, policy, settings, forget });
    const engineState = () => this.engine;
    const context = { config, queue, storage, intake, policy, answers, settings, forget, engineState, log };
    const app = await createServer({ ...context, pageFolder, examplesFolder });
    return { app, base: `http://127.0.0.1:${await listen(app, '127.0.0.1', 0)}` };
  }
}

async function emptyPage(folder: string): Promise<string> {
  const page = join(folder, 'page');
  await mkdir(page);
  await writeFile(join(page, 'index.html'), '<!doctype html><title>mumu</title>');
  return page;
}
