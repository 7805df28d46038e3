import {
  type APIApplicationCommandAutocompleteInteraction,
  type APIApplicationCommandInteractionDataOption,
  type APIApplicationCommandOptionChoice,
  ApplicationCommandOptionType,
} from 'discord.js';
import { SETTINGS } from '#commands/settings';
import type { Services } from '#src/app/services';
import { valuesOf } from '#src/chat/discord/fields';
import { cut, LIMITS } from '#src/chat/discord/limits';
import type { Place } from '#src/chat/discord/people';

/**
 * What could be filled in: open jobs to cancel, seeds of earlier results here, packs, values of a setting.
 * @throws MumuError unavailable
 */
export async function completions(
  interaction: APIApplicationCommandAutocompleteInteraction,
  place: Place,
  services: Services,
): Promise<APIApplicationCommandOptionChoice[]> {
  const options = flat(interaction.data.options);
  const focused = options.find((option) => 'focused' in option && option.focused === true);
  if (focused === undefined || !('value' in focused)) return [];
  const typed = String(focused.value).toLowerCase();
  const all = await choicesOf(focused.name, options, place, services);
  return all
    .filter(({ name, value }) => `${value} ${name}`.toLowerCase().includes(typed))
    .slice(0, LIMITS.choices)
    .map(({ name, value }) => ({ name: cut(name, LIMITS.choiceName), value }));
}

async function choicesOf(
  field: string,
  options: readonly APIApplicationCommandInteractionDataOption[],
  place: Place,
  services: Services,
): Promise<APIApplicationCommandOptionChoice[]> {
  const { config, queue } = services;
  const packs = [...new Set([config.pack, ...config.workerPacks])].map(plain);
  switch (field) {
    case 'pack':
      return packs;
    case 'id': {
      const { jobs } = await queue.overview(place.conversation);
      return jobs.map(({ id, command, state, position }) => {
        return { name: `${command} · ${state === 'active' ? '▶' : position} · ${id}`, value: id };
      });
    }
    case 'seed': {
      const history = await queue.conversations.history(place.conversation);
      return history.reverse().flatMap(({ request, result }) => {
        if (result?.status !== 'done') return [];
        return [{ name: `${result.seed} · /${request.command} ${request.text}`.trim(), value: result.seed }];
      });
    }
    case 'value': {
      const setting = SETTINGS.find(({ word }) => word === valuesOf(options).get('setting'));
      return setting?.key === 'pack' ? packs : (setting?.choices ?? []).map(plain);
    }
    default:
      return [];
  }
}

function plain(value: string): APIApplicationCommandOptionChoice {
  return { name: value, value };
}

/** The fields of a command, or of the subcommand that was chosen. */
function flat(
  options: readonly APIApplicationCommandInteractionDataOption[] = [],
): readonly APIApplicationCommandInteractionDataOption[] {
  const [first] = options;
  return first?.type === ApplicationCommandOptionType.Subcommand ? (first.options ?? []) : options;
}
