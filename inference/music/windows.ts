/** Of a window past the first, this share is what went before. */
export const CONTEXT_SHARE = 0.4;

/**
 * How many of the `done` frames a further window begins with. Where the length of a beat is known, a window begins a
 * whole number of pairs of beats after the music does: a decoder that was trained on music that begins with a beat
 * (mini's) then finds the beats where it expects them, and any other loses nothing by some frames more or less.
 */
export function contextFrames(done: number, windowFrames: number, beatFrames?: number): number {
  const usual = Math.min(done, Math.floor(windowFrames * CONTEXT_SHARE));
  if (beatFrames === undefined || done <= usual) return usual;
  const pair = 2 * beatFrames;
  const first = Math.round(Math.round((done - usual) / pair) * pair);
  const context = done - first;
  // A pair of beats slower than any music would leave too little of the window, or of what went before.
  return context >= windowFrames * 0.2 && context <= windowFrames * 0.6 ? context : usual;
}

/** Frames from one beat to the next of the tempo that a caption says ("... at 120 bpm"), if it says one. */
export function beatFramesOf(caption: string, frameRate: number): number | undefined {
  const bpm = Number(/\b(\d{2,3})\s*bpm\b/i.exec(caption)?.[1]);
  return bpm >= 30 && bpm <= 300 ? (60 / bpm) * frameRate : undefined;
}
