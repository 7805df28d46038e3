import type { MediaKind, RequestCommand, RequestOptions } from '#contracts/request';

export type CommandName = RequestCommand | 'queue' | 'cancel' | 'settings' | 'help';

/** A setting of one request. */
export interface OptionSpec {
  /** Where the value goes. */
  key: keyof RequestOptions;
  /** As it is typed, without the dashes. */
  flag: string;
  /** One line: what it does, its unit, its default. */
  summary: string;
  /** What is typed behind it, for help. */
  placeholder: string;
  /** Values to choose from, for completion. */
  choices?: readonly string[];
  minimum?: number;
  maximum?: number;
  /** Whole numbers only. */
  whole?: boolean;
}

/** A setting that is either there or not. */
export interface SwitchSpec {
  flag: string;
  summary: string;
}

/** A word that may stand right behind a command's name, with what follows it. */
export interface WordSpec {
  word: string;
  /** What is typed behind it, for help. */
  placeholder: string;
  summary: string;
  /** What may follow, for completion. */
  choices?: readonly string[];
}

/** What a command does with files. */
export interface AttachmentSpec {
  /** What becomes of them, in words. */
  summary: string;
  kinds: readonly MediaKind[];
  maximum: number;
  /** Whether a message without a file is about the conversation's last track. */
  takesLastTrack: boolean;
  required: boolean;
}

/** One command, as every surface shows and checks it. It knows no platform. */
export interface CommandSpec {
  name: CommandName;
  /** One line. */
  summary: string;
  /** What is typed behind the name. */
  usage: string;
  /** What the words behind the name are; absent where there are none. */
  text?: { name: string; required: boolean };
  attachments?: AttachmentSpec;
  options: readonly OptionSpec[];
  switches: readonly SwitchSpec[];
  words?: readonly WordSpec[];
  examples: readonly string[];
}
