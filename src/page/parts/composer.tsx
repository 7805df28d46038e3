import type { RefObject } from 'preact';
import { useEffect, useImperativeHandle, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type Completion, complete } from '#commands/complete';
import { attachFile, checkFiles, release } from '#src/page/state/attachments';
import type { Channel, Draft } from '#src/page/state/channel';
import { remember } from '#src/page/state/conversations';
import { help } from '#src/page/state/server';
import { settings } from '#src/page/state/settings';
import { useStore } from '#src/page/state/store';
import { AttachmentView } from './attachment-view.tsx';
import { ClipIcon, SendIcon } from './icons.tsx';
import { SettingsButton } from './settings-popover.tsx';

/** What others may ask of the composer. */
export interface ComposerHandle {
  focus(): void;
  attach(files: File[]): void;
  /** Puts an example in place of what is there. */
  fill(line: string, files: File[]): void;
}

/** Where one writes: a line with completion, files, settings. Enter sends, Shift+Enter breaks the line. */
export function Composer({
  channel,
  handle,
}: {
  channel: Channel;
  handle: RefObject<ComposerHandle | null>;
}) {
  const draft = useStore(channel.draft);
  const limits = useStore(help)?.limits;
  const field = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const [problems, setProblems] = useState<string[]>([]);
  const change = (changed: Partial<Draft>) => channel.draft.update((now) => ({ ...now, ...changed }));
  const completion = useCompletion(draft.line, (line) => {
    change({ line });
    focusEnd(field.current);
  });

  const attach = (files: readonly File[]) => {
    const now = channel.draft.get().attachments;
    const { taken, problems: found } = checkFiles(files, now.length, limits);
    setProblems(found);
    change({ attachments: [...now, ...taken.map(attachFile)] });
    field.current?.focus();
  };
  useImperativeHandle(handle, () => ({
    focus: () => focusEnd(field.current),
    attach,
    fill: (line, files) => {
      for (const attachment of channel.draft.get().attachments) release(attachment);
      change({ line, attachments: [] });
      attach(files);
      focusEnd(field.current);
    },
  }));

  // As high as its text, up to what the style sheet allows.
  useLayoutEffect(() => {
    const element = field.current;
    if (element === null) return;
    element.style.height = 'auto';
    element.style.height = `${element.scrollHeight}px`;
  }, [draft.line]);
  useEffect(() => field.current?.focus({ preventScroll: true }), []);
  useSlashShortcut(field);

  const tooLong = limits !== undefined && draft.line.length > limits.textLength;
  const isEmpty = draft.line.trim() === '' && draft.attachments.length === 0;
  const send = () => {
    if (isEmpty || tooLong) return;
    const { line, attachments, before } = draft;
    channel.draft.set({ line: '', attachments: [] });
    setProblems([]);
    completion.close();
    remember(channel.id, line.trim() === '' ? (attachments[0]?.name ?? '') : line.trim());
    const outgoing = { line: line.trim(), files: attachments, options: settings.get(), before };
    channel.send(outgoing).catch((error: unknown) => {
      // Something is wrong with the page itself: what was written is not lost for it.
      channel.draft.update((now) => (now.line === '' && now.attachments.length === 0 ? draft : now));
      setProblems([`That could not be sent (${error instanceof Error ? error.message : String(error)}).`]);
    });
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing || completion.onKeyDown(event)) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.key === 'ArrowUp' && draft.line === '') {
      const last = channel.state.get().exchanges.findLast(({ line }) => line !== '');
      if (last === undefined) return;
      event.preventDefault();
      change({ line: last.line });
      focusEnd(field.current);
    }
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {completion.open && <CompletionList completion={completion} />}
      {problems.map((problem) => (
        <p class="composer-problem" role="alert" key={problem}>
          {problem}
        </p>
      ))}
      {tooLong && (
        <p class="composer-problem" role="alert">
          {draft.line.length.toLocaleString('en')} characters: at most{' '}
          {limits.textLength.toLocaleString('en')} are taken.
        </p>
      )}
      {draft.attachments.length > 0 && (
        <ul class="attachments" aria-label="Attached files">
          {draft.attachments.map((attachment) => (
            <AttachmentView
              key={attachment.id}
              attachment={attachment}
              onRemove={() => {
                release(attachment);
                change({ attachments: draft.attachments.filter(({ id }) => id !== attachment.id) });
                field.current?.focus();
              }}
            />
          ))}
        </ul>
      )}
      <div class="composer-row">
        <button
          type="button"
          class="quiet square"
          aria-label="Attach songs, pictures or clips"
          title="Attach songs, pictures or clips"
          onClick={() => picker.current?.click()}
        >
          <ClipIcon />
        </button>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          tabIndex={-1}
          accept="audio/*,video/*,image/*"
          aria-label="Files to attach"
          onChange={(event) => {
            attach([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = '';
          }}
        />
        <textarea
          ref={field}
          rows={1}
          value={draft.line}
          placeholder="Ask, compose, remix"
          aria-label="Message"
          aria-autocomplete="list"
          aria-controls="completions"
          aria-activedescendant={completion.open ? `completion-${completion.chosen}` : undefined}
          enterkeyhint="send"
          autocomplete="off"
          onInput={(event) => {
            completion.typed();
            change({ line: event.currentTarget.value });
          }}
          onKeyDown={onKeyDown}
          onBlur={completion.close}
          onPaste={(event) => {
            const files = [...(event.clipboardData?.files ?? [])];
            if (files.length === 0) return;
            event.preventDefault();
            attach(files);
          }}
        />
        <SettingsButton />
        <button type="submit" class="send" aria-label="Send" title="Send" disabled={isEmpty || tooLong}>
          <SendIcon />
        </button>
      </div>
    </form>
  );
}

