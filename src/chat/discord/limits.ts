/** Discord's published limits, in characters where nothing else is said. */
export const LIMITS = {
  content: 2000,
  customId: 100,
  modalTitle: 45,
  /** Of a text input in a form. */
  inputValue: 4000,
  label: 45,
  placeholder: 100,
  commandName: 32,
  description: 100,
  /** Choices of an option, fixed or completed. */
  choices: 25,
  choiceName: 100,
  choiceValue: 100,
  /** Files in one message. */
  files: 10,
  /** Bytes of one file where Discord does not say how many it takes. */
  fileBytes: 10 * 1024 * 1024,
} as const;

/** Discord honours an interaction's token for 15 minutes; after this many milliseconds we no longer count on it. */
export const TOKEN_MILLISECONDS = 14 * 60_000;

/** At most `limit` characters (UTF-16, as Discord counts them), never half of a pair. */
export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const short = text.slice(0, limit - 1);
  const last = short.charCodeAt(short.length - 1);
  return `${last >= 0xd800 && last <= 0xdbff ? short.slice(0, -1) : short}…`;
}
