import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Running } from '#src/app/running';
import type { Services } from '#src/app/services';
import type { EngineState } from '#src/chat/local/context';
import { createServer, listen } from '#src/chat/local/server';
import { repositoryFolder } from '#src/config';

/**
 * Serves the local page.
 * @returns its address
 * @throws MumuError invalid_input if the port or address cannot be used
 */
export async function startPage(
  { config, queue, storage, intake, policy, answers, settings, forget, log }: Services,
  engineState: () => EngineState,
  running: Running,
): Promise<string> {
  const app = await createServer({
    ...{ config, queue, storage, intake, policy, answers, settings, forget, engineState, log },
    pageFolder: join(repositoryFolder(), 'dist', 'page'),
    examplesFolder: join(repositoryFolder(), 'examples'),
  });
  running.add('page', () => app.close());
  const port = await listen(app, config.host, config.port);
  return `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
}

/** Opens the page for someone who sits at this machine; whoever does not reads the address. */
export function openBrowser(address: string): void {
  const hasDisplay = process.platform === 'darwin' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  if (process.stderr.isTTY !== true || !hasDisplay || process.env.SSH_CONNECTION) return;
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const child = spawn(opener, [address], { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}
