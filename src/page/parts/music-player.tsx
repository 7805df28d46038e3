import { useEffect, useRef, useState } from 'preact/hooks';
import WaveSurfer from 'wavesurfer.js';
import { clock } from '#src/page/format';
import { theme } from '#src/page/state/settings';
import { useStore } from '#src/page/state/store';
import { PauseIcon, PlayIcon } from './icons.tsx';
import { soloPlay } from './solo.ts';

/** Seconds an arrow key moves; with Page Up and Page Down five times as far. */
const STEP = 2;

/** A track that came out: its waveform from the peaks of the result, play and seek by pointer and keyboard. */
export function MusicPlayer(props: {
  url: string;
  name: string;
  seconds: number | undefined;
  peaks: readonly number[] | undefined;
}) {
  const { url, name, seconds, peaks } = props;
  const holder = useRef<HTMLDivElement>(null);
  const surfer = useRef<WaveSurfer>(undefined);
  const [playing, setPlaying] = useState(false);
  const [time, setTime] = useState(0);
  const [length, setLength] = useState(seconds ?? 0);
  const [broken, setBroken] = useState(false);
  const chosen = useStore(theme);

  useEffect(() => {
    const container = holder.current;
    if (container === null) return;
    const media = new Audio();
    // With peaks and length known there is nothing to fetch before it is played.
    media.preload = peaks === undefined || seconds === undefined ? 'metadata' : 'none';
    const player = WaveSurfer.create({
      container,
      media,
      url,
      // With the peaks at hand nothing is fetched or decoded to draw it.
      ...(peaks === undefined || seconds === undefined ? {} : { peaks: [[...peaks]], duration: seconds }),
      height: 56,
      barWidth: 2,
      barGap: 2,
      barRadius: 2,
      barMinHeight: 2,
      normalize: true,
      cursorWidth: 0,
      dragToSeek: true,
      hideScrollbar: true,
      ...colours(container),
    });
    surfer.current = player;
    player.on('play', () => {
      soloPlay(media);
      setPlaying(true);
    });
    player.on('pause', () => setPlaying(false));
    player.on('finish', () => player.setTime(0));
    player.on('timeupdate', setTime);
    player.on('ready', (ready) => {
      if (Number.isFinite(ready)) setLength(ready);
    });
    player.on('error', () => setBroken(true));
    const system = matchMedia('(prefers-color-scheme: dark)');
    const repaint = () => player.setOptions(colours(container));
    system.addEventListener('change', repaint);
    return () => {
      system.removeEventListener('change', repaint);
      player.destroy();
      // The element is ours, so it is not silenced with the rest.
      media.pause();
      surfer.current = undefined;
    };
  }, [url]);

  useEffect(() => {
    if (holder.current !== null) surfer.current?.setOptions(colours(holder.current));
  }, [chosen]);

  const toggle = () => void surfer.current?.playPause().catch(() => setBroken(true));
  const seek = (to: number) => surfer.current?.setTime(Math.min(length, Math.max(0, to)));
  const onKeyDown = (event: KeyboardEvent) => {
    const moves: Record<string, () => void> = {
      ArrowLeft: () => seek(time - STEP),
      ArrowDown: () => seek(time - STEP),
      ArrowRight: () => seek(time + STEP),
      ArrowUp: () => seek(time + STEP),
      PageDown: () => seek(time - 5 * STEP),
      PageUp: () => seek(time + 5 * STEP),
      Home: () => seek(0),
      End: () => seek(length),
      ' ': toggle,
      Enter: toggle,
    };
    const move = moves[event.key];
    if (move === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move();
  };

  if (broken) return <p class="aside">{name} cannot be played in this browser: download it to hear it.</p>;
  return (
    <div class="player">
      <button
        type="button"
        class="play"
        aria-label={`${playing ? 'Pause' : 'Play'} ${name}`}
        onClick={toggle}
      >
        {playing ? <PauseIcon /> : <PlayIcon />}
      </button>
      <div
        class="waveform"
        ref={holder}
        role="slider"
        tabIndex={0}
        aria-label={`Position in ${name}`}
        aria-valuemin={0}
        aria-valuemax={Math.round(length)}
        aria-valuenow={Math.round(time)}
        aria-valuetext={`${clock(time)} of ${clock(length)}`}
        onKeyDown={onKeyDown}
      />
      <span class="player-time">
        <span>{clock(time)}</span>
        <span>{clock(length)}</span>
      </span>
    </div>
  );
}

/** A canvas knows no custom properties: the colours as they come out here and now. */
function colours(element: HTMLElement): { waveColor: string; progressColor: string } {
  const probe = document.createElement('span');
  element.append(probe);
  const read = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const found = { waveColor: read('--wave'), progressColor: read('--accent') };
  probe.remove();
  return found;
}
