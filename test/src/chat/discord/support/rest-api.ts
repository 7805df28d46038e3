import type { IncomingMessage } from 'node:http';
import {
  type APIApplicationCommandOptionChoice,
  type APIModalInteractionResponseCallbackData,
  InteractionResponseType,
  MessageFlags,
  type RESTPostAPIApplicationCommandsJSONBody,
  type RESTPostAPIChannelMessageJSONBody,
  type RESTPostAPIInteractionCallbackJSONBody,
} from 'discord-api-types/v10';
import {
  choiceProblems,
  commandProblems,
  messageProblems,
  modalProblems,
  type SentFile,
} from '#test/src/chat/discord/support/limits';
import {
  APPLICATION,
  BOT,
  DIRECT,
  type LocalDiscord,
  type Standing,
  snowflake,
  TOKEN,
} from '#test/src/chat/discord/support/local-discord';

export interface Reply {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
  bucket?: string;
}

/** An interaction as Discord sees it: once it is out, its first response is awaited. */
export interface OpenInteraction {
  id: string;
  token: string;
  channel: string;
  fileBytes: number;
  responses: RESTPostAPIInteractionCallbackJSONBody[];
  /** Its response, once there is one. */
  message: string | undefined;
  /** What only the person sees, in the order said. */
  whispers: string[];
  modal: APIModalInteractionResponseCallbackData | undefined;
  choices: APIApplicationCommandOptionChoice[] | undefined;
  /** Its 15 minutes are over. */
  expired: boolean;
  followUps: number;
}

/** A call as it came in. */
export interface Call {
  method: string;
  path: string;
  authorised: boolean;
  /** It brings files. */
  multipart: boolean;
}

type Body = RESTPostAPIChannelMessageJSONBody;

/** Discord's REST interface, as far as a bot like ours uses it. */
export class RestApi {
  commands: Array<RESTPostAPIApplicationCommandsJSONBody & { id?: string }> = [];
  /** How often commands were registered. */
  registrations = 0;
  readonly interactions = new Map<string, OpenInteraction>();
  readonly calls: Call[] = [];
  /** What broke a limit. */
  readonly problems: string[] = [];
  /** May answer a call in Discord's place: rate limits, outages, refusals. */
  intercept: (call: Call) => Reply | undefined = () => undefined;

  constructor(private readonly discord: LocalDiscord) {}

  async handle(request: IncomingMessage, url: URL, raw: Buffer): Promise<Reply> {
    const path = decodeURIComponent(url.pathname.replace(/^\/api\/v10/, ''));
    const authorised = request.headers.authorization === `Bot ${TOKEN}`;
    const multipart = request.headers['content-type']?.startsWith('multipart/') === true;
    const call = { method: request.method ?? 'GET', path, authorised, multipart };
    this.calls.push(call);
    const early = this.intercept(call);
    if (early !== undefined) return early;
    const needsToken = !/^\/(interactions|webhooks)\//.test(path);
    if (needsToken && !authorised) return { status: 401, body: { message: '401: Unauthorized', code: 0 } };
    if (!needsToken && request.headers.authorization !== undefined)
      this.problems.push(`token sent to ${path}`);
    const { body, files } = await parse(request, raw);
    return this.route(`${call.method} ${path}`, body, files);
  }

