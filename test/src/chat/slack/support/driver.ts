import { createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { HTTP_PATH } from '#src/chat/slack/receiver';
import { readManifest } from '#test/src/chat/slack/support/manifest';
import type { SlackServer } from '#test/src/chat/slack/support/slack-server';
import type { OpenedView } from '#test/src/chat/slack/support/web-api';
import {
  BOT_USER,
  DIRECT_ALICE,
  type FileObject,
  type Message,
  TEAM,
} from '#test/src/chat/slack/support/workspace';

export const SIGNING_SECRET = 'test-signing-secret';

/** How Slack reaches the bot; each resolves to what the bot confirmed with. */
export interface Wire {
  event(payload: unknown): Promise<unknown>;
  command(payload: Record<string, string>): Promise<unknown>;
  interactive(payload: unknown): Promise<unknown>;
}

export function socketWire(server: SlackServer): Wire {
  const send = async (type: string, payload: unknown, accepts: boolean) =>
    (await server.envelope(type, payload, accepts)).payload;
  return {
    event: (payload) => send('events_api', payload, false),
    command: (payload) => send('slash_commands', payload, true),
    interactive: (payload) => send('interactive', payload, true),
  };
}

/** Signed requests, as Slack makes them. @param port of the bot */
export function httpWire(port: () => number): Wire {
  const send = async (body: string, type: string) => {
    const response = await postSigned(port(), body, type);
    if (!response.ok) throw new Error(`the bot answered ${response.status}`);
    const text = await response.text();
    return text === '' ? {} : JSON.parse(text);
  };
  const form = 'application/x-www-form-urlencoded';
  return {
    event: (payload) => send(JSON.stringify(payload), 'application/json'),
    command: (payload) => send(new URLSearchParams(payload).toString(), form),
    interactive: (payload) =>
      send(new URLSearchParams({ payload: JSON.stringify(payload) }).toString(), form),
  };
}

export function postSigned(
  port: number,
  body: string,
  type: string,
  given: { at?: number; signature?: string; secret?: string } = {},
): Promise<Response> {
  const stamp = String(given.at ?? Math.floor(Date.now() / 1000));
  const hmac = createHmac('sha256', given.secret ?? SIGNING_SECRET).update(`v0:${stamp}:${body}`);
  return fetch(`http://127.0.0.1:${port}${HTTP_PATH}`, {
    method: 'POST',
    headers: {
      'content-type': type,
      'x-slack-request-timestamp': stamp,
      'x-slack-signature': given.signature ?? `v0=${hmac.digest('hex')}`,
    },
    body,
  });
}

/** People who use the bot through a workspace. What the manifest does not subscribe to is not delivered. */
export class Driver {
  private readonly manifest = readManifest();
  private events = 0;

  constructor(
    readonly server: SlackServer,
    private readonly wire: Wire,
  ) {}

  /** A file that lies with Slack, as after an upload by a person. */
  file(name: string, mimetype: string, content: Buffer): FileObject {
    return this.server.workspace.newFile(this.server.address, { name, mimetype, content, completed: true });
  }

  /** Writes a message; the bot is told as Slack would. */
  async say(
    user: string,
    channel: string,
    text: string,
    given: { files?: FileObject[]; thread?: string; times?: number } = {},
  ): Promise<Message> {
    const { files = [], thread, times = 1 } = given;
    const message = this.server.workspace.add({
      ...{ channel, user, text, files, blocks: [] },
      ...(thread === undefined ? {} : { thread_ts: thread }),
      ...(files.length === 0 ? {} : { subtype: 'file_share' }),
    });
    const direct = channel.startsWith('D');
    const { blocks: _blocks, before: _before, edits: _edits, ...told } = message;
    const event = {
      ...told,
      type: 'message',
      event_ts: message.ts,
      channel_type: direct ? 'im' : 'channel',
    };
    for (let time = 0; time < times; time += 1) {
      await this.event(direct ? 'message.im' : 'message.channels', event);
      if (!direct && text.includes(`<@${BOT_USER}>`)) {
        const { subtype: _subtype, channel_type: _type, ...mention } = event;
        await this.event('app_mention', { ...mention, type: 'app_mention' });
      }
    }
    return message;
  }

  openHome(user: string): Promise<unknown> {
    return this.event('app_home_opened', {
      ...{ type: 'app_home_opened', user, channel: DIRECT_ALICE, tab: 'home', event_ts: '1.1' },
    });
  }

  /** Delivers an event as it is. */
  async event(name: string, event: Record<string, unknown>): Promise<unknown> {
    if (!this.manifest.settings.event_subscriptions.bot_events.includes(name)) return undefined;
    this.events += 1;
    return this.wire.event({
      ...{ token: 'verification', team_id: TEAM, api_app_id: 'A0MUMU', event, type: 'event_callback' },
      ...{ event_id: `Ev${this.events}`, event_time: Math.floor(Date.now() / 1000) },
      authorizations: [{ team_id: TEAM, user_id: BOT_USER, is_bot: true, is_enterprise_install: false }],
      is_ext_shared_channel: false,
    });
  }

  /** Types a slash command. */
  command(user: string, channel: string, command: string, text = ''): Promise<unknown> {
    if (!this.manifest.features.slash_commands.some((known) => known.command === command)) {
      throw new Error(`${command} is not in the manifest`);
    }
    return this.wire.command({
      ...{ token: 'verification', team_id: TEAM, team_domain: 'mumu-test', channel_id: channel },
      ...{ channel_name: 'general', user_id: user, user_name: 'someone', command, text },
      ...{ api_app_id: 'A0MUMU', is_enterprise_install: 'false', response_url: this.responseUrl() },
      trigger_id: this.server.api.newTrigger(user),
    });
  }

  /** Uses a shortcut on a message. */
  messageShortcut(user: string, name: string, message: Message, trigger?: string): Promise<unknown> {
    return this.interactive(user, message.channel, {
      ...{ type: 'message_action', callback_id: this.shortcut(name), message_ts: message.ts },
      trigger_id: trigger ?? this.server.api.newTrigger(user),
      message: { ...message, type: 'message' },
    });
  }

  globalShortcut(user: string, name: string): Promise<unknown> {
    return this.interactive(user, undefined, {
      type: 'shortcut',
      callback_id: this.shortcut(name),
      trigger_id: this.server.api.newTrigger(user),
    });
  }

  /** Presses a button of a message by its action's start. */
  press(user: string, message: Message, start: string): Promise<unknown> {
    const action = buttonsOf(message).find(({ action_id }) => action_id.startsWith(start));
    if (action === undefined) throw new Error(`no button ${start} in ${JSON.stringify(message.blocks)}`);
    return this.interactive(user, message.channel, {
      type: 'block_actions',
      trigger_id: this.server.api.newTrigger(user),
      container: { type: 'message', message_ts: message.ts, channel_id: message.channel },
      message: { ...message, type: 'message' },
      actions: [{ ...action, block_id: 'b', action_ts: '1.1' }],
    });
  }

  /** Presses the button of the Home tab. */
  pressHome(user: string, action_id: string): Promise<unknown> {
    return this.interactive(user, undefined, {
      type: 'block_actions',
      trigger_id: this.server.api.newTrigger(user),
      container: { type: 'view', view_id: 'V1' },
      actions: [{ type: 'button', action_id, block_id: 'b', action_ts: '1.1' }],
    });
  }

  /** Sends a form that was opened, with what was filled in. */
  submit(
    { id, user, view }: OpenedView,
    values: { text?: string; command?: string; seconds?: string; files?: FileObject[] },
  ): Promise<unknown> {
    const { text, command, seconds, files } = values;
    const fields = {
      ...(text === undefined ? {} : { text: { value: { type: 'plain_text_input', value: text } } }),
      ...(seconds === undefined ? {} : { seconds: { value: { type: 'number_input', value: seconds } } }),
      ...(files === undefined ? {} : { files: { value: { type: 'file_input', files } } }),
      ...(command === undefined
        ? {}
        : { command: { value: { type: 'static_select', selected_option: { value: command } } } }),
    };
    return this.interactive(user, undefined, {
      type: 'view_submission',
      trigger_id: this.server.api.newTrigger(user),
      view: { ...view, id, team_id: TEAM, state: { values: fields } },
      response_urls: [],
    });
  }

  private interactive(
    user: string,
    channel: string | undefined,
    payload: Record<string, unknown>,
  ): Promise<unknown> {
    return this.wire.interactive({
      ...{ token: 'verification', api_app_id: 'A0MUMU', is_enterprise_install: false, enterprise: null },
      team: { id: TEAM, domain: 'mumu-test' },
      user: { id: user, username: 'someone', team_id: TEAM },
      ...(channel === undefined
        ? {}
        : { channel: { id: channel, name: 'general' }, response_url: this.responseUrl() }),
      ...payload,
    });
  }

  private shortcut(name: string): string {
    const found = this.manifest.features.shortcuts.find((shortcut) => shortcut.name === name);
    if (found === undefined) throw new Error(`no shortcut ${name} in the manifest`);
    return found.callback_id;
  }

  private responseUrl(): string {
    return `${this.server.address}/respond/${Math.random().toString(36).slice(2)}`;
  }
}

export function buttonsOf({ blocks }: Message): Array<{ action_id: string; value?: string; type: string }> {
  return blocks.flatMap((block) =>
    block.type === 'actions' ? (block.elements as Array<{ action_id: string; type: string }>) : [],
  );
}

/** All that a message shows. */
export function shownIn({ blocks }: Message): string {
  return blocks
    .flatMap((block) => {
      const { text, elements } = block as { text?: { text: string }; elements?: Array<{ text: unknown }> };
      if (text !== undefined) return [text.text];
      if (block.type !== 'context') return [];
      return (elements ?? []).map((element) => String(element.text));
    })
    .join('\n');
}

/** Waits until something is there. @throws after so many seconds, naming what was waited for */
export async function until<T>(what: string, look: () => T | undefined | false, seconds = 50): Promise<T> {
  for (let tries = 0; tries < seconds * 50; tries += 1) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    await delay(20);
  }
  throw new Error(`waited in vain for ${what}`);
}
