import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { readManifest } from '#test/src/chat/slack/support/manifest';
import { type Answer, type Params, WebApi } from '#test/src/chat/slack/support/web-api';
import { Workspace } from '#test/src/chat/slack/support/workspace';

export const BOT_TOKEN = 'xoxb-test-token';
export const APP_TOKEN = 'xapp-test-token';

/** What the bot confirmed an envelope with. */
export interface Confirmation {
  payload: unknown;
}

/** Something that goes wrong once with a call. */
type Mishap =
  /** Slack refuses it. */
  | { kind: 'refuse'; error: string }
  /** Slack does it, and the answer is lost on its way. */
  | { kind: 'lose' }
  /** Too many calls: again after so many seconds. */
  | { kind: 'limit'; seconds: number };

/**
 * Slack on this machine: Web API, uploads, downloads, `response_url` and Socket Mode over one port, with the scopes of
 * the committed manifest and no others.
 */
export class SlackServer {
  readonly workspace = new Workspace();
  readonly api: WebApi;
  /** Messages shown to one person only, by `response_url`. */
  readonly told: Array<{ text: string; blocks?: unknown; response_type?: string }> = [];
  /** Told of each call that was done, before it is answered. Uploads are called `upload`. */
  done: (method: string) => void = () => undefined;
  private readonly server: Server;
  private readonly sockets = new WebSocketServer({ noServer: true });
  private readonly open = new Set<WebSocket>();
  private readonly waiting = new Map<string, (confirmation: Confirmation) => void>();
  private readonly mishaps = new Map<string, Mishap[]>();
  private readonly tickets = new Set<string>();

  private constructor() {
    const scopes = new Set(readManifest().oauth_config.scopes.bot);
    this.api = new WebApi(this.workspace, scopes, () => this.address);
    this.server = createServer((request, response) => {
      this.answer(request, response).catch((error: Error) => {
        this.api.problems.push(error.message);
        response.writeHead(500).end();
      });
    });
    this.server.on('upgrade', (request, socket, head) => {
      const ticket = new URL(request.url ?? '', this.address).searchParams.get('ticket') ?? '';
      if (!this.tickets.delete(ticket)) {
        socket.destroy();
        return;
      }
      this.sockets.handleUpgrade(request, socket, head, (client) => this.connected(client));
    });
  }

  static async start(): Promise<SlackServer> {
    const slack = new SlackServer();
    await new Promise<void>((resolve) => slack.server.listen(0, '127.0.0.1', resolve));
    return slack;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Connections of Socket Mode that stand. */
  get connections(): number {
    return this.open.size;
  }

  /** Makes the next call of a method go wrong. */
  mishap(method: string, mishap: Mishap): void {
    this.mishaps.set(method, [...(this.mishaps.get(method) ?? []), mishap]);
  }

  /** Sends an envelope over Socket Mode; resolves when the bot confirms it. */
  envelope(type: string, payload: unknown, accepts = false): Promise<Confirmation> {
    const [socket] = this.open;
    if (socket === undefined) throw new Error('nobody is connected');
    const envelope_id = randomUUID();
    const confirmed = new Promise<Confirmation>((resolve) => this.waiting.set(envelope_id, resolve));
    socket.send(JSON.stringify({ envelope_id, type, payload, accepts_response_payload: accepts }));
    return confirmed;
  }

  /** Asks every connection to come again, as Slack does from time to time. */
  refresh(): void {
    for (const socket of this.open) {
      socket.send(JSON.stringify({ type: 'disconnect', reason: 'refresh_requested', debug_info: {} }));
    }
  }

  async close(): Promise<void> {
    for (const socket of this.open) socket.terminate();
    this.sockets.close();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private connected(socket: WebSocket): void {
    this.open.add(socket);
    socket.on('close', () => this.open.delete(socket));
    socket.on('message', (data) => {
      const { envelope_id, payload } = JSON.parse(String(data)) as { envelope_id: string; payload: unknown };
      this.waiting.get(envelope_id)?.({ payload });
      this.waiting.delete(envelope_id);
    });
    socket.send(JSON.stringify({ type: 'hello', num_connections: 1, connection_info: { app_id: 'A0MUMU' } }));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.address);
    const body = await readBody(request);
    const [first, ...rest] = url.pathname.slice(1).split('/');
    if (first === 'api') return this.callMethod(rest.join('/'), request, body, response);
    if (first === 'upload') return this.receiveUpload(rest[1] ?? '', request, body, response);
    if (first === 'files-pri') return this.handOut(rest[0] ?? '', request, response);
    if (first === 'respond') {
      this.told.push(JSON.parse(body.toString()));
      response.writeHead(200).end('ok');
      return;
    }
    response.writeHead(404).end();
  }

  private callMethod(method: string, request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const params = readParams(request, body);
    const mishap = this.mishaps.get(method)?.shift();
    if (mishap?.kind === 'limit') {
      response.writeHead(429, { 'retry-after': String(mishap.seconds) }).end();
      return;
    }
    const answer =
      mishap?.kind === 'refuse'
        ? { ok: false, error: mishap.error }
        : this.authorized(method, request.headers.authorization, params);
    this.done(method);
    if (mishap?.kind === 'lose') {
      request.socket.destroy();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' });
    response.end(JSON.stringify(answer));
  }

  private authorized(method: string, authorization: string | undefined, params: Params): Answer {
    if (method === 'apps.connections.open') {
      if (authorization !== `Bearer ${APP_TOKEN}`) return { ok: false, error: 'invalid_auth' };
      const ticket = randomUUID();
      this.tickets.add(ticket);
      return { ok: true, url: `${this.address.replace('http', 'ws')}/link?ticket=${ticket}` };
    }
    if (authorization !== `Bearer ${BOT_TOKEN}`) return { ok: false, error: 'invalid_auth' };
    return this.api.call(method, params);
  }

  private receiveUpload(id: string, request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const file = this.workspace.files.get(id);
    if (this.mishaps.get('upload')?.shift() !== undefined) {
      request.socket.destroy();
      return;
    }
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    file.content = body;
    this.done('upload');
    response.writeHead(200).end(`OK - ${body.length}`);
  }

  /** As Slack does, a request without the right shows a page to log in on. */
  private handOut(id: string, request: IncomingMessage, response: ServerResponse): void {
    const file = this.workspace.files.get(id);
    if (request.headers.authorization !== `Bearer ${BOT_TOKEN}` || file === undefined) {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<!doctype html>');
      return;
    }
    const { content, contentType } = file;
    response.writeHead(200, { 'content-type': contentType, 'content-length': content.length });
    response.end(content);
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The client sends forms whose structured fields are JSON. */
function readParams(request: IncomingMessage, body: Buffer): Params {
  const type = request.headers['content-type'] ?? '';
  if (type.startsWith('application/json')) return JSON.parse(body.toString()) as Params;
  const params: Params = {};
  for (const [name, value] of new URLSearchParams(body.toString())) {
    params[name] = ['blocks', 'metadata', 'view', 'files'].includes(name) ? JSON.parse(value) : value;
  }
  for (const name of ['link_names', 'unfurl_links', 'unfurl_media', 'include_all_metadata']) {
    if (params[name] !== undefined) params[name] = params[name] === 'true';
  }
  return params;
}
