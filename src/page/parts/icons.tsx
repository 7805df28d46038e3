import type { ComponentChildren } from 'preact';

/** Drawn on a grid of 20; decoration only, the words are on the control. */
function Icon({ children, filled = false }: { children: ComponentChildren; filled?: boolean }) {
  return (
    <svg
      class="icon"
      viewBox="0 0 20 20"
      aria-hidden="true"
      fill={filled ? 'currentColor' : 'none'}
      stroke={filled ? 'none' : 'currentColor'}
      stroke-width="1.6"
      stroke-linecap="round"
      stroke-linejoin="round"
    >
      {children}
    </svg>
  );
}

export const PlayIcon = () => (
  <Icon filled>
    <path d="M6 3.9v12.2c0 .7.8 1.2 1.4.8l9.4-6.1a1 1 0 0 0 0-1.6L7.4 3.1c-.6-.4-1.4 0-1.4.8Z" />
  </Icon>
);
export const PauseIcon = () => (
  <Icon filled>
    <rect x="4.5" y="3.5" width="4" height="13" rx="1" />
    <rect x="11.5" y="3.5" width="4" height="13" rx="1" />
  </Icon>
);
export const PlusIcon = () => (
  <Icon>
    <path d="M10 4v12M4 10h12" />
  </Icon>
);
export const ClipIcon = () => (
  <Icon>
    <path d="m16.5 9.3-6.6 6.6a4 4 0 0 1-5.7-5.7l7-7a2.7 2.7 0 0 1 3.8 3.8l-6.7 6.6a1.3 1.3 0 0 1-1.9-1.8l6-6" />
  </Icon>
);
export const SendIcon = () => (
  <Icon>
    <path d="M10 16V4M4.8 9.2 10 4l5.2 5.2" />
  </Icon>
);
export const SlidersIcon = () => (
  <Icon>
    <path d="M3 6h7M14 6h3M3 14h3M10 14h7" />
    <circle cx="12" cy="6" r="2" />
    <circle cx="8" cy="14" r="2" />
  </Icon>
);
export const CloseIcon = () => (
  <Icon>
    <path d="m5.5 5.5 9 9M14.5 5.5l-9 9" />
  </Icon>
);
export const MenuIcon = () => (
  <Icon>
    <path d="M3.5 6h13M3.5 10h13M3.5 14h8" />
  </Icon>
);
export const NoteIcon = () => (
  <Icon>
    <path d="M7.5 15V5.2l8-1.7v9.8" />
    <circle cx="5.5" cy="15" r="2" />
    <circle cx="13.5" cy="13.3" r="2" />
  </Icon>
);
export const PictureIcon = () => (
  <Icon>
    <rect x="3" y="4" width="14" height="12" rx="2" />
    <circle cx="7.2" cy="8" r="1.3" />
    <path d="m4 15 4.4-4.2 2.6 2.3 2.6-2.6 3.2 3" />
  </Icon>
);
export const FilmIcon = () => (
  <Icon>
    <rect x="3" y="4" width="14" height="12" rx="2" />
    <path d="m8.5 7.5 4 2.5-4 2.5Z" />
  </Icon>
);
export const FileIcon = () => (
  <Icon>
    <path d="M6 2.8h5.5L15 6.3v10.9H5V2.8h1ZM11.3 3v3.6H15" />
  </Icon>
);
export const DownloadIcon = () => (
  <Icon>
    <path d="M10 3.5v9M6.2 9 10 12.8 13.8 9M4 16.5h12" />
  </Icon>
);
export const SunIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="3.2" />
    <path d="M10 2.5v1.6M10 15.9v1.6M2.5 10h1.6M15.9 10h1.6M4.7 4.7l1.1 1.1M14.2 14.2l1.1 1.1M4.7 15.3l1.1-1.1M14.2 5.8l1.1-1.1" />
  </Icon>
);
export const MoonIcon = () => (
  <Icon>
    <path d="M16.5 11.8A6.8 6.8 0 1 1 8.2 3.5a5.4 5.4 0 0 0 8.3 8.3Z" />
  </Icon>
);
export const SystemIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="6.8" />
    <path d="M10 3.2a6.8 6.8 0 0 1 0 13.6Z" fill="currentColor" stroke="none" />
  </Icon>
);

/** The mark: m u m u, as one wave. */
export const Mark = () => (
  <svg class="mark" viewBox="0 0 44 20" aria-hidden="true" fill="none">
    <path
      d="M3 16v-5a4.75 4.75 0 0 1 9.5 0v0a4.75 4.75 0 0 0 9.5 0v0a4.75 4.75 0 0 1 9.5 0v0a4.75 4.75 0 0 0 9.5 0V5"
      stroke="currentColor"
      stroke-width="3.4"
      stroke-linecap="round"
    />
  </svg>
);
