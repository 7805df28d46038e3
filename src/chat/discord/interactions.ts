import {
  type APIChatInputApplicationCommandInteraction,
  type APIMessageApplicationCommandInteraction,
  type APIMessageComponentInteraction,
  type APIModalSubmitInteraction,
  ApplicationCommandType,
  InteractionType,
  RESTJSONErrorCodes,
} from 'discord.js';
import { parseCommandLine } from '#commands/parse';
import { commandNamed } from '#commands/registry';
import type { CommandSpec } from '#commands/spec';
import { toMumuError } from '#contracts/errors';
import type { RequestCommand } from '#contracts/request';
import type { Services } from '#src/app/services';
import type { Courier, Intent, RemoteFile } from '#src/chat/delivery/types';
import { wordsFor } from '#src/chat/delivery/words';
import { type Callbacks, errorCode } from '#src/chat/discord/callbacks';
import { completions } from '#src/chat/discord/completion';
import { decodeOwned, type OwnedButton } from '#src/chat/discord/custom-id';
import { SHORTCUTS } from '#src/chat/discord/definitions';
import { lineOf, readFields, textOf } from '#src/chat/discord/fields';
import type { Forms } from '#src/chat/discord/forms';
import { escaped } from '#src/chat/discord/markdown';
import { decodeForm, messageModal, remixModal } from '#src/chat/discord/modals';
import { type Place, placeOfInteraction, type UserInteraction } from '#src/chat/discord/people';
import { filesOf, fromInteraction, suited } from '#src/chat/discord/receipts';
import { discordWords } from '#src/chat/discord/words';

/** A form has to be opened within 3 seconds: so long it waits for what it could be filled in with, milliseconds. */
const LOOK_UP = 1500;

export interface InteractionContext {
  services: Services;
  courier: Courier;
  callbacks: Callbacks;
  forms: Forms;
}

/** Answers what people do with the bot's commands, buttons and forms: acknowledges first, then hands over. */
export class Interactions {
  constructor(private readonly context: InteractionContext) {}

  async handle(interaction: UserInteraction): Promise<void> {
    const place = placeOfInteraction(interaction);
    if (place === undefined) return;
    switch (interaction.type) {
      case InteractionType.ApplicationCommandAutocomplete: {
        const choices = await completions(interaction, place, this.context.services).catch(() => []);
        await this.context.callbacks.complete(interaction, choices);
        return;
      }
      case InteractionType.ApplicationCommand:
        if (interaction.data.type === ApplicationCommandType.ChatInput) {
          await this.command(interaction as APIChatInputApplicationCommandInteraction, place);
        } else if (interaction.data.type === ApplicationCommandType.Message) {
          await this.shortcut(interaction as APIMessageApplicationCommandInteraction, place);
        }
        return;
      case InteractionType.MessageComponent:
        await this.button(interaction, place);
        return;
      case InteractionType.ModalSubmit:
        await this.form(interaction, place);
    }
  }

  private async command(interaction: APIChatInputApplicationCommandInteraction, place: Place): Promise<void> {
    const { callbacks } = this.context;
    try {
      const spec = commandNamed(interaction.data.name);
      if (!isForModels(spec)) {
        await this.direct(interaction, place);
        return;
      }
      const { text, options, action, voice, files } = readFields(interaction.data, spec);
      const intent: Intent = { type: 'command', command: spec.name, text, options, action };
      await this.handOver(interaction, place, { intent, files, voice });
    } catch (thrown) {
      const error = toMumuError(thrown);
      if (error.code === 'internal') throw thrown;
      await callbacks.tell(interaction, failure(error.message, interaction.locale));
    }
  }

  /** Help, queue, cancel and settings: answered at once, to nobody else. */
  private async direct(interaction: APIChatInputApplicationCommandInteraction, place: Place): Promise<void> {
    const { callbacks, services } = this.context;
    const line = parseCommandLine(lineOf(interaction.data), { attachments: [] });
    if ('options' in line) throw new Error(`/${interaction.data.name} is no direct command`);
    await callbacks.defer(interaction, { private: true });
    let text: string;
    try {
      text = escaped(await services.answers.answer(line, place.who, place.conversation));
    } catch (thrown) {
      const error = toMumuError(thrown);
      if (error.code === 'internal') services.log.error({ error: String(thrown) }, 'a direct command failed');
      text = failure(error.message, interaction.locale);
    }
    await callbacks.edit(interaction, text);
  }

