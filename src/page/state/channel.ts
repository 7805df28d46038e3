import type { Failure } from '#contracts/errors';
import type { Stage } from '#contracts/progress';
import type { RequestCommand, RequestOptions } from '#contracts/request';
import type { Result } from '#contracts/result';
import {
  type Action,
  type Answer,
  cancelRequest,
  failureOf,
  fetchConversation,
  OFFLINE,
  Refusal,
  type StoredExchange,
  sendRequest,
} from './api.ts';
import { type Attachment, attachKnown, release } from './attachments.ts';
import { followRequest } from './follow.ts';
import { newId } from './ids.ts';
import { Store } from './store.ts';

/** Where a request stands. */
export type Standing =
  | { state: 'sending'; fraction: number }
  /** Position 1 is next; undefined until the queue has told. */
  | { state: 'queued'; position?: number }
  | { state: 'active'; stage?: Stage; fraction: number }
  | { state: 'ended'; result: Result }
  /** Answered at once, without a job: help, queue, cancel, settings. */
  | { state: 'told'; answer: Exclude<Answer, { id: string }> }
  /** The server did not take it: it is not in the history and goes back to the composer on demand. */
  | { state: 'refused'; failure: Failure };

/** One request and what became of it. */
export interface Exchange {
  /** Stays the same from the first drawing on. */
  key: string;
  /** What the page calls the request; under the same id the server does nothing twice. */
  sentAs: string;
  /** The same, once the server has taken it. */
  id?: string;
  /** Milliseconds since 1970. */
  at: number;
  /** What the user wrote, or would have for the same. */
  line: string;
  command?: RequestCommand;
  text: string;
  action: Action;
  files: Attachment[];
  options: RequestOptions;
  standing: Standing;
  /** Text so far. */
  partial: string;
  notes: string[];
  cancelling: boolean;
}

/** What the composer holds. */
export interface Draft {
  line: string;
  attachments: Attachment[];
  /** A request whose answer may have got lost, which was given back to be written anew. */
  before?: Exchange;
}

/** What is sent: a line as typed, or a command from a button. */
export interface Outgoing {
  line: string;
  files: Attachment[];
  options: RequestOptions;
  as?: { command: RequestCommand; text: string; action: Action };
  /** What the composer was given back before. */
  before?: Exchange | undefined;
}

export interface ChannelState {
  loaded: boolean;
  /** Why the history could not be read. */
  problem?: Failure;
  exchanges: Exchange[];
}

export function isOpen(exchange: Exchange): boolean {
  return ['sending', 'queued', 'active'].includes(exchange.standing.state);
}

const ENDED: Array<Standing['state']> = ['ended', 'told', 'refused'];

/** One conversation as the page knows it: its exchanges, the jobs it follows and its draft. */
export class Channel {
  readonly state = new Store<ChannelState>({ loaded: false, exchanges: [] });
  readonly draft = new Store<Draft>({ line: '', attachments: [] });
  /** Told of every exchange that has ended. */
  onEnd: (exchange: Exchange) => void = () => {};
  /** The user asked to be forgotten, and may be so in this conversation; told how many others are not. */
  onForgotten: (isGone: boolean) => Promise<number> = async () => 0;
  private readonly followed = new Map<string, () => void>();
  private readonly uploads = new Map<string, AbortController>();
  private loading: Promise<void> | undefined;

  constructor(readonly id: string) {}

  /** Reads the history and goes on following what has not ended. */
  load(): Promise<void> {
    this.loading ??= this.read().finally(() => {
      this.loading = undefined;
    });
    return this.loading;
  }

  /** Sends a request; what comes of it, a refusal too, shows in the channel. */
  async send(outgoing: Outgoing): Promise<void> {
    const { line, files, options, as } = outgoing;
    const exchange: Exchange = {
      key: `local-${newId()}`,
      sentAs: isUnchanged(outgoing) ? outgoing.before.sentAs : newId(),
      at: Date.now(),
      line,
      ...(as === undefined ? {} : { command: as.command }),
      text: as?.text ?? line,
      action: as?.action ?? 'new',
      files,
      options,
      standing: { state: 'sending', fraction: 0 },
      partial: '',
      notes: [],
      cancelling: false,
    };
    this.add(exchange);
    await this.post(exchange);
  }

  /** Sends what was refused once more as it was: where only the answer got lost, the server knows it by its id. */
  async sendAgain(exchange: Exchange): Promise<void> {
    this.change(exchange.key, { standing: { state: 'sending', fraction: 0 } });
    await this.post(exchange);
  }

