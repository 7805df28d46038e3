import type { ErrorCode, Failure } from '#contracts/errors';
import type { Attachment } from '#src/page/state/attachments';
import { type Channel, type Exchange, isOpen, lineOf } from '#src/page/state/channel';
import { announcement } from '#src/page/state/conversations';
import { setOption, settings } from '#src/page/state/settings';
import { AttachmentView } from './attachment-view.tsx';
import { Mark } from './icons.tsx';
import { ResultView } from './result-view.tsx';
import { StatusCard } from './status-card.tsx';
import { ToldView } from './told-view.tsx';

/** What other words or files can mend; the rest may work at another try. */
const MENDABLE: readonly ErrorCode[] = [
  'invalid_input',
  'too_large',
  'unsupported_media',
  'not_found',
  'cannot_do',
];

/** Behind these an answer may have got lost: the server knows whether it has the request. */
const MAYBE_TAKEN: readonly ErrorCode[] = ['internal', 'unavailable'];

/** One request and what became of it. */
export function ExchangeView(props: { channel: Channel; exchange: Exchange; onCompose(): void }) {
  const { exchange } = props;
  const { tag, words } = said(exchange);
  return (
    <article class="exchange" aria-label={exchange.line === '' ? 'Your files' : exchange.line}>
      <div class="asked">
        {exchange.files.length > 0 && (
          <ul class="attachments" aria-label="Files sent with it">
            {exchange.files.map((attachment) => (
              <AttachmentView key={attachment.id} attachment={attachment} />
            ))}
          </ul>
        )}
        {(words !== '' || tag !== '') && (
          <p class="bubble">
            {tag !== '' && <span class="command">{tag}</span>}
            {words !== '' && <span>{words}</span>}
          </p>
        )}
      </div>
      <div class="answer">
        <span class="who" aria-hidden="true">
          <Mark />
        </span>
        <div class="answer-body">
          <AnswerBody {...props} />
        </div>
      </div>
    </article>
  );
}

/** The command as a tag, and the words behind it as they were typed. */
function said(exchange: Exchange): { tag: string; words: string } {
  const typed = /^\/(\S+)\s*([\s\S]*)$/.exec(exchange.line);
  const words = typed === null ? exchange.line : (typed[2] ?? '');
  const command = exchange.command ?? typed?.[1] ?? '';
  return {
    tag: exchange.action === 'new' || command === '' ? command : `${command} · ${exchange.action}`,
    words,
  };
}

function AnswerBody(props: { channel: Channel; exchange: Exchange; onCompose(): void }) {
  const { channel, exchange, onCompose } = props;
  const { standing } = exchange;
  if (isOpen(exchange)) {
    return <StatusCard exchange={exchange} onCancel={() => void channel.cancel(exchange)} />;
  }
  switch (standing.state) {
    case 'told':
      return <ToldView answer={standing.answer} />;
    case 'refused':
      return (
        <FailureView
          failure={standing.failure}
          actions={{
            ...(MAYBE_TAKEN.includes(standing.failure.code)
              ? { 'Try again': () => void channel.sendAgain(exchange) }
              : {}),
            Edit: () => {
              channel.takeBack(exchange);
              onCompose();
            },
          }}
        />
      );
    case 'ended':
      if (standing.result.status === 'failed') {
        return (
          <FailureView
            failure={standing.result.error}
            partial={exchange.partial}
            actions={
              MENDABLE.includes(standing.result.error.code)
                ? { Edit: () => edit(channel, exchange, onCompose) }
                : { 'Try again': () => resend(channel, exchange) }
            }
          />
        );
      }
      return (
        <ResultView
          conversation={channel.id}
          result={standing.result}
          canVary={
            exchange.command === 'generate' ||
            (standing.result.plan?.some(({ by }) => by === 'model') ?? false)
          }
          actions={{
            vary: () => resend(channel, exchange, true),
            again: () => resend(channel, exchange),
            extend: (track) => extend(channel, exchange, track),
            remix: (track) => {
              const draft = channel.draft.get();
              channel.draft.set({
                line: draft.line.startsWith('/remix') ? draft.line : '/remix ',
                attachments: [track],
              });
              onCompose();
            },
            keepSeed: (seed) => {
              setOption('seed', seed);
              announcement.set(`Seed ${seed} is used for what comes next.`);
            },
          }}
        />
      );
    default:
      return null;
  }
}

/** `again` goes by the settings as they are now; `vary` by those of the request, under another seed. */
function resend(channel: Channel, exchange: Exchange, vary = false): void {
  const { command, text, files, action } = exchange;
  if (command === undefined) return;
  const { seed: _seed, ...kept } = exchange.options;
  const isNew = command === 'generate' && vary && action === 'new';
  void channel.send({
    line: lineOf(command, text),
    files,
    options: vary ? kept : { ...kept, ...settings.get() },
    as: { command, text, action: isNew ? 'vary' : action },
  });
}

/** Puts a request that failed into the composer; it stays in the history. */
function edit(channel: Channel, exchange: Exchange, onCompose: () => void): void {
  channel.draft.set({ line: exchange.line, attachments: exchange.files });
  onCompose();
}

function extend(channel: Channel, exchange: Exchange, track: Attachment): void {
  const { seed: _seed, format: _format, ...options } = { ...exchange.options, ...settings.get() };
  const text = exchange.command === 'generate' ? exchange.text : '';
  void channel.send({
    line: lineOf('generate', text),
    files: [track],
    options,
    as: { command: 'generate', text, action: 'extend' },
  });
}

function FailureView(props: { failure: Failure; partial?: string; actions: Record<string, () => void> }) {
  const { failure, partial, actions } = props;
  const calm = failure.code === 'cancelled';
  return (
    <div class={calm ? 'failure calm' : 'failure'}>
      {partial !== undefined && partial !== '' && <p class="answer-text">{partial}</p>}
      <p class="failure-words">{failure.message}</p>
      <div class="actions">
        {Object.entries(actions).map(([name, act]) => (
          <button type="button" class="quiet" key={name} onClick={act}>
            {name}
          </button>
        ))}
      </div>
    </div>
  );
}
