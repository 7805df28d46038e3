import { toMumuError } from '#contracts/errors';

/** What was found of one thing that mumu needs. */
export interface Check {
  name: string;
  /** `warning`: it works, but not as it should; `missing`: it does not work. */
  state: 'ok' | 'warning' | 'missing';
  /** What was found. */
  found: string;
  /** What to do. */
  advice?: string;
}

export function ok(name: string, found: string): Check {
  return { name, state: 'ok', found };
}

export function warning(name: string, found: string, advice: string): Check {
  return { name, state: 'warning', found, advice };
}

export function missing(name: string, found: string, advice: string): Check {
  return { name, state: 'missing', found, advice };
}

/** A check that threw: our errors say what to do themselves. */
export function failed(name: string, thrown: unknown, advice?: string): Check {
  const error = toMumuError(thrown);
  const found =
    error.code === 'internal' && thrown instanceof Error
      ? `${error.message} (${thrown.message})`
      : error.message;
  return { name, state: 'missing', found, ...(advice === undefined ? {} : { advice }) };
}
