import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import {
  GatewayCloseCodes,
  type GatewayDispatchPayload,
  type GatewayIdentifyData,
  GatewayIntentBits,
  GatewayOpcodes,
  type GatewayReadyDispatchData,
  type GatewayReceivePayload,
  type GatewayResumeData,
} from 'discord-api-types/v10';
import { type WebSocket, WebSocketServer } from 'ws';

interface Session {
  id: string;
  sequence: number;
  /** Everything dispatched, for those who resume. */
  sent: GatewayDispatchPayload[];
  socket: WebSocket | undefined;
}

/** What is asked of the one who keeps the rest of Discord's state. */
export interface GatewayHost {
  readonly token: string;
  ready(): Omit<GatewayReadyDispatchData, 'session_id' | 'resume_gateway_url'>;
  /** What follows READY: the servers. */
  first(): Array<{ t: string; d: unknown }>;
}

/** Discord's gateway, version 10, JSON without compression: hello, identify, heartbeats, dispatches, resume. */
export class LocalGateway {
  readonly identified: GatewayIdentifyData[] = [];
  /** Sequence numbers from which a session was resumed. */
  readonly resumed: number[] = [];
  heartbeats = 0;
  /** Refuses to resume, as Discord does when a session is too old. */
  forgetful = false;
  /** Milliseconds between heartbeats. */
  interval = 41_250;
  private readonly sessions = new Map<string, Session>();
  private readonly server: WebSocketServer;
  private url = '';

  constructor(
    http: Server,
    private readonly host: GatewayHost,
  ) {
    this.server = new WebSocketServer({ noServer: true });
    http.on('upgrade', (request: IncomingMessage, socket, head) => {
      if (request.url?.startsWith('/gateway') !== true) {
        socket.destroy();
        return;
      }
      this.server.handleUpgrade(request, socket, head, (connection) => this.accept(connection));
    });
  }

  listen(url: string): void {
    this.url = url;
  }

  /** Tells every session; those that are away hear it when they resume. */
  dispatch(t: string, d: unknown): void {
    for (const session of this.sessions.values()) this.tell(session, t, d);
  }

  /** Says the last event of a kind once more, as when a client missed that it had been told. */
  repeat(t: string): void {
    for (const session of this.sessions.values()) {
      const last = session.sent.findLast((payload) => payload.t === t);
      if (last !== undefined) this.tell(session, t, last.d);
    }
  }

  /** Breaks every connection without a word, as networks do. */
  drop(): void {
    for (const connection of this.server.clients) connection.terminate();
  }

  /** Asks every client to connect anew, as Discord does several times a day. */
  askToReconnect(): void {
    for (const connection of this.server.clients) {
      connection.send(JSON.stringify({ op: GatewayOpcodes.Reconnect, d: null, s: null, t: null }));
    }
  }

  close(): void {
    this.drop();
    this.server.close();
  }

  private accept(connection: WebSocket): void {
    let session: Session | undefined;
    const send = (op: GatewayOpcodes, d: unknown) =>
      connection.send(JSON.stringify({ op, d, s: null, t: null } as unknown as GatewayReceivePayload));
    send(GatewayOpcodes.Hello, { heartbeat_interval: this.interval });
    connection.on('message', (data) => {
      const { op, d } = JSON.parse(String(data)) as { op: GatewayOpcodes; d: unknown };
      switch (op) {
        case GatewayOpcodes.Heartbeat:
          this.heartbeats += 1;
          send(GatewayOpcodes.HeartbeatAck, null);
          return;
        case GatewayOpcodes.Identify:
          session = this.identify(connection, d as GatewayIdentifyData);
          return;
        case GatewayOpcodes.Resume:
          session = this.resume(connection, d as GatewayResumeData);
          if (session === undefined) send(GatewayOpcodes.InvalidSession, false);
          return;
        default:
          return;
      }
    });
    connection.on('close', () => {
      if (session?.socket === connection) session.socket = undefined;
    });
  }

  private identify(socket: WebSocket, data: GatewayIdentifyData): Session | undefined {
    if (data.token !== this.host.token) {
      socket.close(GatewayCloseCodes.AuthenticationFailed, 'Authentication failed.');
      return undefined;
    }
    if ((data.intents & GatewayIntentBits.MessageContent) !== 0) {
      socket.close(GatewayCloseCodes.DisallowedIntents, 'Disallowed intent(s).');
      return undefined;
    }
    this.identified.push(data);
    const session: Session = { id: randomUUID(), sequence: 0, sent: [], socket };
    // An old session of the same bot is over.
    this.sessions.clear();
    this.sessions.set(session.id, session);
    this.tell(session, 'READY', {
      ...this.host.ready(),
      session_id: session.id,
      resume_gateway_url: this.url,
      shard: data.shard ?? [0, 1],
    });
    for (const { t, d } of this.host.first()) this.tell(session, t, d);
    return session;
  }

  private resume(socket: WebSocket, data: GatewayResumeData): Session | undefined {
    const session = this.sessions.get(data.session_id);
    if (session === undefined || this.forgetful || data.token !== this.host.token) return undefined;
    session.socket = socket;
    this.resumed.push(data.seq);
    for (const payload of session.sent) {
      if ((payload.s ?? 0) > data.seq) socket.send(JSON.stringify(payload));
    }
    this.tell(session, 'RESUMED', {});
    return session;
  }

  private tell(session: Session, t: string, d: unknown): void {
    session.sequence += 1;
    const payload = { op: GatewayOpcodes.Dispatch, t, s: session.sequence, d } as GatewayDispatchPayload;
    session.sent.push(payload);
    session.socket?.send(JSON.stringify(payload));
  }
}