  private route(line: string, body: unknown, files: SentFile[]): Reply {
    let found: RegExpMatchArray | null;
    if (line === 'GET /gateway/bot') return ok(this.gateway());
    if (line === 'GET /applications/@me') return ok({ id: APPLICATION, name: 'mumu', flags: 0 });
    if (line === `GET /applications/${APPLICATION}/commands`) return ok(this.commands);
    if (line === `PUT /applications/${APPLICATION}/commands`) return this.register(body);
    if (line === 'POST /users/@me/channels') return ok({ id: DIRECT, type: 1 });
    found = line.match(/^POST \/interactions\/(\d+)\/[^/]+\/callback$/);
    if (found !== null) return this.callback(found[1] ?? '', body as RESTPostAPIInteractionCallbackJSONBody);
    found = line.match(/^PATCH \/webhooks\/\d+\/([^/]+)\/messages\/@original$/);
    if (found !== null) return this.editResponse(found[1] ?? '', body as Body, files);
    found = line.match(/^POST \/webhooks\/\d+\/([^/]+)$/);
    if (found !== null) return this.followUp(found[1] ?? '', body as Body, files);
    found = line.match(/^POST \/channels\/(\d+)\/messages$/);
    if (found !== null) return this.post(found[1] ?? '', body as Body, files);
    found = line.match(/^PATCH \/channels\/(\d+)\/messages\/(\d+)$/);
    if (found !== null) return this.edit(found[2] ?? '', body as Body, files);
    this.problems.push(`no such route: ${line}`);
    return refusal(404, 0, '404: Not Found');
  }

  private gateway() {
    return {
      url: this.discord.gatewayAddress,
      shards: 1,
      session_start_limit: { total: 1000, remaining: 1000, reset_after: 0, max_concurrency: 16 },
    };
  }

  private register(body: unknown): Reply {
    const commands = body as RESTPostAPIApplicationCommandsJSONBody[];
    const problems = commandProblems(commands);
    if (problems.length > 0) return this.refuse(problems);
    this.registrations += 1;
    // Discord gives back more than it got, with its defaults filled in.
    this.commands = commands.map((command) => ({
      ...{ nsfw: false, default_member_permissions: null, dm_permission: true, version: snowflake() },
      ...{ id: snowflake(), application_id: APPLICATION },
      ...(JSON.parse(JSON.stringify(command)) as RESTPostAPIApplicationCommandsJSONBody),
    }));
    return ok(this.commands);
  }

  private callback(id: string, body: RESTPostAPIInteractionCallbackJSONBody): Reply {
    const interaction = this.interactions.get(id);
    if (interaction === undefined) return refusal(404, 10062, 'Unknown interaction');
    if (interaction.responses.length > 0) {
      return refusal(400, 40060, 'Interaction has already been acknowledged.');
    }
    switch (body.type) {
      case InteractionResponseType.DeferredChannelMessageWithSource: {
        const flags = body.data?.flags ?? 0;
        interaction.message = this.stand(interaction.channel, { flags } as Body, [], interaction.id).id;
        break;
      }
      case InteractionResponseType.ChannelMessageWithSource: {
        const problems = messageProblems(body.data as Body, [], interaction.fileBytes);
        if (problems.length > 0) return this.refuse(problems);
        if (isPrivate(body.data.flags)) interaction.whispers.push(body.data.content ?? '');
        break;
      }
      case InteractionResponseType.Modal: {
        const problems = modalProblems(body.data as APIModalInteractionResponseCallbackData);
        if (problems.length > 0) return this.refuse(problems);
        interaction.modal = body.data as APIModalInteractionResponseCallbackData;
        break;
      }
      case InteractionResponseType.ApplicationCommandAutocompleteResult: {
        const choices = body.data.choices ?? [];
        const problems = choiceProblems(choices);
        if (problems.length > 0) return this.refuse(problems);
        interaction.choices = choices;
        break;
      }
      default:
        break;
    }
    interaction.responses.push(body);
    return { status: 204 };
  }

  private editResponse(token: string, body: Body, files: SentFile[]): Reply {
    const interaction = this.byToken(token);
    if (interaction === undefined) return refusal(404, 10015, 'Unknown Webhook');
    if (interaction.expired) return refusal(401, 50027, 'Invalid Webhook Token');
    // Nothing was answered yet: there is no webhook either.
    if (interaction.message === undefined) return refusal(404, 10015, 'Unknown Webhook');
    return this.change(interaction.message, body, files, interaction.fileBytes);
  }

  private followUp(token: string, body: Body, files: SentFile[]): Reply {
    const interaction = this.byToken(token);
    if (interaction === undefined) return refusal(404, 10015, 'Unknown Webhook');
    if (interaction.expired) return refusal(401, 50027, 'Invalid Webhook Token');
    const problems = messageProblems(body, files, interaction.fileBytes);
    if (problems.length > 0) return this.refuse(problems);
    interaction.followUps += 1;
    if (isPrivate(body.flags)) interaction.whispers.push(body.content ?? '');
    return ok(this.show(this.stand(interaction.channel, body, files, interaction.id)));
  }

