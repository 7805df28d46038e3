import {
  type APIApplication,
  type APIInteraction,
  Client,
  Events,
  GatewayDispatchEvents,
  GatewayIntentBits,
  type GatewayMessageCreateDispatchData,
  InteractionType,
  Options,
  RESTEvents,
  Routes,
  Status,
} from 'discord.js';
import { MumuError } from '#contracts/errors';
import type { RunningAdapter, Services } from '#src/app/services';
import { loadSecret } from '#src/chat/delivery/seal';
import { Callbacks } from '#src/chat/discord/callbacks';
import { Forms } from '#src/chat/discord/forms';
import { Interactions } from '#src/chat/discord/interactions';
import { Mentions } from '#src/chat/discord/mentions';
import { DiscordMessenger } from '#src/chat/discord/messenger';
import { registerCommands } from '#src/chat/discord/registration';

/**
 * None is privileged: direct messages, mentions, answers to the bot and the target of a command on a message carry
 * their content without.
 */
const INTENTS = [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages, GatewayIntentBits.DirectMessages];
/** How long the first connection may take, milliseconds. */
const READY = 60_000;

/**
 * Connects to Discord: registers the commands if they differ from what is there, takes up what an earlier process left
 * open, and listens.
 * @throws MumuError invalid_input for a token Discord does not take; unavailable if Discord does not answer.
 */
export async function startDiscord(services: Services): Promise<RunningAdapter> {
  const { config, redis, log } = services;
  const settings = config.discord;
  if (settings === undefined) throw new MumuError('invalid_input', 'Set DISCORD_TOKEN to start Discord.');
  const client = createClient(settings.api);
  client.rest.setToken(settings.token);
  client.on(Events.Error, (error) => log.warn({ error: error.message }, 'Discord'));
  client.on(Events.ShardDisconnect, ({ code }, shard) => log.warn({ shard, code }, 'Discord: disconnected'));
  client.on(Events.ShardReconnecting, (shard) => log.info({ shard }, 'Discord: reconnecting'));
  client.on(Events.ShardResume, (shard, events) => log.info({ shard, events }, 'Discord: resumed'));
  client.rest.on(RESTEvents.RateLimited, ({ route, timeToReset, global }) => {
    log.info({ route, timeToReset, global }, 'Discord: rate limit');
  });
  const application = await refusalsNamed(async () => {
    const { id } = (await client.rest.get(Routes.currentApplication())) as APIApplication;
    await registerCommands(client.rest, id, log);
    return id;
  });

  const secret = await loadSecret(config);
  const store = redis.connect('producer');
  const courier = await services.courier(new DiscordMessenger(client.rest, store, services));
  const callbacks = new Callbacks(client.rest);
  const forms = new Forms(store, redis.prefix, secret);
  const interactions = new Interactions({ services, courier, callbacks, forms });
  const mentions = new Mentions(client, application, courier);
  const under = new Set<Promise<void>>();
  /** One that fails is logged and leaves the others alone. */
  const run = (kind: string, id: string, work: () => Promise<void>) => {
    const promise = work()
      .catch((error: Error) => log.error({ kind, id, error: error.message }, 'Discord: not handled'))
      .finally(() => under.delete(promise));
    under.add(promise);
  };
  // As they come from the gateway: they hold all that is needed, also of servers the bot is no member of.
  client.ws.on(GatewayDispatchEvents.InteractionCreate, (interaction: APIInteraction) => {
    if (interaction.type === InteractionType.Ping) return;
    run('interaction', interaction.id, () => interactions.handle(interaction));
  });
  client.ws.on(GatewayDispatchEvents.MessageCreate, (message: GatewayMessageCreateDispatchData) => {
    run('message', message.id, () => mentions.handle(message));
  });

  const close = async () => {
    await client.destroy();
    await Promise.all(under);
    await courier.close();
    store.disconnect();
  };
  try {
    await refusalsNamed(() => connect(client, settings.token));
  } catch (error) {
    await close();
    throw error;
  }
  log.info({ guilds: client.guilds.cache.size, shards: client.ws.shards.size }, 'Discord: ready');
  return {
    platform: 'discord',
    get connected() {
      return client.ws.shards.size > 0 && client.ws.shards.every(({ status }) => status === Status.Ready);
    },
    close,
  };
}

function createClient(api: string | undefined): Client {
  return new Client({
    intents: INTENTS,
    // As many connections as Discord asks for: from 2,500 servers on one is not allowed any more.
    shards: 'auto',
    allowedMentions: { parse: [] },
    // Nothing is read from old messages.
    makeCache: Options.cacheWithLimits({ ...Options.DefaultMakeCacheSettings, MessageManager: 0 }),
    rest: { ...(api === undefined ? {} : { api }) },
  });
}

/** Logs in and waits until the gateway has said which servers there are. */
async function connect(client: Client, token: string): Promise<void> {
  let late: NodeJS.Timeout | undefined;
  const ready = new Promise<void>((resolve, reject) => {
    client.once(Events.ClientReady, () => resolve());
    late = setTimeout(
      () => reject(new MumuError('unavailable', 'Discord did not get ready within a minute: try again.')),
      READY,
    );
  });
  try {
    await Promise.all([client.login(token), ready]);
  } finally {
    clearTimeout(late);
  }
}

/** @throws MumuError what Discord's refusal at the start means */
async function refusalsNamed<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MumuError) throw error;
    const status = (error as { status?: number }).status;
    const code = (error as { code?: unknown }).code;
    if (status === 401 || code === 'TokenInvalid') {
      throw new MumuError(
        'invalid_input',
        'Discord does not take DISCORD_TOKEN: copy it anew from the Bot page of your application.',
        { cause: error },
      );
    }
    throw new MumuError('unavailable', 'Discord does not answer as it should: try again in a minute.', {
      cause: error,
    });
  }
}
