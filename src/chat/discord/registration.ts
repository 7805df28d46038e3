import { isDeepStrictEqual } from 'node:util';
import { type REST, type RESTGetAPIApplicationCommandsResult, Routes } from 'discord.js';
import { commandDefinitions } from '#src/chat/discord/definitions';
import type { Logger } from '#src/log';

/**
 * Registers our commands if what Discord has differs in anything a person could notice: creating commands is limited
 * to 200 a day, and a start of the bot is no reason to spend them.
 * @returns whether something was registered.
 */
export async function registerCommands(rest: REST, application: string, log: Logger): Promise<boolean> {
  const wanted = commandDefinitions();
  const query = new URLSearchParams({ with_localizations: 'true' });
  const known = (await rest.get(Routes.applicationCommands(application), {
    query,
  })) as RESTGetAPIApplicationCommandsResult;
  if (isDeepStrictEqual(comparable(wanted), comparable(known))) return false;
  await rest.put(Routes.applicationCommands(application), { body: wanted });
  log.info({ commands: wanted.length }, 'commands registered with Discord');
  return true;
}

/** Fields of a command that we set, and what Discord fills in where they are left out. */
const DEFAULTS: Readonly<Record<string, unknown>> = {
  type: 1,
  description: '',
  name_localizations: {},
  description_localizations: {},
  options: [],
  required: false,
  autocomplete: false,
  choices: [],
  min_value: null,
  max_value: null,
  max_length: null,
  integration_types: [],
  contexts: [],
};

/** The same for the same commands, whatever their order, ids and left-out defaults. */
function comparable(commands: readonly object[]): unknown[] {
  return commands
    .map((command) => normal(command))
    .sort((one, other) => sortKey(one).localeCompare(sortKey(other)));
}

function sortKey(command: Record<string, unknown>): string {
  return `${command.type} ${command.name}`;
}

function normal(part: object): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  const given = part as Record<string, unknown>;
  for (const key of ['name', 'value', ...Object.keys(DEFAULTS)]) {
    const value = given[key] ?? DEFAULTS[key];
    if (key === 'options' || key === 'choices') {
      // Their order is what people see.
      result[key] = (value as object[]).map(normal);
    } else if (key === 'integration_types' || key === 'contexts') {
      result[key] = [...(value as number[])].sort();
    } else if (key.endsWith('_localizations')) {
      result[key] = { ...(value as object) };
    } else {
      result[key] = value;
    }
  }
  return result;
}