  private async shortcut(interaction: APIMessageApplicationCommandInteraction, place: Place): Promise<void> {
    const { callbacks, forms, services } = this.context;
    const { name, resolved, target_id: target } = interaction.data;
    const shortcut = (['ask', 'generate', 'remix'] as const).find((one) => SHORTCUTS[one] === name);
    const message = resolved.messages[target];
    if (shortcut === undefined || message === undefined) return;
    const files = suited(filesOf(message, interaction.application_id), commandNamed(shortcut));
    if (files.length === 0) {
      await callbacks.tell(interaction, discordWords(interaction.locale).noFile);
      return;
    }
    if (shortcut === 'generate') {
      await this.handOver(interaction, place, { intent: plain('generate', ''), files });
      return;
    }
    // The form has to be open within 3 seconds, whatever Redis does; nobody sends it that fast.
    const kept = forms.keep(interaction.id, files).catch((error: Error) => {
      services.log.warn({ error: error.message }, 'could not keep what a form is about');
    });
    await callbacks.open(interaction, messageModal(shortcut, interaction.id, interaction.locale));
    await kept;
  }

  private async button(interaction: APIMessageComponentInteraction, place: Place): Promise<void> {
    const { callbacks, courier } = this.context;
    const pressed = decodeOwned(interaction.data.custom_id);
    if (pressed === undefined) return;
    const words = discordWords(interaction.locale);
    if (!mayPress(pressed, place)) {
      await callbacks.tell(interaction, words.notYours);
      return;
    }
    const { button, id, owner } = pressed;
    switch (button) {
      case 'cancel': {
        await callbacks.acknowledge(interaction);
        const outcome = await courier.cancel(id, place.who.user);
        if (outcome === 'ended') await callbacks.tellAfter(interaction, words.ended);
        if (outcome === 'unknown') await callbacks.tellAfter(interaction, words.forgotten);
        return;
      }
      case 'remix':
        await callbacks.open(
          interaction,
          remixModal(id, owner, await this.instructionOf(id), interaction.locale),
        );
        return;
      default:
        await this.handOver(interaction, place, { intent: { type: 'button', button, of: id } });
    }
  }

  private async form(interaction: APIModalSubmitInteraction, place: Place): Promise<void> {
    const { callbacks, forms } = this.context;
    const text = textOf(interaction.data);
    const button = decodeOwned(interaction.data.custom_id);
    if (button !== undefined) {
      const intent: Intent = { type: 'button', button: 'remix', of: button.id, text };
      await this.handOver(interaction, place, { intent });
      return;
    }
    const form = decodeForm(interaction.data.custom_id);
    if (form === undefined) return;
    // Before Redis is asked: Discord waits 3 seconds.
    await callbacks.defer(interaction);
    const files = await forms.files(form.id).catch(() => undefined);
    if (files === undefined) {
      await callbacks.edit(interaction, discordWords(interaction.locale).formGone);
      return;
    }
    const handover = fromInteraction(interaction, place, { intent: plain(form.purpose, text), files });
    await this.context.courier.receive(handover.receipt, handover.secrets);
  }

  /**
   * Discord is answered before anything else is done: its 3 seconds are over soon. Where it is not known whether the
   * answer arrived, the request is taken over all the same: it then ends in a message of the bot's own.
   */
  private async handOver(
    interaction: UserInteraction,
    place: Place,
    given: { intent: Intent; files?: RemoteFile[]; voice?: boolean | undefined },
  ): Promise<void> {
    const { callbacks, services } = this.context;
    try {
      await callbacks.defer(interaction);
    } catch (error) {
      // Too late: the person was told that nobody answers.
      if (errorCode(error) === RESTJSONErrorCodes.UnknownInteraction) throw error;
      services.log.warn({ id: interaction.id, error: (error as Error).message }, 'Discord: not acknowledged');
    }
    const { receipt, secrets } = fromInteraction(interaction, place, given);
    await this.context.courier.receive(receipt, secrets);
  }

  /** How a track came about, where that was by an instruction: one changes a word of it and sends it again. */
  private async instructionOf(id: string): Promise<string> {
    const late = new Promise<undefined>((resolve) => setTimeout(resolve, LOOK_UP, undefined).unref());
    const found = await Promise.race([this.context.courier.lookUp(id), late]).catch(() => undefined);
    return found?.request.command === 'remix' ? found.request.text : '';
  }
}

/** The person who asked; and in a conversation that many share all of them, but for stopping another's request. */
function mayPress({ button, owner }: OwnedButton, place: Place): boolean {
  return owner === place.person || (button !== 'cancel' && place.shared);
}

function isForModels(spec: CommandSpec): spec is CommandSpec & { name: RequestCommand } {
  return ['ask', 'describe', 'generate', 'remix'].includes(spec.name);
}

function plain(command: RequestCommand, text: string): Intent {
  return { type: 'command', command, text, options: {}, action: 'new' };
}

function failure(reason: string, locale: string): string {
  return escaped(`${wordsFor(locale).failed} ${reason}`);
}