  private async post(exchange: Exchange): Promise<void> {
    const { key, sentAs, files } = exchange;
    const upload = new AbortController();
    this.uploads.set(key, upload);
    try {
      const answer = await sendRequest(this.form(exchange), upload.signal, (fraction) =>
        this.change(key, { standing: { state: 'sending', fraction } }),
      );
      if ('id' in answer) {
        const { id, command, text } = answer;
        // The history may have been read since the first try, and shows it already.
        this.remove((other) => other.sentAs === sentAs && other.key !== key);
        const taken = answer.files.map((file) => attachKnown(this.id, file));
        this.change(key, { id, command, text, files: taken, options: answer.options });
        this.change(key, { standing: { state: 'queued' } });
        for (const file of files) release(file);
        this.follow(id, key);
      } else {
        this.change(key, { standing: { state: 'told', answer } });
        if (answer.command === 'settings' && answer.forgotten !== undefined) {
          await this.forgotten(key, answer.text, answer.forgotten);
        }
      }
    } catch (error) {
      this.change(key, { standing: { state: 'refused', failure: failureOf(error) } });
    } finally {
      this.uploads.delete(key);
    }
  }

  /** Drops what the server has deleted, and says so where it has not deleted all. */
  private async forgotten(key: string, text: string, isGone: boolean): Promise<void> {
    this.clear((exchange) => exchange.key === key);
    if (!isGone) await this.load();
    const kept = await this.onForgotten(isGone);
    if (kept === 0) return;
    const words = kept === 1 ? 'One conversation of the list is' : `${kept} conversations of the list are`;
    const told = `${text}\n${words} still there: say it again in a moment.`;
    this.change(key, { standing: { state: 'told', answer: { command: 'settings', text: told } } });
  }

  /** Stops an upload or a job. */
  async cancel(exchange: Exchange): Promise<void> {
    if (exchange.id === undefined) {
      this.uploads.get(exchange.key)?.abort();
      // It may have been queued in this very moment; most often it was not, and there is nothing to stop.
      await cancelRequest(exchange.sentAs).catch(() => undefined);
      return;
    }
    this.change(exchange.key, { cancelling: true });
    try {
      await cancelRequest(exchange.id);
    } catch (error) {
      this.change(exchange.key, { cancelling: false });
      if (error instanceof Refusal && error.failure.code === 'not_found') await this.load();
    }
  }

  /** Takes an exchange that was refused out again, and gives what was sent back to the composer. */
  takeBack(exchange: Exchange): void {
    this.remove(({ key }) => key === exchange.key);
    const { line, files: attachments, standing } = exchange;
    // The server may keep in mind that an id was cancelled: the same words are a new request then.
    const isCancelled = standing.state === 'refused' && standing.failure.code === 'cancelled';
    this.draft.set({ line, attachments, ...(isCancelled ? {} : { before: exchange }) });
  }

  /** A hidden page holds no lines open: browsers allow six to one host, over all tabs together. */
  pause(): void {
    for (const stop of this.followed.values()) stop();
    this.followed.clear();
  }

  /** Follows again what has not ended. */
  resume(): void {
    for (const exchange of this.state.get().exchanges) {
      if (exchange.id !== undefined && isOpen(exchange)) this.follow(exchange.id, exchange.key);
    }
  }

  /** Drops everything that is shown but for what is to stay. */
  clear(stays: (exchange: Exchange) => boolean = () => false): void {
    this.pause();
    for (const upload of this.uploads.values()) upload.abort();
    this.state.update((state) => ({ ...state, exchanges: state.exchanges.filter(stays) }));
    this.draft.set({ line: '', attachments: [] });
  }

  private async read(): Promise<void> {
    try {
      const stored = await fetchConversation(this.id);
      this.state.update(({ exchanges }) => ({ loaded: true, exchanges: this.merge(exchanges, stored) }));
      if (!document.hidden) this.resume();
    } catch (error) {
      this.state.update(({ exchanges }) => ({ loaded: true, exchanges, problem: failureOf(error) }));
    }
  }

