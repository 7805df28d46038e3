import { useEffect, useState } from 'preact/hooks';
import type { Stage } from '#contracts/progress';
import { ordinal } from '#src/page/format';
import type { Exchange } from '#src/page/state/channel';

/** What a request goes through; a stage that it does not need is passed over. */
const PATHS: Record<string, readonly Stage[]> = {
  ask: ['decode', 'encode', 'language', 'finish'],
  describe: ['decode', 'encode', 'language', 'finish'],
  generate: ['decode', 'encode', 'language', 'music', 'finish'],
  remix: ['decode', 'encode', 'language', 'music', 'remix', 'finish'],
};

function stageName(stage: Stage, exchange: Exchange): string {
  const pictures = exchange.files.length > 0 && exchange.files.every(({ kind }) => kind === 'image');
  const names: Record<Stage, string> = {
    decode: exchange.files.length === 0 ? 'Reading' : 'Opening the files',
    encode: pictures ? 'Looking' : 'Listening',
    language: exchange.command === 'generate' || exchange.command === 'remix' ? 'Thinking' : 'Writing',
    music: 'Composing',
    remix: 'Editing',
    finish: 'Finishing',
  };
  return names[stage];
}

/** What a request is doing, in words. */
export function standingWords(exchange: Exchange): string {
  const { standing } = exchange;
  if (exchange.cancelling) return 'Stopping';
  switch (standing.state) {
    case 'sending':
      if (exchange.files.every(({ source }) => 'key' in source)) return 'Sending';
      return standing.fraction < 1 ? 'Sending the files' : 'Checking the files';
    case 'queued':
      if (standing.position === undefined) return 'Waiting';
      return standing.position === 1
        ? 'Waiting, next in line'
        : `Waiting, ${ordinal(standing.position)} in line`;
    case 'active':
      return standing.stage === undefined ? 'Starting' : stageName(standing.stage, exchange);
    default:
      return '';
  }
}

/** A request under way: position, stage, percent, the text so far, and a way out. */
export function StatusCard({ exchange, onCancel }: { exchange: Exchange; onCancel(): void }) {
  const { standing, partial } = exchange;
  const words = standingWords(exchange);
  const fraction =
    standing.state === 'sending' || standing.state === 'active' ? standing.fraction : undefined;
  const writing = standing.state === 'active' && standing.stage === 'language';
  const percent = fraction === undefined ? undefined : Math.round(fraction * 100);
  return (
    <div class="status">
      {partial !== '' && <p class={writing ? 'answer-text streaming' : 'answer-text'}>{partial}</p>}
      {exchange.notes.map((note) => (
        <p class="aside" key={note}>
          {note}
        </p>
      ))}
      <div class="status-line">
        <span class={standing.state === 'queued' ? 'pulse resting-light' : 'pulse'} aria-hidden="true" />
        <span class="status-words">{words}</span>
        {percent !== undefined && percent > 0 && <span class="status-percent">{percent} %</span>}
        <Elapsed since={exchange.at} />
        <button
          type="button"
          class="quiet"
          aria-label={`Cancel ${exchange.line === '' ? 'this request' : exchange.line}`}
          disabled={exchange.cancelling}
          onClick={onCancel}
        >
          Cancel
        </button>
      </div>
      <div
        class="bar"
        role="progressbar"
        aria-label="Progress"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        aria-valuetext={percent === undefined ? words : `${words}, ${percent} percent`}
      >
        {segments(exchange).map(({ name, fraction: done }) => (
          <span class="segment" key={name} style={{ '--weight': name === 'music' ? 3 : 1 }}>
            <span style={{ transform: `scaleX(${done})` }} />
          </span>
        ))}
      </div>
    </div>
  );
}

/** One piece of the bar for each stage, full up to the one under way. */
function segments(exchange: Exchange): Array<{ name: string; fraction: number }> {
  const { standing } = exchange;
  if (standing.state === 'sending') return [{ name: 'sending', fraction: standing.fraction }];
  const path = PATHS[exchange.command ?? 'ask'] ?? [];
  const stage = standing.state === 'active' ? standing.stage : undefined;
  const now = stage === undefined ? -1 : path.indexOf(stage);
  return path.map((name, place) => {
    if (standing.state !== 'active' || place > now) return { name, fraction: 0 };
    return { name, fraction: place < now ? 1 : standing.fraction };
  });
}

function Elapsed({ since }: { since: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(0, Math.round((now - since) / 1000));
  return (
    <span class="status-elapsed" aria-hidden="true">
      {seconds} s
    </span>
  );
}
