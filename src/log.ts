import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/**
 * A logger that writes JSON lines to standard error (standard output belongs to results).
 * What people write and what authorises never belongs in a log: callers log ids, counts and codes only, and the
 * fields below are struck out should one slip in.
 */
export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: ['text', '*.text', 'token', '*.token', 'password', '*.password', 'redisUrl', '*.redisUrl'],
        censor: '[removed]',
      },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
