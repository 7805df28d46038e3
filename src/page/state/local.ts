/** Reads a value kept in this browser; `fallback` where there is none, it is damaged or storage is off. */
export function readLocal<T>(key: string, check: (value: unknown) => value is T, fallback: T): T {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(key) ?? 'null');
    return check(stored) ? stored : fallback;
  } catch {
    return fallback;
  }
}

/** Keeps a value in this browser; without storage it lasts as long as the page. */
export function writeLocal(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is full or off: the page works on without.
  }
}
