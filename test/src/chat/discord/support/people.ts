import {
  type APIActionRowComponent,
  type APIApplicationCommandInteractionDataOption,
  type APIAttachment,
  type APIButtonComponentWithCustomId,
  type APIChannel,
  type APIMessage,
  ApplicationCommandOptionType,
  ApplicationCommandType,
  ApplicationIntegrationType,
  ChannelType,
  ComponentType,
  InteractionContextType,
  InteractionType,
  MessageType,
} from 'discord-api-types/v10';
import {
  APPLICATION,
  BOT,
  CHANNEL,
  DIRECT_CHANNEL,
  GUILD,
  type LocalDiscord,
  type Standing,
  snowflake,
  TEXT_CHANNEL,
  user,
} from '#test/src/chat/discord/support/local-discord';
import type { OpenInteraction } from '#test/src/chat/discord/support/rest-api';

export interface PersonOptions {
  locale?: string;
  roles?: string[];
}

export interface Where {
  channel?: APIChannel;
  /** The app came along with the person; the bot is no member. */
  userInstalled?: boolean;
  fileBytes?: number;
}

type Value = string | number | boolean | APIAttachment;

/** Somebody at a Discord client: what they do comes to the bot as the real client's doings come. */
export class Person {
  readonly id = snowflake();

  constructor(
    private readonly discord: LocalDiscord,
    readonly name: string,
    private readonly options: PersonOptions = {},
  ) {}

  /** A slash command; a record in `values` is a subcommand with its fields. */
  slash(
    name: string,
    values: Record<string, Value | Record<string, Value>> = {},
    where: Where = {},
  ): OpenInteraction {
    const attachments: Record<string, APIAttachment> = {};
    const options = fields(values, attachments);
    const resolved = Object.keys(attachments).length === 0 ? {} : { resolved: { attachments } };
    const data = { id: '1', name, type: ApplicationCommandType.ChatInput, options, ...resolved };
    return this.interact(InteractionType.ApplicationCommand, data, where);
  }

  /** Typing into a field with completion. */
  type(
    name: string,
    field: string,
    value: string,
    others: Record<string, Value> = {},
    sub?: string,
  ): OpenInteraction {
    const focused = { type: ApplicationCommandOptionType.String, name: field, value, focused: true };
    const inner = [...fields(others, {}), focused];
    const options =
      sub === undefined
        ? inner
        : [{ type: ApplicationCommandOptionType.Subcommand, name: sub, options: inner }];
    const data = { id: '1', name, type: ApplicationCommandType.ChatInput, options };
    return this.interact(InteractionType.ApplicationCommandAutocomplete, data, {});
  }

  /** A command from the menu of a message. */
  menu(name: string, message: APIMessage, where: Where = {}): OpenInteraction {
    const data = {
      ...{ id: '1', name, type: ApplicationCommandType.Message, target_id: message.id },
      resolved: { messages: { [message.id]: message } },
    };
    return this.interact(InteractionType.ApplicationCommand, data, where);
  }

  press(message: Standing, label: string, where: Where = {}): OpenInteraction {
    const button = buttonsOn(message).find((one) => one.label === label);
    if (button === undefined) throw new Error(`no button ${label}`);
    const data = { component_type: ComponentType.Button, custom_id: button.custom_id };
    const on = { message: this.standing(message) };
    return this.interact(InteractionType.MessageComponent, data, where, on);
  }

  /** Sends the form that an interaction opened. */
  submit(opened: OpenInteraction, text: string, where: Where = {}): OpenInteraction {
    const [part] = opened.modal?.components ?? [];
    if (opened.modal === undefined || part?.type !== ComponentType.Label) throw new Error('no form is open');
    const component = { type: part.component.type, custom_id: part.component.custom_id, value: text };
    const data = {
      custom_id: opened.modal.custom_id,
      components: [{ type: ComponentType.Label, component }],
    };
    return this.interact(InteractionType.ModalSubmit, data, where);
  }

