/** What a button under a status or a result does. */
export const BUTTONS = ['again', 'vary', 'extend', 'remix', 'cancel'] as const;
export type Button = (typeof BUTTONS)[number];

/** A button and the request it belongs to. */
export interface ButtonOf {
  button: Button;
  /** Request id. */
  id: string;
}

const PATTERN = new RegExp(`^(${BUTTONS.join('|')}):([A-Za-z0-9_-]{1,64})$`);

/** What a platform hands back when the button is pressed: at most 71 characters (Discord allows 100, Slack 255). */
export function encodeButton(button: Button, id: string): string {
  return `${button}:${id}`;
}

/** Reads it back; undefined for anything that is no button of ours. */
export function decodeButton(customId: string): ButtonOf | undefined {
  const found = PATTERN.exec(customId);
  const button = BUTTONS.find((candidate) => candidate === found?.[1]);
  const id = found?.[2];
  return button === undefined || id === undefined ? undefined : { button, id };
}
