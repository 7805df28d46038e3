import { useEffect } from 'preact/hooks';
import { ChannelView } from './parts/channel-view.tsx';
import { Sidebar } from './parts/sidebar.tsx';
import { announcement, channelOf, conversations, current } from './state/conversations.ts';
import { health } from './state/server.ts';
import { useStore } from './state/store.ts';

export function App() {
  const id = useStore(current);
  const title = useStore(conversations).find((item) => item.id === id)?.title;
  useEffect(() => {
    document.title = title === undefined ? 'mumu' : `${title} · mumu`;
  }, [title]);
  return (
    <div class="app">
      <Sidebar />
      <div class="stage">
        <HealthBanner />
        <ChannelView key={id} channel={channelOf(id)} />
      </div>
      <p class="unseen" role="status" aria-live="polite">
        {useStore(announcement)}
      </p>
    </div>
  );
}

/** Says so where requests cannot be answered yet, or any more. */
function HealthBanner() {
  const state = useStore(health);
  if (state === undefined || state.state === 'ready') return null;
  const words = {
    starting: () => 'The engine is starting: what you send now waits for it.',
    away: () => 'mumu does not answer. This page goes on as soon as it runs again.',
    failed: () => (state.state === 'failed' ? state.error.message : ''),
  };
  return (
    <p class={`banner ${state.state}`} role="status">
      {state.state === 'starting' && <span class="pulse" aria-hidden="true" />}
      {words[state.state]()}
    </p>
  );
}
