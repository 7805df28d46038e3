import type { StatusView } from '#src/chat/delivery/types';
import { isAgain } from '#src/queue/again';
import type { JobEvent } from '#src/queue/snapshot';

type ActiveView = Extract<StatusView, { state: 'active' }>;
type Progress = Exclude<JobEvent, { type: 'result' }>;

/** Gathers what a job tells into what there is to show of it. */
export class ViewBuilder {
  private active: ActiveView | undefined;
  private again = false;

  next(event: Progress): StatusView {
    if (event.type === 'queued' && event.position > 0) {
      // A job that ran and waits again has lost its worker (or was handed back by one that stopped).
      this.again ||= this.active !== undefined;
      this.active = undefined;
      return { state: 'queued', position: event.position, ...this.mark() };
    }
    if (event.type === 'note' && isAgain(event.text)) {
      this.again = true;
      this.active = { ...(this.active ?? { state: 'active', notes: [] }), again: true };
      return this.active;
    }
    const before = this.active ?? { state: 'active', notes: [], ...this.mark() };
    this.active = advanced(before, event);
    return this.active;
  }

  private mark(): { again?: boolean } {
    return this.again ? { again: true } : {};
  }
}

function advanced(view: ActiveView, event: Progress): ActiveView {
  switch (event.type) {
    case 'queued':
      return view;
    case 'stage':
      return { ...view, stage: event.stage, fraction: event.fraction };
    case 'text':
      return { ...view, text: event.text };
    case 'note':
      return { ...view, notes: [...view.notes, event.text] };
  }
}
