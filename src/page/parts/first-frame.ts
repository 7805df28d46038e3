import { useEffect, useState } from 'preact/hooks';

/** What a clip looks like, and how long it is. */
export interface FirstFrame {
  /** A small picture, as a data address. */
  picture: string;
  /** Seconds. */
  seconds: number;
}

/** Longer side of the picture, pixels. */
const SIDE = 640;
/** A file that says nothing for as long, milliseconds, will not. */
const PATIENCE = 15_000;

const frames = new Map<string, Promise<FirstFrame>>();
let last: Promise<unknown> = Promise.resolve();

/**
 * The first frame of a clip, or `broken`. A video element that waits to be played may hold its connection, of which
 * a browser has six to a host: so one clip at a time is opened, drawn and let go.
 */
export function useFirstFrame(url: string): FirstFrame | 'broken' | undefined {
  const [frame, setFrame] = useState<FirstFrame | 'broken'>();
  useEffect(() => {
    let shown = true;
    firstFrame(url)
      .then((drawn) => shown && setFrame(drawn))
      .catch(() => shown && setFrame('broken'));
    return () => {
      shown = false;
    };
  }, [url]);
  return frame;
}

function firstFrame(url: string): Promise<FirstFrame> {
  const known = frames.get(url);
  if (known !== undefined) return known;
  const drawn = last.then(() => draw(url));
  frames.set(url, drawn);
  last = drawn.catch(() => frames.delete(url));
  return drawn;
}

async function draw(url: string): Promise<FirstFrame> {
  const video = document.createElement('video');
  video.muted = true;
  video.preload = 'auto';
  try {
    await new Promise<void>((resolve, reject) => {
      video.onloadeddata = () => resolve();
      video.onerror = () => reject(new Error('not a clip this browser shows'));
      setTimeout(reject, PATIENCE, new Error('nothing came'));
      video.src = url;
    });
    const { videoWidth, videoHeight, duration } = video;
    const scale = Math.min(1, SIDE / Math.max(videoWidth, videoHeight));
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(videoWidth * scale));
    canvas.height = Math.max(1, Math.round(videoHeight * scale));
    canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height);
    return { picture: canvas.toDataURL('image/jpeg', 0.8), seconds: duration };
  } finally {
    video.removeAttribute('src');
    video.load();
  }
}
