import type { RequestOptions } from '#contracts/request';
import { readLocal, writeLocal } from './local.ts';
import { Store } from './store.ts';

/** Settings of the page itself; a line's own options (`--seed 7`) come before them. */
const KEY = 'mumu.settings';

function isSettings(value: unknown): value is RequestOptions {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const settings = new Store<RequestOptions>(readLocal(KEY, isSettings, {}));

/** Sets an option, or leaves it to the pack with undefined. */
export function setOption(key: keyof RequestOptions, value: number | string | undefined): void {
  const { [key]: _before, ...rest } = settings.get();
  settings.set((value === undefined ? rest : { ...rest, [key]: value }) as RequestOptions);
  writeLocal(KEY, settings.get());
}

export function resetSettings(): void {
  settings.set({});
  writeLocal(KEY, {});
}

export type Theme = 'system' | 'light' | 'dark';
const THEMES: readonly Theme[] = ['system', 'light', 'dark'];

/** public/theme.js reads the same key before the first paint, so it is no JSON. */
export const theme = new Store<Theme>(storedTheme());

/** Goes from the system's theme to light, to dark and back. */
export function nextTheme(): void {
  const chosen = THEMES[(THEMES.indexOf(theme.get()) + 1) % THEMES.length] ?? 'system';
  if (chosen === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem('mumu.theme', chosen);
  } catch {
    // Storage is off: it lasts as long as the page.
  }
  theme.set(chosen);
}

function storedTheme(): Theme {
  const chosen = document.documentElement.dataset.theme;
  return chosen === 'light' || chosen === 'dark' ? chosen : 'system';
}
