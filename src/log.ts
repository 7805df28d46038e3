import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/**
 * A logger that writes JSON lines to standard error (standard output belongs to results).
 * What people write and what authorises never belongs in a log: callers log ids, counts and codes only, and the
 * fields below are left out should one slip in.
 * @param texts the operator asked to see what people ask for (MUMU_LOG_TEXTS)
 */
export function createLogger(
  level: string,
  texts = false,
  destination: DestinationStream = pino.destination({ fd: 2, sync: true }),
): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: [
          ...(texts ? [] : ['text', '*.text']),
          ...['token', '*.token', 'password', '*.password', 'redisUrl', '*.redisUrl'],
        ],
        remove: true,
      },
    },
    destination,
  );
}