  /** Writes a message; content reaches the bot where Discord lets it through. */
  say(
    content: string,
    given: { files?: APIAttachment[]; channel?: APIChannel; answers?: APIMessage } = {},
  ): APIMessage {
    const channel = given.channel ?? TEXT_CHANNEL;
    const isDirect = channel.type === ChannelType.DM;
    const mentioned = content.includes(`<@${BOT}>`) || given.answers?.author.id === BOT;
    const readable = isDirect || mentioned;
    const message = {
      ...this.message(readable ? content : '', readable ? (given.files ?? []) : []),
      ...{ channel_id: channel.id, channel_type: channel.type },
      mentions: mentioned ? [{ ...user(BOT, 'mumu'), bot: true }] : [],
      type: given.answers === undefined ? MessageType.Default : MessageType.Reply,
      ...(given.answers === undefined ? {} : { referenced_message: given.answers }),
      ...(isDirect ? {} : { guild_id: GUILD, member: this.member() }),
    };
    this.discord.gateway.dispatch('MESSAGE_CREATE', message);
    return message as APIMessage;
  }

  /** A message of this person, as it stands in a channel. */
  message(content: string, files: APIAttachment[]): APIMessage {
    return {
      ...{
        id: snowflake(),
        channel_id: CHANNEL,
        author: user(this.id, this.name),
        content,
        attachments: files,
      },
      ...{ timestamp: '2026-11-21T00:00:00.000000+00:00', edited_timestamp: null, tts: false, pinned: false },
      ...{ mention_everyone: false, mentions: [], mention_roles: [], embeds: [], type: MessageType.Default },
    } as APIMessage;
  }

  private standing(message: Standing) {
    const { id, channel, content, components } = message;
    return { ...this.message(content, []), id, channel_id: channel, components, author: user(BOT, 'mumu') };
  }

  private member() {
    const { roles = [] } = this.options;
    return {
      ...{ roles, joined_at: '2026-01-01T00:00:00.000000+00:00', deaf: false, mute: false },
      permissions: '0',
    };
  }

  private interact(type: InteractionType, data: unknown, where: Where, more: object = {}): OpenInteraction {
    const { channel = TEXT_CHANNEL, userInstalled = false, fileBytes = 10 * 1024 * 1024 } = where;
    const isDirect = channel === DIRECT_CHANNEL;
    const id = snowflake();
    const open: OpenInteraction = {
      ...{
        id,
        token: `token-${id}`,
        channel: channel.id,
        fileBytes,
        responses: [],
        whispers: [],
        followUps: 0,
      },
      ...{ message: undefined, modal: undefined, choices: undefined, expired: false },
    };
    this.discord.rest.interactions.set(id, open);
    const person = user(this.id, this.name);
    const owners = userInstalled
      ? { [ApplicationIntegrationType.UserInstall]: this.id }
      : { [ApplicationIntegrationType.GuildInstall]: GUILD };
    this.discord.gateway.dispatch('INTERACTION_CREATE', {
      ...{
        id,
        application_id: APPLICATION,
        type,
        data,
        token: open.token,
        version: 1,
        channel,
        channel_id: channel.id,
      },
      ...(isDirect
        ? { user: person, context: InteractionContextType.BotDM }
        : {
            guild_id: GUILD,
            member: { ...this.member(), user: person },
            context: InteractionContextType.Guild,
          }),
      ...{ app_permissions: '0', locale: this.options.locale ?? 'en-US', entitlements: [] },
      ...{ authorizing_integration_owners: owners, attachment_size_limit: fileBytes, ...more },
    });
    return open;
  }
}

/** The buttons of a message, in their order. */
export function buttonsOn(message: Standing): APIButtonComponentWithCustomId[] {
  const rows = (message.components ?? []) as APIActionRowComponent<APIButtonComponentWithCustomId>[];
  return rows.flatMap((row) => row.components);
}

function fields(
  values: Record<string, Value | Record<string, Value>>,
  attachments: Record<string, APIAttachment>,
): APIApplicationCommandInteractionDataOption[] {
  return Object.entries(values).map(([name, value]) => {
    if (typeof value === 'object' && 'filename' in value) {
      const attachment = value as APIAttachment;
      attachments[attachment.id] = attachment;
      return { name, type: ApplicationCommandOptionType.Attachment, value: attachment.id };
    }
    if (typeof value === 'object') {
      return { name, type: ApplicationCommandOptionType.Subcommand, options: fields(value, attachments) };
    }
    if (typeof value === 'boolean') return { name, type: ApplicationCommandOptionType.Boolean, value };
    if (typeof value === 'number') return { name, type: ApplicationCommandOptionType.Number, value };
    return { name, type: ApplicationCommandOptionType.String, value };
  }) as APIApplicationCommandInteractionDataOption[];
}
