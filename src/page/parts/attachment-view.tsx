import { useEffect, useRef, useState } from 'preact/hooks';
import { clock, size } from '#src/page/format';
import type { Attachment } from '#src/page/state/attachments';
import { useFirstFrame } from './first-frame.ts';
import { CloseIcon, FileIcon, FilmIcon, NoteIcon, PauseIcon, PictureIcon, PlayIcon } from './icons.tsx';
import { soloPlay } from './solo.ts';

/** A file in the composer or beside a request: what it looks like, its name, how long or large it is. */
export function AttachmentView(props: { attachment: Attachment; onRemove?: (() => void) | undefined }) {
  const { attachment, onRemove } = props;
  const [seconds, setSeconds] = useState(attachment.seconds);
  const detail = [
    seconds === undefined || attachment.kind === 'image' ? undefined : clock(seconds),
    size(attachment.bytes),
  ];
  return (
    <li class={`attachment ${attachment.kind ?? 'unknown'}`}>
      <Thumbnail attachment={attachment} onSeconds={setSeconds} />
      <span class="attachment-words">
        <span class="attachment-name" title={attachment.name}>
          {attachment.name}
        </span>
        <span class="attachment-detail">{detail.filter((part) => part !== undefined).join(' · ')}</span>
      </span>
      {onRemove !== undefined && (
        <button type="button" class="quiet small" aria-label={`Remove ${attachment.name}`} onClick={onRemove}>
          <CloseIcon />
        </button>
      )}
    </li>
  );
}

function Thumbnail(props: { attachment: Attachment; onSeconds(seconds: number): void }) {
  const { attachment, onSeconds } = props;
  const [broken, setBroken] = useState(false);
  if (attachment.kind === 'audio' && !broken) {
    return <Listen attachment={attachment} onSeconds={onSeconds} onBroken={() => setBroken(true)} />;
  }
  if (attachment.kind === 'image' && !broken) {
    return (
      <a class="thumbnail" href={attachment.url} target="_blank" rel="noreferrer" title="Show the picture">
        <img src={attachment.url} alt={attachment.name} onError={() => setBroken(true)} />
      </a>
    );
  }
  if (attachment.kind === 'video' && !broken) {
    return <ClipFrame attachment={attachment} onSeconds={onSeconds} onBroken={() => setBroken(true)} />;
  }
  const icons = { audio: <NoteIcon />, image: <PictureIcon />, video: <FilmIcon />, unknown: <FileIcon /> };
  return <span class="thumbnail">{icons[attachment.kind ?? 'unknown']}</span>;
}

interface PartProps {
  attachment: Attachment;
  onSeconds(seconds: number): void;
  onBroken(): void;
}

function ClipFrame({ attachment, onSeconds, onBroken }: PartProps) {
  const frame = useFirstFrame(attachment.url);
  useEffect(() => {
    if (frame === 'broken') onBroken();
    else if (frame !== undefined && Number.isFinite(frame.seconds)) onSeconds(frame.seconds);
  }, [frame]);
  return (
    <span class="thumbnail">
      {frame !== undefined && frame !== 'broken' && <img src={frame.picture} alt={attachment.name} />}
      <FilmIcon />
    </span>
  );
}

/** A song that was given: one button to hear it. */
function Listen({ attachment, onSeconds, onBroken }: PartProps) {
  const media = useRef<HTMLAudioElement>(null);
  const [playing, setPlaying] = useState(false);
  useEffect(() => () => media.current?.pause(), []);
  const toggle = () => {
    const element = media.current;
    if (element === null) return;
    if (element.paused) element.play().catch(onBroken);
    else element.pause();
  };
  return (
    <span class="thumbnail">
      <button
        type="button"
        class="listen"
        aria-label={`${playing ? 'Pause' : 'Play'} ${attachment.name}`}
        onClick={toggle}
      >
        {playing ? <PauseIcon /> : <PlayIcon />}
      </button>
      {/* biome-ignore lint/a11y/useMediaCaption: music the user gave; there are no captions for it */}
      <audio
        ref={media}
        src={attachment.url}
        // A song that waits to be played may hold its connection: only where its length is not known.
        preload={attachment.seconds === undefined ? 'metadata' : 'none'}
        onLoadedMetadata={(event) => {
          if (Number.isFinite(event.currentTarget.duration)) onSeconds(event.currentTarget.duration);
        }}
        onPlay={(event) => {
          soloPlay(event.currentTarget);
          setPlaying(true);
        }}
        onPause={() => setPlaying(false)}
        onError={onBroken}
      />
    </span>
  );
}
