import { existsSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { MUSIC_OPTIONS, REMIX_OPTIONS, readOptions, TEXT_OPTIONS } from '#commands/options';
import type { OptionSpec } from '#commands/spec';
import { MumuError } from '#contracts/errors';
import type { RequestCommand } from '#contracts/request';
import { withDevice } from '#src/cli/device-option';
import { addDoctor } from '#src/cli/doctor';
import { checkPack, listPacks, rebuildPack } from '#src/cli/packs';
import { printResult, printTable } from '#src/cli/print';
import { addServing } from '#src/cli/serving';
import { ProgressView } from '#src/cli/terminal';
import { type Config, loadConfig } from '#src/config';

/** Options of a command as commander hands them over. */
type Given = Record<string, string | boolean | string[] | undefined>;

/** The command line: `mumu ask`, `describe`, `generate`, `remix`, `chat`, `packs`. */
export function createProgram(version: string): Command {
  const program = new Command('mumu')
    .description('Listens to, answers about, composes and remixes music.')
    .version(version, '--version', 'print the version')
    .helpOption('--help', 'show this help')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('Run it with --help to see how it is used.');

  withCommon(program.command('ask'), TEXT_OPTIONS)
    .description('answer a question, about one or more files or without any')
    .argument('<words...>', 'files, then the question: mumu ask song.mp3 "Which instrument is this?"')
    .action(async (words: string[], given: Given) => {
      const question = words.at(-1) ?? '';
      if (words.length === 1 && existsSync(question)) {
        throw new MumuError('invalid_input', `What do you want to know? mumu ask ${question} "QUESTION"`);
      }
      await oneShot('ask', question, words.slice(0, -1), given, TEXT_OPTIONS);
    });

  withCommon(program.command('describe'), TEXT_OPTIONS)
    .description('describe a song, a picture or a clip')
    .argument('<files...>', 'what to describe')
    .action((files: string[], given: Given) => oneShot('describe', '', files, given, TEXT_OPTIONS));

  withCommon(program.command('generate'), MUSIC_OPTIONS)
    .description('compose music from words, or for a picture, a clip or a song')
    .argument('[prompt]', 'what the music should be like', '')
    .addOption(
      // Repeated rather than variadic: `--from photo.png "a prompt"` must not take the prompt for a file.
      new Option('--from <file>', 'a picture, clip or song that the music should fit; may be repeated')
        .argParser((file: string, before: string[]) => [...before, file])
        .default([], 'none'),
    )
    .option('--out <file>', 'where to put it; the ending says the format: wav, mp3, ogg, flac, mp4')
    .action((prompt: string, given: Given) => {
      const files = Array.isArray(given.from) ? given.from : [];
      return oneShot('generate', prompt, files, given, MUSIC_OPTIONS);
    });

  withCommon(program.command('remix'), REMIX_OPTIONS)
    .description('change a song or the sound of a clip by saying how')
    .argument('<file>', 'song or clip')
    .argument('<instruction>', 'how: "20 % slower", "a whole tone up", "turn it into jazz"')
    .option('--out <file>', 'where to put it; the ending says the format: wav, mp3, ogg, flac, mp4')
    .action((file: string, instruction: string, given: Given) =>
      oneShot('remix', instruction, [file], given, REMIX_OPTIONS),
    );

  addServing(program);
  addDoctor(program);
  addPacks(program.command('packs').description('list, build and check model packs'));
  for (const command of [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)]) {
    // Instead of ending the process: main.ts has the one place where exit codes are chosen.
    command.exitOverride((error) => {
      throw error;
    });
  }
  return program;
}

function addPacks(packs: Command): void {
  packs.helpOption('--help', 'show this help');
  packs
    .command('list')
    .description('show the packs there are')
    .option('--json', 'print JSON')
    .action(async (given: { json?: boolean }) => {
      const listing = await listPacks(loadConfig());
      if (given.json === true) printLine(JSON.stringify(listing));
      else printTable(listing);
    });
  packs
    .command('build')
    .description('build a pack from its checkpoint')
    .argument('[name]', 'name of the pack', 'mini')
    .option('--checkpoint <folder>', 'checkpoint to build from (default: models/NAME)')
    .addOption(new Option('--dtype <type>', 'how large matrices are kept').choices(['fp32', 'int8', 'int4']))
    .option('--json', 'print JSON')
    .action(
      async (
        name: string,
        given: { checkpoint?: string; dtype?: 'fp32' | 'int8' | 'int4'; json?: boolean },
      ) => {
        const view = new ProgressView(process.stderr);
        const folder = await rebuildPack(loadConfig(), name, {
          ...(given.checkpoint === undefined ? {} : { checkpoint: given.checkpoint }),
          ...(given.dtype === undefined ? {} : { dtype: given.dtype }),
          onProgress: (fraction) => view.show('building', fraction),
          onWait: () => view.note('another mumu builds this pack: waiting for it'),
        }).finally(() => view.clear());
        printLine(given.json === true ? JSON.stringify({ name, folder }) : `${name} was built: ${folder}`);
      },
    );
  packs
    .command('verify')
    .description('check every file of a pack against its checksum')
    .argument('[name]', 'name of the pack', 'mini')
    .option('--json', 'print JSON')
    .action(async (name: string, given: { json?: boolean }) => {
      const { files } = await checkPack(loadConfig(), name);
      if (given.json === true) printLine(JSON.stringify({ name, files: files.length }));
      else printLine(`${name} is whole: all ${files.length} files match their checksums`);
    });
  for (const command of packs.commands) command.helpOption('--help', 'show this help');
}

/** The settings every request takes, from the same descriptions as the page's. */
function withCommon(command: Command, options: readonly OptionSpec[]): Command {
  for (const option of options) {
    // --out says the format by its ending.
    if (option.key === 'format') continue;
    command.option(`--${option.flag} <${option.placeholder.toLowerCase()}>`, option.summary);
  }
  return withDevice(command)
    .option('--json', 'print one JSON object on standard output and nothing else')
    .helpOption('--help', 'show this help');
}

async function oneShot(
  command: RequestCommand,
  text: string,
  files: readonly string[],
  given: Given,
  specs: readonly OptionSpec[],
): Promise<void> {
  const values = new Map<OptionSpec, string>();
  for (const spec of specs) {
    // Commander names --top-p topP, as we do.
    const value = given[spec.key];
    if (typeof value === 'string') values.set(spec, value);
  }
  const options = readOptions(values);
  const config = loadConfig();
  const { runOneShot } = await import('#src/cli/one-shot');
  const result = await runOneShot(config, {
    command,
    text,
    files,
    options,
    device: (given.device as Config['device'] | undefined) ?? config.device,
    ...(typeof given.out === 'string' ? { out: given.out } : {}),
  });
  printResult(result, given.json === true);
}

function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Whether commander ended in order: help or version were asked for and printed. */
export function isPrinted(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === 0;
}

/** Whether the arguments were wrong; commander has said what. */
export function isUsage(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode !== 0;
}