/** Puts the caret behind the last character, once the new text is in the field. */
function focusEnd(field: HTMLTextAreaElement | null): void {
  requestAnimationFrame(() => {
    field?.focus();
    field?.setSelectionRange(field.value.length, field.value.length);
  });
}

/** A slash typed outside of any field leads to the composer. */
function useSlashShortcut(field: RefObject<HTMLTextAreaElement | null>): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target instanceof Element && event.target.closest('input, textarea, select')) return;
      field.current?.focus();
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, []);
}

interface CompletionState {
  open: boolean;
  chosen: number;
  offered: Completion[];
  typed(): void;
  close(): void;
  accept(place: number): void;
  /** Returns whether the key was for the list. */
  onKeyDown(event: KeyboardEvent): boolean;
}

function useCompletion(line: string, onAccept: (line: string) => void): CompletionState {
  const commands = useStore(help)?.commands ?? [];
  const [chosen, setChosen] = useState(0);
  const [wanted, setWanted] = useState(false);
  const offered = wanted ? complete(line, commands) : [];
  const open = offered.length > 0;
  const place = Math.min(chosen, Math.max(0, offered.length - 1));
  const accept = (which: number) => {
    const completion = offered[which];
    if (completion === undefined) return;
    setChosen(0);
    onAccept(completion.line);
  };
  /** A command that is written out and needs nothing behind it is sent, not completed. */
  const isWhole = () => {
    const command = commands.find(({ name }) => `/${name}` === line.trim().toLowerCase());
    return command !== undefined && command.text?.required !== true;
  };
  return {
    open,
    chosen: place,
    offered,
    typed: () => {
      setWanted(true);
      setChosen(0);
    },
    close: () => setWanted(false),
    accept,
    onKeyDown: (event) => {
      if (!open) return false;
      const moves: Record<string, () => void> = {
        ArrowDown: () => setChosen((place + 1) % offered.length),
        ArrowUp: () => setChosen((place + offered.length - 1) % offered.length),
        Tab: () => accept(place),
        Enter: () => accept(place),
        Escape: () => setWanted(false),
      };
      const move = moves[event.key];
      if (move === undefined || event.shiftKey || (event.key === 'Enter' && isWhole())) return false;
      event.preventDefault();
      move();
      return true;
    },
  };
}

function CompletionList({ completion }: { completion: CompletionState }) {
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    list.current?.children[completion.chosen]?.scrollIntoView({ block: 'nearest' });
  }, [completion.chosen]);
  return (
    <div class="completions" id="completions" role="listbox" aria-label="Completions" ref={list}>
      {completion.offered.map(({ label, summary, line }, place) => (
        <div
          key={line}
          id={`completion-${place}`}
          role="option"
          tabIndex={-1}
          aria-selected={place === completion.chosen}
          // Before the field loses the focus and the list goes.
          onPointerDown={(event) => {
            event.preventDefault();
            completion.accept(place);
          }}
        >
          <code>{label}</code>
          <span>{summary}</span>
        </div>
      ))}
    </div>
  );
}
