import { useEffect, useState } from 'preact/hooks';
import { activity, conversations, current, forget, startNew } from '#src/page/state/conversations';
import { health } from '#src/page/state/server';
import { nextTheme, theme } from '#src/page/state/settings';
import { useStore } from '#src/page/state/store';
import { CloseIcon, Mark, MenuIcon, MoonIcon, PlusIcon, SunIcon, SystemIcon } from './icons.tsx';

/** Conversations of this browser: a column on the left, a bar with a menu where it is narrow. */
export function Sidebar() {
  const list = useStore(conversations);
  const shown = useStore(current);
  const busy = useStore(activity);
  const [open, setOpen] = useState(false);
  const close = () => setOpen(false);
  useEffect(() => {
    if (!open) return;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key === 'Escape') setOpen(false);
    };
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, [open]);
  return (
    <header class={open ? 'sidebar open' : 'sidebar'}>
      <div class="top">
        <button
          type="button"
          class="quiet square menu"
          aria-expanded={open}
          aria-controls="conversations"
          aria-label="Conversations"
          onClick={() => setOpen(!open)}
        >
          <MenuIcon />
        </button>
        <span class="brand">
          <Mark />
          <span>mumu</span>
        </span>
        <ThemeButton />
      </div>
      <nav id="conversations" aria-label="Conversations">
        <button
          type="button"
          class="new"
          onClick={() => {
            startNew();
            close();
          }}
        >
          <PlusIcon /> New conversation
        </button>
        <ul>
          {list.map(({ id, title }) => {
            const { open: jobs, unseen } = busy.get(id) ?? { open: 0, unseen: false };
            return (
              <li key={id} class={id === shown ? 'shown' : ''}>
                <a href={`#${id}`} aria-current={id === shown ? 'page' : undefined} onClick={close}>
                  <span class="title">{title}</span>
                  {jobs > 0 && (
                    <span class="pulse" role="img" aria-label="working">
                      {''}
                    </span>
                  )}
                  {jobs === 0 && unseen && <span class="unread" role="img" aria-label="new answer" />}
                </a>
                <button
                  type="button"
                  class="quiet small"
                  aria-label={`Take ${title} off this list`}
                  title="Take off this list"
                  onClick={() => forget(id)}
                >
                  <CloseIcon />
                </button>
              </li>
            );
          })}
        </ul>
        <EngineLine />
      </nav>
    </header>
  );
}

function ThemeButton() {
  const chosen = useStore(theme);
  const icons = { system: <SystemIcon />, light: <SunIcon />, dark: <MoonIcon /> };
  const words = { system: 'as the system', light: 'light', dark: 'dark' };
  return (
    <button
      type="button"
      class="quiet square"
      aria-label={`Theme: ${words[chosen]}`}
      title={`Theme: ${words[chosen]}`}
      onClick={nextTheme}
    >
      {icons[chosen]}
    </button>
  );
}

/** Which pack answers, and on what. */
function EngineLine() {
  const state = useStore(health);
  if (state?.state !== 'ready') return null;
  return (
    <p class="engine">
      <span class="ready" aria-hidden="true" />
      {state.pack} on {state.device}
    </p>
  );
}
