import {
  type APIApplicationCommandOptionChoice,
  type APIModalInteractionResponseCallbackData,
  DiscordAPIError,
  InteractionResponseType,
  MessageFlags,
  type REST,
  RESTJSONErrorCodes,
  type RESTPatchAPIInteractionOriginalResponseJSONBody,
  type RESTPostAPIInteractionCallbackJSONBody,
  Routes,
} from 'discord.js';
import { cut, LIMITS } from '#src/chat/discord/limits';
import type { UserInteraction } from '#src/chat/discord/people';

/** Nobody is ever pinged by what the bot says. */
export const NO_PINGS = { parse: [] };

/**
 * First responses to interactions, each a single call without an Authorization header: the token in the address is the
 * right to answer. Discord waits 3 seconds for them.
 */
export class Callbacks {
  constructor(private readonly rest: REST) {}

  /** "… is thinking": the answer comes by editing it. */
  async defer(interaction: UserInteraction, options: { private?: boolean } = {}): Promise<void> {
    const flags = options.private === true ? { flags: MessageFlags.Ephemeral as const } : {};
    await this.send(interaction, {
      type: InteractionResponseType.DeferredChannelMessageWithSource,
      data: flags,
    });
  }

  /** Takes note of a button without changing its message. */
  async acknowledge(interaction: UserInteraction): Promise<void> {
    await this.send(interaction, { type: InteractionResponseType.DeferredMessageUpdate });
  }

  /** Says something at once that only the person sees. */
  async tell(interaction: UserInteraction, text: string): Promise<void> {
    await this.send(interaction, {
      type: InteractionResponseType.ChannelMessageWithSource,
      data: {
        content: cut(text, LIMITS.content),
        flags: MessageFlags.Ephemeral,
        allowed_mentions: NO_PINGS,
      },
    });
  }

  async open(interaction: UserInteraction, modal: APIModalInteractionResponseCallbackData): Promise<void> {
    await this.send(interaction, { type: InteractionResponseType.Modal, data: modal });
  }

  async complete(interaction: UserInteraction, choices: APIApplicationCommandOptionChoice[]): Promise<void> {
    await this.send(interaction, {
      type: InteractionResponseType.ApplicationCommandAutocompleteResult,
      data: { choices: choices.slice(0, LIMITS.choices) },
    });
  }

  /** What a deferred response becomes. */
  async edit(interaction: UserInteraction, text: string): Promise<void> {
    const body: RESTPatchAPIInteractionOriginalResponseJSONBody = {
      content: cut(text, LIMITS.content),
      allowed_mentions: NO_PINGS,
      flags: MessageFlags.SuppressEmbeds,
    };
    const route = Routes.webhookMessage(interaction.application_id, interaction.token, '@original');
    await this.rest.patch(route, { body, auth: false });
  }

  /** Says something more that only the person sees, after the first response. */
  async tellAfter(interaction: UserInteraction, text: string): Promise<void> {
    await this.rest.post(Routes.webhook(interaction.application_id, interaction.token), {
      body: {
        content: cut(text, LIMITS.content),
        flags: MessageFlags.Ephemeral,
        allowed_mentions: NO_PINGS,
      },
      auth: false,
    });
  }

  private async send(
    interaction: UserInteraction,
    body: RESTPostAPIInteractionCallbackJSONBody,
  ): Promise<void> {
    try {
      await this.rest.post(Routes.interactionCallback(interaction.id, interaction.token), {
        body,
        auth: false,
      });
    } catch (error) {
      // An interaction that came twice, or a process that died right after its first response: go on.
      if (errorCode(error) === RESTJSONErrorCodes.InteractionHasAlreadyBeenAcknowledged) return;
      throw error;
    }
  }
}

/** Discord's own code of a refusal; undefined for anything else. */
export function errorCode(error: unknown): number | undefined {
  return error instanceof DiscordAPIError && typeof error.code === 'number' ? error.code : undefined;
}
