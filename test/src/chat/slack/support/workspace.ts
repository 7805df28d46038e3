import { randomBytes } from 'node:crypto';

/** A small workspace: two people, a channel the bot is in, one it is not in, and direct messages. */
export const TEAM = 'T0TEAM';
export const BOT_USER = 'U0MUMU';
export const BOT = 'B0MUMU';
export const ALICE = 'U0ALICE';
export const BORIS = 'U0BORIS';
export const GENERAL = 'C0GENERAL';
export const SECRET = 'C0SECRET';
export const DIRECT_ALICE = 'D0ALICE';
export const DIRECT_BORIS = 'D0BORIS';
/** User group of the second person. */
export const EDITORS = 'S0EDITORS';

export const LANGUAGES: Readonly<Record<string, string>> = { [ALICE]: 'en-US', [BORIS]: 'de-DE' };
export const DIRECT: Readonly<Record<string, string>> = { [ALICE]: DIRECT_ALICE, [BORIS]: DIRECT_BORIS };

export interface FileObject {
  id: string;
  name: string;
  title: string;
  mimetype: string;
  size: number;
  mode: string;
  url_private: string;
  url_private_download: string;
  permalink: string;
  is_external: boolean;
  channels: string[];
  ims: string[];
  groups: string[];
}

export interface StoredFile {
  object: FileObject;
  content: Buffer;
  /** An upload that was not completed is no file yet. */
  completed: boolean;
  /** What the server says it is. */
  contentType: string;
}

export interface Message {
  channel: string;
  ts: string;
  thread_ts?: string;
  user?: string;
  bot_id?: string;
  subtype?: string;
  text: string;
  blocks: Array<Record<string, unknown>>;
  metadata?: { event_type: string; event_payload: Record<string, unknown> };
  files: FileObject[];
  /** How often it was edited. */
  edits: number;
  /** What it said before each edit. */
  before: string[];
}

/** What there is in the workspace. */
export class Workspace {
  readonly messages: Message[] = [];
  readonly files = new Map<string, StoredFile>();
  /** Channels the bot may write in. */
  readonly joined = new Set([GENERAL, DIRECT_ALICE, DIRECT_BORIS]);
  private clock = Math.floor(Date.now() / 1000);
  private count = 0;

  /** A message's name: its time, made unique. */
  nextTs(): string {
    this.clock = Math.max(this.clock, Math.floor(Date.now() / 1000));
    this.count += 1;
    return `${this.clock}.${String(this.count).padStart(6, '0')}`;
  }

  add(message: Omit<Message, 'ts' | 'edits' | 'before'>): Message {
    const added = { ...message, ts: this.nextTs(), edits: 0, before: [] };
    this.messages.push(added);
    return added;
  }

  find(channel: string, ts: string): Message | undefined {
    return this.messages.find((message) => message.channel === channel && message.ts === ts);
  }

  /** A channel's messages, or a thread's with the one it began with; oldest first. */
  read(channel: string, thread: string | undefined): Message[] {
    return this.messages.filter(
      (message) =>
        message.channel === channel &&
        (thread === undefined
          ? message.thread_ts === undefined || message.thread_ts === message.ts
          : message.thread_ts === thread || message.ts === thread),
    );
  }

  newFile(
    base: string,
    given: { name: string; mimetype: string; content: Buffer; completed: boolean },
  ): FileObject {
    const id = `F${randomBytes(5).toString('hex').toUpperCase()}`;
    const { name, mimetype, content, completed } = given;
    const address = `${base}/files-pri/${id}/${encodeURIComponent(name)}`;
    const object: FileObject = {
      id,
      name,
      title: name,
      mimetype,
      size: content.length,
      mode: 'hosted',
      url_private: address,
      url_private_download: `${address}?download`,
      permalink: `https://mumu-test.slack.com/files/${BOT_USER}/${id}/${encodeURIComponent(name)}`,
      is_external: false,
      channels: [],
      ims: [],
      groups: [],
    };
    this.files.set(id, { object, content, completed, contentType: mimetype });
    return object;
  }

  /** Shares a file, which makes a message. */
  share(id: string, channel: string, thread: string | undefined): void {
    const file = this.files.get(id);
    if (file === undefined) throw new Error(`no file ${id}`);
    file.completed = true;
    (channel.startsWith('D') ? file.object.ims : file.object.channels).push(channel);
    this.add({
      channel,
      user: BOT_USER,
      bot_id: BOT,
      text: '',
      blocks: [],
      files: [file.object],
      ...(thread === undefined ? {} : { thread_ts: thread }),
    });
  }
}
