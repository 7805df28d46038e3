import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type APIAttachment,
  type APIChannel,
  type APIMessage,
  type APIUser,
  type ApplicationFlags,
  ChannelType,
  type GatewayGuildCreateDispatchData,
} from 'discord-api-types/v10';
import { LocalGateway } from '#test/src/chat/discord/support/gateway';
import type { SentFile } from '#test/src/chat/discord/support/limits';
import { type Reply, RestApi } from '#test/src/chat/discord/support/rest-api';

export const APPLICATION = '900000000000000001';
export const BOT = '900000000000000002';
export const GUILD = '900000000000000010';
export const CHANNEL = '900000000000000011';
export const THREAD = '900000000000000012';
export const DIRECT = '900000000000000013';
export const TOKEN = 'OTAwMDAwMDAwMDAwMDAwMDAy.local.test-token';

let lastSnowflake = (BigInt(Date.now() - 1_420_070_400_000) << 22n) + 1n;
/** Ids grow with time, as Discord's do. */
export function snowflake(): string {
  lastSnowflake += 1n << 12n;
  return String(lastSnowflake);
}

/** A message as it stands, with what was sent for it. */
export interface Standing {
  id: string;
  channel: string;
  content: string;
  flags: number;
  components: APIMessage['components'];
  /** Names, and bytes, of its files as they are now. */
  files: SentFile[];
  attachments: Array<Partial<APIAttachment>>;
  nonce: string | undefined;
  /** Whom it answers. */
  reference: string | undefined;
  /** Interaction it answers. */
  interaction: string | undefined;
  /** Everything it has said, in order. */
  history: string[];
}

/**
 * Discord on this machine: gateway, REST with rate-limit headers and Discord's own refusals, and a place where files
 * lie. It holds every payload against the published limits and answers 400 as Discord would.
 */
export class LocalDiscord {
  readonly http: Server;
  readonly gateway: LocalGateway;
  readonly rest: RestApi;
  readonly messages = new Map<string, Standing>();
  /** Files people uploaded: by the path of their address. */
  readonly files = new Map<string, { type: string; bytes: Buffer; status?: number }>();
  readonly token: string = TOKEN;
  address = '';

  constructor() {
    this.http = createServer((request, response) => void this.answer(request, response));
    this.rest = new RestApi(this);
    this.gateway = new LocalGateway(this.http, {
      token: TOKEN,
      ready: () => ({
        v: 10,
        user: { ...user(BOT, 'mumu'), bot: true } as never,
        guilds: [{ id: GUILD, unavailable: true }],
        application: { id: APPLICATION, flags: 0 as ApplicationFlags, flags_new: '0' },
        shard: [0, 1],
      }),
      first: () => [{ t: 'GUILD_CREATE', d: guild() }],
    });
  }

  static async start(): Promise<LocalDiscord> {
    const discord = new LocalDiscord();
    await new Promise<void>((resolve) => discord.http.listen(0, '127.0.0.1', resolve));
    const { port } = discord.http.address() as AddressInfo;
    discord.address = `http://127.0.0.1:${port}`;
    discord.gateway.listen(`ws://127.0.0.1:${port}/gateway`);
    return discord;
  }

  get api(): string {
    return `${this.address}/api`;
  }

  get gatewayAddress(): string {
    return `${this.address.replace('http', 'ws')}/gateway`;
  }

  /** A file as Discord announces it once it was uploaded. */
  attach(name: string, type: string, bytes: Buffer): APIAttachment {
    const id = snowflake();
    const path = `/attachments/${CHANNEL}/${id}/${encodeURIComponent(name)}`;
    this.files.set(path, { type, bytes });
    const url = `${this.address}${path}?ex=signed`;
    return { id, filename: name, content_type: type, size: bytes.length, url, proxy_url: url };
  }

  /** Messages of a channel, oldest first. */
  in(channel: string): Standing[] {
    return [...this.messages.values()].filter((message) => message.channel === channel);
  }

  async close(): Promise<void> {
    this.gateway.close();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.address);
    const file = this.files.get(url.pathname);
    if (file !== undefined) {
      response.writeHead(file.status ?? 200, {
        'content-type': file.type,
        'content-length': file.bytes.length,
      });
      response.end(file.bytes);
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    let reply: Reply;
    try {
      reply = await this.rest.handle(request, url, Buffer.concat(chunks));
    } catch (error) {
      reply = { status: 500, body: { message: String(error), code: 0 } };
    }
    const headers: Record<string, string> = {
      ...{ 'x-ratelimit-limit': '50', 'x-ratelimit-remaining': '49', 'x-ratelimit-reset-after': '1' },
      'x-ratelimit-reset': String(Date.now() / 1000 + 1),
      'x-ratelimit-bucket': reply.bucket ?? 'local',
      ...reply.headers,
    };
    if (reply.body === undefined) {
      response.writeHead(reply.status, headers).end();
      return;
    }
    response.writeHead(reply.status, { ...headers, 'content-type': 'application/json' });
    response.end(JSON.stringify(reply.body));
  }
}

export function user(id: string, username: string): APIUser {
  return { id, username, discriminator: '0', global_name: username, avatar: null };
}

export const TEXT_CHANNEL = {
  ...{ id: CHANNEL, type: ChannelType.GuildText, name: 'music', guild_id: GUILD, position: 0 },
  ...{ permission_overwrites: [], nsfw: false },
} as unknown as APIChannel;

export const THREAD_CHANNEL = {
  ...{ id: THREAD, type: ChannelType.PublicThread, name: 'a song', guild_id: GUILD, parent_id: CHANNEL },
  ...{ owner_id: BOT, message_count: 0, member_count: 1, rate_limit_per_user: 0 },
  thread_metadata: {
    ...{ archived: false, auto_archive_duration: 60, archive_timestamp: '2026-01-01T00:00:00.000000+00:00' },
    locked: false,
  },
} as unknown as APIChannel;

export const DIRECT_CHANNEL = { id: DIRECT, type: ChannelType.DM } as unknown as APIChannel;

function guild(): GatewayGuildCreateDispatchData {
  return {
    ...{ id: GUILD, name: 'A server', owner_id: '1', unavailable: false, large: false, member_count: 2 },
    ...{ roles: [{ id: GUILD, name: '@everyone', permissions: '0', position: 0 }], emojis: [], stickers: [] },
    ...{ channels: [TEXT_CHANNEL], threads: [THREAD_CHANNEL], members: [], presences: [], voice_states: [] },
    ...{ stage_instances: [], guild_scheduled_events: [], soundboard_sounds: [], features: [] },
    ...{ preferred_locale: 'en-US', premium_tier: 0, joined_at: '2026-01-01T00:00:00.000000+00:00' },
  } as unknown as GatewayGuildCreateDispatchData;
}
