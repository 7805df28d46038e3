import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type App, HTTPReceiver, type Receiver, type ReceiverEvent, SocketModeReceiver } from '@slack/bolt';
import { MumuError } from '#contracts/errors';
import { clientOptions, quietLogger, type SlackConfig } from '#src/chat/slack/web';
import { listenFailure } from '#src/http/listen-failure';
import type { Logger } from '#src/log';

/** Slack waits three seconds for a receipt; an event that is not written down by then is confirmed anyway. */
const PATIENCE = 2000;
/** How far a request's time may be ahead of ours, seconds: clocks differ a little. */
const AHEAD = 60;
/** Path under which Slack reaches HTTP mode. */
export const HTTP_PATH = '/slack/events';

export interface Connection {
  receiver: Receiver;
  readonly connected: boolean;
  /** Port of HTTP mode, once it listens. */
  readonly port: number | undefined;
  /** What `App.start` is given. */
  start(app: App): Promise<void>;
}

/**
 * The way in which Slack reaches us: Socket Mode where there is an app-level token, else HTTP with signatures.
 * @throws MumuError invalid_input if there is neither.
 */
export function openConnection(config: SlackConfig, log: Logger): Connection {
  if (config.appToken !== undefined) return socketMode(config, config.appToken, log);
  if (config.signingSecret !== undefined) return http(config, config.signingSecret, log);
  throw new MumuError(
    'invalid_input',
    'Slack needs SLACK_APP_TOKEN (xapp-, for Socket Mode) or SLACK_SIGNING_SECRET (for HTTP) besides SLACK_BOT_TOKEN.',
  );
}

function socketMode(config: SlackConfig, appToken: string, log: Logger): Connection {
  const inner = new SocketModeReceiver({
    appToken,
    logger: quietLogger(log),
    // The retries of its own client go on for hours, as they should: no connection, no bot.
    installerOptions: { clientOptions: clientOptions(config) },
  });
  let connected = false;
  inner.client.on('connected', () => {
    connected = true;
    log.info({ platform: 'slack' }, 'connected');
  });
  for (const event of ['reconnecting', 'disconnecting', 'disconnected', 'close']) {
    inner.client.on(event, () => {
      connected = false;
    });
  }
  return {
    receiver: confirmLast(inner),
    get connected() {
      return connected;
    },
    port: undefined,
    start: async (app) => void (await app.start()),
  };
}

function http(config: SlackConfig, signingSecret: string, log: Logger): Connection {
  const inner = new HTTPReceiver({
    signingSecret,
    endpoints: [HTTP_PATH],
    logger: quietLogger(log),
    // Anything else than Slack's requests: said shortly, and without a log line for every scanner.
    dispatchErrorHandler: ({ response }) => void response.writeHead(404).end(),
  });
  const listener = inner.requestListener;
  inner.requestListener = (request: IncomingMessage, response: ServerResponse) => {
    if (isFromFuture(request.headers['x-slack-request-timestamp'])) {
      log.warn({ from: 'slack' }, 'a request from the future was refused');
      response.writeHead(401).end();
      return;
    }
    listener(request, response);
  };
  let port: number | undefined;
  return {
    receiver: confirmLast(inner),
    get connected() {
      return port !== undefined;
    },
    get port() {
      return port;
    },
    async start(app) {
      const { host } = config;
      const server = await app.start({ host, port: config.port }).catch((error: unknown) => {
        throw listenFailure(error, host, config.port, SETTINGS);
      });
      const address = server.address();
      port = typeof address === 'object' && address !== null ? address.port : config.port;
      server.once('close', () => {
        port = undefined;
      });
      log.info({ platform: 'slack', port }, 'listening');
    },
  };
}

/** Where the address is set; its two halves go together. */
const SETTINGS = {
  port: 'MUMU_SLACK_PORT (or MUMU_SLACK_HOST)',
  host: 'MUMU_SLACK_HOST (beside MUMU_SLACK_PORT)',
};

/**
 * Bolt refuses requests that are too old. A recorded request that claims to be from the future would be taken again
 * and again until that time has passed, so those are refused too.
 * @param stamp seconds since 1970, as Slack sends them.
 */
export function isFromFuture(stamp: string | string[] | undefined, now = Date.now()): boolean {
  return !(Number(stamp) <= now / 1000 + AHEAD);
}

/**
 * Bolt confirms events before anything is done about them, and a crash right then would lose them: here the
 * confirmation waits until the listeners are through, which is when the event was written down. Whatever Slack
 * delivers again in the meantime is recognised by its id.
 */
function confirmLast<R extends Receiver>(inner: R): Receiver {
  return {
    init(app) {
      const processEvent = async (event: ReceiverEvent): Promise<void> => {
        if (event.body.type !== 'event_callback') return app.processEvent(event);
        const processed = app.processEvent({ ...event, ack: async () => undefined });
        await Promise.race([processed, delay(PATIENCE, undefined, { ref: false })]);
        await event.ack();
        await processed;
      };
      inner.init(
        new Proxy(app, {
          get: (target, key) => (key === 'processEvent' ? processEvent : Reflect.get(target, key)),
        }),
      );
    },
    start: (...given) => inner.start(...given),
    stop: (...given) => inner.stop(...given),
  };
}
