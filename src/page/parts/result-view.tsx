import type { DoneResult, ResultFile } from '#contracts/result';
import { clock, duration, size } from '#src/page/format';
import { fileUrl } from '#src/page/state/api';
import { type Attachment, attachKnown } from '#src/page/state/attachments';
import { useFirstFrame } from './first-frame.ts';
import { DownloadIcon } from './icons.tsx';
import { MusicPlayer } from './music-player.tsx';
import { soloPlay } from './solo.ts';

/** What the buttons under a result do. */
export interface ResultActions {
  vary(): void;
  extend(track: Attachment): void;
  remix(track: Attachment): void;
  again(): void;
  keepSeed(seed: number): void;
}

/** How a request ended well: words, plan, music, and what can be done with it. */
export function ResultView(props: {
  conversation: string;
  result: DoneResult;
  canVary: boolean;
  actions: ResultActions;
}) {
  const { conversation, result, canVary, actions } = props;
  return (
    <div class="result">
      {result.text !== '' && !isPlanAlone(result) && <p class="answer-text">{result.text}</p>}
      {result.plan !== undefined && result.plan.length > 0 && (
        <ol class="plan" aria-label="Edits">
          {result.plan.map((step, place) => (
            <li key={place}>
              <span>{step.description}</span>
              <span class={`tag ${step.by}`}>{step.by}</span>
            </li>
          ))}
        </ol>
      )}
      {result.caption !== undefined && result.caption !== '' && (
        <p class="aside">Composed as: {result.caption}</p>
      )}
      {result.notes.map((note) => (
        <p class="aside" key={note}>
          {note}
        </p>
      ))}
      {result.files.map((file, place) => (
        <Track
          key={file.key}
          conversation={conversation}
          file={file}
          canVary={canVary}
          // What concerns the request as a whole stands once, below its last track.
          isLast={place === result.files.length - 1}
          actions={actions}
        />
      ))}
      <Footer result={result} actions={actions} />
    </div>
  );
}

/** Where there is no page the text says the plan; here the plan is shown as a list. */
function isPlanAlone({ text, plan }: DoneResult): boolean {
  const lines = text.split('\n').map((line) => line.replace(/^\d+\. /, ''));
  return plan !== undefined && lines.join('\n') === plan.map((step) => step.description).join('\n');
}

function Track(props: {
  conversation: string;
  file: ResultFile;
  canVary: boolean;
  isLast: boolean;
  actions: ResultActions;
}) {
  const { conversation, file, canVary, isLast, actions } = props;
  const url = fileUrl(conversation, file.key);
  const isClip = file.mime.startsWith('video/');
  const track = attachKnown(conversation, { ...file, kind: isClip ? 'video' : 'audio' });
  return (
    <figure class="track">
      <figcaption>
        <span class="track-name">{file.name}</span>
        <span class="track-detail">
          {file.seconds === undefined ? '' : `${clock(file.seconds)} · `}
          {size(file.bytes)}
        </span>
      </figcaption>
      {isClip ? (
        <Clip url={url} name={file.name} />
      ) : (
        <MusicPlayer url={url} name={file.name} seconds={file.seconds} peaks={file.peaks} />
      )}
      <div class="actions">
        {canVary && isLast && (
          <button
            type="button"
            class="quiet"
            title="The same request under another seed"
            onClick={actions.vary}
          >
            Vary
          </button>
        )}
        <button type="button" class="quiet" title="Continue this track" onClick={() => actions.extend(track)}>
          Extend
        </button>
        <button
          type="button"
          class="quiet"
          title="Say how this track should change"
          onClick={() => actions.remix(track)}
        >
          Remix
        </button>
        {isLast && (
          <button type="button" class="quiet" title="Send the same request again" onClick={actions.again}>
            Again
          </button>
        )}
        <a class="button quiet" href={fileUrl(conversation, file.key, true)} download={file.name}>
          <DownloadIcon /> Download
        </a>
      </div>
    </figure>
  );
}

function Clip({ url, name }: { url: string; name: string }) {
  const frame = useFirstFrame(url);
  return (
    // biome-ignore lint/a11y/useMediaCaption: generated music has no words
    <video
      src={url}
      poster={frame === undefined || frame === 'broken' ? undefined : frame.picture}
      controls
      playsInline
      preload={frame === 'broken' ? 'metadata' : 'none'}
      aria-label={name}
      onPlay={(event) => soloPlay(event.currentTarget)}
    />
  );
}

const TIMED = [
  ['decode', 'reading'],
  ['encode', 'listening'],
  ['language', 'words'],
  ['music', 'music'],
] as const;

function Footer({ result, actions }: { result: DoneResult; actions: ResultActions }) {
  const { timings, pack, seed } = result;
  const parts = TIMED.filter(([key]) => timings[key] >= 1).map(
    ([key, name]) => `${name} ${duration(timings[key])}`,
  );
  return (
    <p class="footer">
      <button
        type="button"
        class="seed"
        title="Use this seed for what comes next"
        onClick={() => actions.keepSeed(seed)}
      >
        seed {seed}
      </button>
      <span>{pack}</span>
      <span title={parts.join(' · ')}>{duration(timings.total)}</span>
      {parts.length > 1 && <span class="footer-parts">{parts.join(' · ')}</span>}
      {result.files.length === 0 && (
        <button type="button" class="quiet" title="Send the same request again" onClick={actions.again}>
          Again
        </button>
      )}
    </p>
  );
}
