import { type Command, Option } from 'commander';

/** `--device`, as every command has it that runs models. */
export function withDevice(command: Command): Command {
  return command.addOption(
    new Option('--device <device>', 'where the models run (default: MUMU_DEVICE or auto)').choices([
      'cpu',
      'cuda',
      'webgpu',
      'auto',
    ]),
  );
}