  private post(channel: string, body: Body, files: SentFile[]): Reply {
    const problems = messageProblems(body, files, 10 * 1024 * 1024);
    if (problems.length > 0) return this.refuse(problems);
    const nonce = body.nonce === undefined ? undefined : String(body.nonce);
    const same = this.discord.in(channel).find((message) => nonce !== undefined && message.nonce === nonce);
    if (same !== undefined && body.enforce_nonce === true) return ok(this.show(same));
    return ok(this.show(this.stand(channel, body, files)));
  }

  private edit(id: string, body: Body, files: SentFile[]): Reply {
    if (!this.discord.messages.has(id)) return refusal(404, 10008, 'Unknown Message');
    return this.change(id, body, files, 10 * 1024 * 1024);
  }

  private change(id: string, body: Body, files: SentFile[], fileBytes: number): Reply {
    const message = this.discord.messages.get(id) as Standing;
    const problems = messageProblems(body, files, fileBytes);
    if (problems.length > 0) return this.refuse(problems);
    message.content = body.content ?? message.content;
    message.components = (body.components as Standing['components']) ?? message.components;
    if (body.attachments !== undefined) {
      message.attachments = body.attachments as Standing['attachments'];
      message.files = files;
    }
    message.history.push(message.content);
    return ok(this.show(message));
  }

  private stand(channel: string, body: Body, files: SentFile[], interaction?: string): Standing {
    const { nonce, message_reference: reference } = body;
    const message: Standing = {
      ...{
        id: snowflake(),
        channel,
        content: body.content ?? '',
        flags: body.flags ?? 0,
        files,
        interaction,
      },
      components: (body.components ?? []) as Standing['components'],
      attachments: (body.attachments ?? []) as Standing['attachments'],
      nonce: nonce === undefined ? undefined : String(nonce),
      reference: reference?.message_id,
      history: body.content ? [body.content] : [],
    };
    this.discord.messages.set(message.id, message);
    return message;
  }

  private show(message: Standing) {
    const { id, channel, content, components, attachments, flags } = message;
    return {
      ...{ id, channel_id: channel, content, components, attachments, flags, type: 0, embeds: [] },
      ...{ author: { id: BOT, username: 'mumu', bot: true }, application_id: APPLICATION },
    };
  }

  private byToken(token: string): OpenInteraction | undefined {
    return [...this.interactions.values()].find((one) => one.token === token);
  }

  private refuse(problems: string[]): Reply {
    this.problems.push(...problems);
    return refusal(400, 50035, `Invalid Form Body: ${problems.join('; ')}`);
  }
}

function isPrivate(flags: number | undefined): boolean {
  return ((flags ?? 0) & MessageFlags.Ephemeral) !== 0;
}

function ok(body: unknown): Reply {
  return { status: 200, body };
}

export function refusal(status: number, code: number, message: string): Reply {
  return { status, body: { message, code } };
}

async function parse(request: IncomingMessage, raw: Buffer): Promise<{ body: unknown; files: SentFile[] }> {
  const type = request.headers['content-type'] ?? '';
  if (raw.length === 0) return { body: {}, files: [] };
  if (!type.startsWith('multipart/form-data')) return { body: JSON.parse(raw.toString('utf8')), files: [] };
  const form = await new Response(new Uint8Array(raw), { headers: { 'content-type': type } }).formData();
  const files: SentFile[] = [];
  for (const [key, part] of form) {
    const place = /^files\[(\d+)\]$/.exec(key)?.[1];
    if (place === undefined || typeof part === 'string') continue;
    const bytes = Buffer.from(await part.arrayBuffer());
    files[Number(place)] = { name: part.name, type: part.type, bytes };
  }
  return { body: JSON.parse(String(form.get('payload_json') ?? '{}')), files };
}
