import type { Device } from '#inference/runtime/device';
import { Session } from '#inference/runtime/session';
import type { Pack } from '#models/packs/read';
import type { GraphName } from '#models/packs/schema';

/** Graphs that are needed together, for warming up. */
export const GRAPH_GROUPS = {
  language: ['injection', 'language-prefill', 'language-step'],
  song: ['audio-encoder', 'audio-adapter'],
  music: ['text-encoder', 'music-condition', 'music-prefill', 'music-step', 'codec-decoder'],
} as const satisfies Record<string, readonly GraphName[]>;

/** Opens each graph of a pack when it is first needed and keeps it. */
export class Graphs {
  private readonly opened = new Map<GraphName, Promise<Session>>();

  constructor(
    private readonly pack: Pack,
    private readonly device: Device,
    private readonly onOpen: (graph: GraphName, milliseconds: number) => void,
  ) {}

  /** @throws MumuError damaged_pack; cannot_do where the pack has no such graph */
  async open(name: GraphName): Promise<Session> {
    const known = this.opened.get(name);
    if (known) return known;
    const path = this.pack.graph(name);
    const start = performance.now();
    const session = Session.load(path, name, this.device);
    this.opened.set(name, session);
    session.then(
      () => this.onOpen(name, Math.round(performance.now() - start)),
      // A graph that failed to open is tried again next time: the pack may have been mended.
      () => this.opened.delete(name),
    );
    return session;
  }

  /** Opens several, so that the first request does not wait for them. */
  async warm(names: readonly GraphName[]): Promise<void> {
    for (const name of names) await this.open(name);
  }

  async close(): Promise<void> {
    const sessions = await Promise.allSettled(this.opened.values());
    this.opened.clear();
    for (const session of sessions) if (session.status === 'fulfilled') await session.value.release();
  }
}
