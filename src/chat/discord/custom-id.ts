import { type Button, type ButtonOf, decodeButton, encodeButton } from '#src/chat/delivery/custom-id';
import { LIMITS } from '#src/chat/discord/limits';

/** A button, with whom it belongs to: who presses is checked before anything has to be looked up. */
export interface OwnedButton extends ButtonOf {
  /** Discord's id of the person who asked. */
  owner: string;
}

export function encodeOwned(button: Button, id: string, owner: string): string {
  const encoded = `${encodeButton(button, id)}:${owner}`;
  if (encoded.length > LIMITS.customId) throw new Error(`custom_id of ${encoded.length} characters`);
  return encoded;
}

/** Undefined for what is no button of ours. */
export function decodeOwned(customId: string): OwnedButton | undefined {
  const found = /^(.+):(\d{1,20})$/.exec(customId);
  const button = found?.[1] === undefined ? undefined : decodeButton(found[1]);
  const owner = found?.[2];
  return button === undefined || owner === undefined ? undefined : { ...button, owner };
}