  /** The server's history in its order; what only this page knows stays where its time puts it. */
  private merge(known: Exchange[], stored: StoredExchange[]): Exchange[] {
    const byId = new Map(known.map((exchange) => [exchange.sentAs, exchange]));
    const ids = new Set(stored.map(({ id }) => id));
    const history = stored.map((exchange): Exchange => {
      const shown = byId.get(exchange.id);
      const standing = standingOf(exchange);
      // Only the answer of one that was refused got lost: the server has it.
      if (shown !== undefined && shown.standing.state !== 'refused') {
        return standing.state === 'ended' && shown.standing.state !== 'ended'
          ? { ...shown, standing }
          : shown;
      }
      return {
        key: shown?.key ?? exchange.id,
        sentAs: exchange.id,
        id: exchange.id,
        at: exchange.at,
        line: exchange.typed ?? lineOf(exchange.command, exchange.text),
        command: exchange.command,
        text: exchange.text,
        action: exchange.action ?? 'new',
        files: exchange.files.map((file) => attachKnown(this.id, file)),
        options: exchange.options,
        standing,
        partial: '',
        notes: [],
        cancelling: false,
      };
    });
    const local = known.filter(({ sentAs }) => !ids.has(sentAs));
    return [...history, ...local].sort((a, b) => a.at - b.at);
  }

  private form({ sentAs, line, files, options, command, text, action }: Exchange): FormData {
    const form = new FormData();
    form.append('conversation', this.id);
    form.append('id', sentAs);
    // Until the server has read the line, only a button's request has a command.
    form.append('text', command === undefined ? line : text);
    form.append('options', JSON.stringify(options));
    if (command !== undefined) {
      form.append('command', command);
      form.append('action', action);
    }
    // Fields first: the server has read them all when the first file streams in.
    for (const { source } of files) if ('key' in source) form.append('files', source.key);
    for (const { source, name } of files) if ('file' in source) form.append('file', source.file, name);
    return form;
  }

  private follow(id: string, key: string): void {
    if (this.followed.has(key)) return;
    const stop = followRequest(id, {
      queued: (position) =>
        this.change(key, {
          standing: position === 0 ? { state: 'active', fraction: 0 } : { state: 'queued', position },
        }),
      stage: (stage, fraction) => this.change(key, { standing: { state: 'active', stage, fraction } }),
      text: (partial) => this.change(key, { partial }),
      note: (note) => this.addNote(key, note),
      ended: (result) => {
        this.followed.delete(key);
        this.change(key, { standing: { state: 'ended', result } });
      },
      lost: () => {
        this.followed.delete(key);
        void this.load();
      },
    });
    this.followed.set(key, stop);
  }

  private add(exchange: Exchange): void {
    this.state.update((state) => ({ ...state, exchanges: [...state.exchanges, exchange] }));
  }

  private remove(isMeant: (exchange: Exchange) => boolean): void {
    for (const { key } of this.state.get().exchanges.filter(isMeant)) {
      this.followed.get(key)?.();
      this.followed.delete(key);
    }
    this.state.update((state) => ({
      ...state,
      exchanges: state.exchanges.filter((exchange) => !isMeant(exchange)),
    }));
  }

  private addNote(key: string, note: string): void {
    const notes = this.state.get().exchanges.find((exchange) => exchange.key === key)?.notes ?? [];
    if (!notes.includes(note)) this.change(key, { notes: [...notes, note] });
  }

  private change(key: string, changed: Partial<Exchange>): void {
    let ended: Exchange | undefined;
    const exchanges = this.state.get().exchanges.map((exchange) => {
      if (exchange.key !== key) return exchange;
      const now = { ...exchange, ...changed };
      if (isOpen(exchange) && ENDED.includes(now.standing.state)) ended = now;
      return now;
    });
    this.state.update((state) => ({ ...state, exchanges }));
    if (ended !== undefined) this.onEnd(ended);
  }
}

/** Whether a request that was given back to the composer is sent as it was; a button's never is. */
function isUnchanged(outgoing: Outgoing): outgoing is Outgoing & { before: Exchange } {
  const { line, files, options, as, before } = outgoing;
  return (
    before !== undefined &&
    as === undefined &&
    before.command === undefined &&
    before.line === line &&
    before.files.length === files.length &&
    before.files.every(({ id }, place) => id === files[place]?.id) &&
    JSON.stringify(before.options) === JSON.stringify(options)
  );
}

function standingOf(exchange: StoredExchange): Standing {
  if (exchange.result !== undefined) return { state: 'ended', result: exchange.result };
  if (exchange.state === 'active') return { state: 'active', fraction: 0 };
  if (exchange.state === 'queued') return { state: 'queued' };
  return { state: 'ended', result: { status: 'failed', id: exchange.id, error: OFFLINE } };
}

/** The line that asks for the same as a button did. */
export function lineOf(command: RequestCommand, text: string): string {
  return text === '' ? `/${command}` : `/${command} ${text}`;
}
