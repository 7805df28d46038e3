import { type Command, InvalidArgumentError } from 'commander';
import type { Parts } from '#src/app/run';
import { withDevice } from '#src/cli/device-option';
import { type Config, loadConfig } from '#src/config';

interface Given {
  port?: number;
  device?: Config['device'];
  pack?: string;
  page?: boolean;
}

const SERVING = ['chat', 'bot', 'worker', 'all'];

/** Whether a command runs until it is stopped, and sees to signals itself. */
export function isServing(command: string | undefined): boolean {
  return command !== undefined && SERVING.includes(command);
}

/** The commands that run until they are stopped: `mumu chat`, `bot`, `worker`, `all`. */
export function addServing(program: Command): void {
  withPack(program.command('chat'))
    .description('serve the local chat page until Ctrl-C')
    .option('--port <n>', 'port of the page (default: MUMU_PORT or 8020)', readPort)
    .action((given: Given) => serve(given, { bot: false, page: true, worker: true }));

  program
    .command('bot')
    .description('connect to Discord and Slack, as far as their tokens are set')
    .helpOption('--help', 'show this help')
    .action(() => serve({}, { bot: true, page: false, worker: false }));

  withPack(program.command('worker'))
    .description('run the models: take jobs from the queue of REDIS_URL')
    .action((given: Given) => serve(given, { bot: false, page: false, worker: true }));

  withPack(program.command('all'))
    .description('bot and worker in one process')
    .option('--page', 'serve the local chat page too')
    .option('--port <n>', 'port of that page (default: MUMU_PORT or 8020)', readPort)
    .action((given: Given) => serve(given, { bot: true, page: given.page === true, worker: true }));
}

async function serve(given: Given, parts: Parts): Promise<void> {
  const config = loadConfig();
  // Loaded only here: the other commands need no server and no queue.
  const { runParts } = await import('#src/app/run');
  process.exitCode = await runParts(
    {
      ...config,
      port: given.port ?? config.port,
      device: given.device ?? config.device,
      pack: given.pack ?? config.pack,
    },
    parts,
  );
}

function withPack(command: Command): Command {
  return withDevice(command)
    .option('--pack <name>', 'name of the model pack that answers (default: MUMU_PACK or mini)')
    .helpOption('--help', 'show this help');
}

function readPort(value: string): number {
  const port = Number(value);
  if (/^\d+$/.test(value) && port <= 65535) return port;
  throw new InvalidArgumentError('A port is a number from 0 to 65535.');
}
