import { App } from '@slack/bolt';
import { MumuError } from '#contracts/errors';
import type { RunningAdapter, Services } from '#src/app/services';
import { registerButtons } from '#src/chat/slack/buttons';
import type { SlackContext } from '#src/chat/slack/context';
import { registerHome } from '#src/chat/slack/home';
import { registerMessages } from '#src/chat/slack/messages';
import { SlackMessenger } from '#src/chat/slack/messenger';
import { Notes } from '#src/chat/slack/notes';
import { People } from '#src/chat/slack/people';
import { openConnection } from '#src/chat/slack/receiver';
import { registerShortcuts } from '#src/chat/slack/shortcuts';
import { registerSlashCommands } from '#src/chat/slack/slash-commands';
import { StatusMessages } from '#src/chat/slack/status';
import { registerSubmissions } from '#src/chat/slack/submissions';
import { Uploads } from '#src/chat/slack/uploads';
import { clientOptions, createClient, identify, quietLogger, refusalCode } from '#src/chat/slack/web';

export interface RunningSlack extends RunningAdapter {
  /** Port on which HTTP mode listens; undefined in Socket Mode. */
  readonly port: number | undefined;
}

/**
 * Connects to Slack and answers until it is closed.
 * @throws MumuError invalid_input for tokens that are missing or refused, and for a port that cannot be listened at;
 *   unavailable if Slack does not answer.
 */
export async function startSlack(services: Services): Promise<RunningSlack> {
  const { config: settings, log, redis } = services;
  const config = settings.slack;
  if (config === undefined) {
    throw new MumuError('invalid_input', 'SLACK_BOT_TOKEN is not set: there is no Slack to connect to.');
  }
  const connection = openConnection(config, log);
  const client = createClient(config, log);
  const identity = await identify(client);
  const { keepMilliseconds, uploadBytes } = settings.limits;
  const store = redis.connect('producer');
  const notes = new Notes(store, redis.prefix, keepMilliseconds);
  const people = new People(client, log);
  // Known before the first request, whose receipt Slack waits for.
  await people.rolesOf(identity.botUser);
  const standIn = config.api === undefined ? undefined : new URL(config.api).origin;
  const messenger = new SlackMessenger({
    config,
    client,
    status: new StatusMessages(client, notes, log),
    uploads: new Uploads(client, log, standIn),
    people,
    storage: services.storage,
    settings: services.settings,
    links: services.links,
    maxFileBytes: uploadBytes,
    log,
  });
  const courier = await services.courier(messenger);
  const context: SlackContext = { services, client, courier, identity, notes, people };

  const { botId, botUser: botUserId, team: teamId } = identity;
  const app = new App({
    receiver: connection.receiver,
    // The token is known to be good: nothing has to be asked for each event.
    authorize: async () => ({ botToken: config.botToken, botId, botUserId, teamId }),
    clientOptions: clientOptions(config),
    logger: quietLogger(log),
    convoStore: false,
  });
  app.error(async (error) => {
    log.error({ code: refusalCode(error.original ?? error) ?? error.code, stack: error.stack }, 'slack');
  });
  registerSlashCommands(app, context);
  registerMessages(app, context);
  registerShortcuts(app, context);
  registerSubmissions(app, context);
  registerButtons(app, context);
  registerHome(app, context);

  const close = async () => {
    await connection.receiver.stop().catch((error: Error) => log.warn({ error: error.message }, 'slack'));
    await courier.close();
    store.disconnect();
  };
  try {
    await connection.start(app);
  } catch (cause) {
    await close();
    if (cause instanceof MumuError) throw cause;
    const code = refusalCode(cause);
    if (code === undefined) {
      throw new MumuError('unavailable', `Slack cannot be connected to: ${(cause as Error).message}.`, {
        cause,
      });
    }
    throw new MumuError(
      'invalid_input',
      `Slack does not accept SLACK_APP_TOKEN (${code}): take the one with the scope connections:write from "App-Level Tokens".`,
      { cause },
    );
  }
  return {
    platform: 'slack',
    get connected() {
      return connection.connected;
    },
    get port() {
      return connection.port;
    },
    close,
  };
}
