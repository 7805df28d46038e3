import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Channel } from '#src/page/state/channel';
import { isOpen } from '#src/page/state/channel';
import { useStore } from '#src/page/state/store';
import { Composer, type ComposerHandle } from './composer.tsx';
import { EmptyState } from './empty-state.tsx';
import { ExchangeView } from './exchange-view.tsx';
import { standingWords } from './status-card.tsx';

/** Within how many pixels of the end a reader counts as being at the end. */
const NEAR = 120;

/** One conversation: its exchanges, the composer, and a place to drop files on. */
export function ChannelView({ channel }: { channel: Channel }) {
  const { exchanges, loaded, problem } = useStore(channel.state);
  const composer = useRef<ComposerHandle>(null);
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const lastTop = useRef(0);
  const dropping = useDrop((files) => composer.current?.attach(files));
  const count = exchanges.length;

  // What is sent is always seen; what grows is followed by those who are at the end.
  useLayoutEffect(() => {
    atEnd.current = true;
  }, [count, channel]);
  useEffect(() => {
    const box = scroller.current;
    const inner = content.current;
    if (box === null || inner === null) return;
    const follow = new ResizeObserver(() => {
      if (atEnd.current && channel.state.get().exchanges.length > 0) box.scrollTop = box.scrollHeight;
    });
    follow.observe(inner);
    follow.observe(box);
    return () => follow.disconnect();
  }, [channel]);

  const open = exchanges.findLast(isOpen);
  return (
    <main class="channel" {...dropping.handlers}>
      <div
        class="scroller"
        ref={scroller}
        onScroll={(event) => {
          const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
          // What grows meanwhile moves the end away: only going up is leaving it.
          if (scrollHeight - scrollTop - clientHeight < NEAR) atEnd.current = true;
          else if (scrollTop < lastTop.current) atEnd.current = false;
          lastTop.current = scrollTop;
        }}
      >
        <div class="exchanges" ref={content}>
          {problem !== undefined && (
            <p class="failure-words" role="alert">
              {problem.message}
            </p>
          )}
          {loaded && count === 0 && problem === undefined && (
            <EmptyState onTry={(line, files) => composer.current?.fill(line, files)} />
          )}
          {exchanges.map((exchange) => (
            <ExchangeView
              key={exchange.key}
              channel={channel}
              exchange={exchange}
              onCompose={() => composer.current?.focus()}
            />
          ))}
        </div>
      </div>
      {/* Stages only: a percent a second would drown everything else. */}
      <p class="unseen" role="status" aria-live="polite">
        {open === undefined ? '' : standingWords(open)}
      </p>
      <Composer key={channel.id} channel={channel} handle={composer} />
      {dropping.over && <div class="drop">Drop songs, pictures or clips to attach them</div>}
    </main>
  );
}

/** Files dragged over the channel. */
function useDrop(onFiles: (files: File[]) => void) {
  const [over, setOver] = useState(false);
  // Enter and leave come for every element on the way.
  const depth = useRef(0);
  const brings = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
  return {
    over,
    handlers: {
      onDragEnter: (event: DragEvent) => {
        if (!brings(event)) return;
        depth.current += 1;
        setOver(true);
      },
      onDragLeave: (event: DragEvent) => {
        if (!brings(event)) return;
        depth.current -= 1;
        if (depth.current <= 0) setOver(false);
      },
      onDragOver: (event: DragEvent) => {
        if (brings(event)) event.preventDefault();
      },
      onDrop: (event: DragEvent) => {
        if (!brings(event)) return;
        event.preventDefault();
        depth.current = 0;
        setOver(false);
        onFiles([...(event.dataTransfer?.files ?? [])]);
      },
    },
  };
}
