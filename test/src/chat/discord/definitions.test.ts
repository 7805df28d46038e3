import {
  type APIApplicationCommandBasicOption,
  ApplicationCommandOptionType,
  ApplicationCommandType,
  type RESTPostAPIChatInputApplicationCommandsJSONBody,
} from 'discord-api-types/v10';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '#commands/registry';
import { commandDefinitions, SHORTCUTS } from '#src/chat/discord/definitions';
import { commandProblems } from '#test/src/chat/discord/support/limits';

const definitions = commandDefinitions();
const slash = (name: string) =>
  definitions.find(
    (one) => one.type === ApplicationCommandType.ChatInput && one.name === name,
  ) as RESTPostAPIChatInputApplicationCommandsJSONBody;
const fieldsOf = (name: string) => (slash(name).options ?? []) as APIApplicationCommandBasicOption[];

describe('command definitions', () => {
  it('keep every published limit, in every language', () => {
    expect(commandProblems(definitions)).toEqual([]);
  });

  it('cover every command, and every option of it with its range and choices', () => {
    for (const spec of COMMANDS) {
      expect(slash(spec.name), spec.name).toBeDefined();
      for (const option of spec.options) {
        const field = fieldsOf(spec.name).find(({ name }) => name === option.flag);
        expect(field, `${spec.name} ${option.flag}`).toBeDefined();
        const { minimum, maximum, choices } = option;
        if (minimum !== undefined) expect(field).toMatchObject({ min_value: minimum, max_value: maximum });
        if (choices !== undefined) {
          expect((field as { choices?: unknown[] }).choices).toHaveLength(choices.length);
        }
      }
      const files = fieldsOf(spec.name).filter(
        ({ type }) => type === ApplicationCommandOptionType.Attachment,
      );
      expect(files.length > 0, spec.name).toBe(spec.attachments !== undefined);
      expect(files.length).toBeLessThanOrEqual(spec.attachments?.maximum ?? 0);
    }
    const messageCommands = definitions.filter(({ type }) => type === ApplicationCommandType.Message);
    expect(messageCommands.map(({ name }) => name)).toEqual(Object.values(SHORTCUTS));
  });

  it('are shown in five languages, and can be installed to servers and to people', () => {
    const languages = ['de', 'es-419', 'es-ES', 'ja', 'zh-CN'];
    for (const definition of definitions) {
      expect(Object.keys(definition.name_localizations ?? {}).sort()).toEqual(languages);
      expect(definition.integration_types).toEqual([0, 1]);
      expect(definition.contexts).toEqual([0, 1, 2]);
      if (!('options' in definition)) continue;
      for (const option of definition.options ?? []) {
        expect(Object.keys(option.name_localizations ?? {}).sort()).toEqual(languages);
        expect(Object.keys(option.description_localizations ?? {}).sort()).toEqual(languages);
      }
    }
  });
});
