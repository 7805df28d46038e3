let sounding: HTMLMediaElement | undefined;

/** Only one thing sounds at a time: what sounded before pauses. */
export function soloPlay(element: HTMLMediaElement): void {
  if (sounding !== undefined && sounding !== element) sounding.pause();
  sounding = element;
}
