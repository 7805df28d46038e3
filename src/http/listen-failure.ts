import { MumuError } from '#contracts/errors';

/** Where the two are set, for the sentences. */
export interface ListenSettings {
  port: string;
  host: string;
}

/** What is wrong with an address to listen at: nothing that passes by itself. Anything else comes back as it is. */
export function listenFailure(error: unknown, host: string, port: number, settings: ListenSettings): unknown {
  const message = sentenceOf((error as NodeJS.ErrnoException).code, host, port, settings);
  return message === undefined ? error : new MumuError('invalid_input', message, { cause: error });
}

function sentenceOf(
  code: string | undefined,
  host: string,
  port: number,
  settings: ListenSettings,
): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} is taken: stop what uses it, or choose another with ${settings.port}.`;
    case 'EACCES':
      return `Port ${port} is not allowed: choose one above 1023 with ${settings.port}.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is no address of this machine: set ${settings.host} to one.`;
    default:
      return undefined;
  }
}
