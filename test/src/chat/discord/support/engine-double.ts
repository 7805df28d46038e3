import { createReadStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { MumuError } from '#contracts/errors';
import type { Request } from '#contracts/request';
import type { DoneResult, ResultFile } from '#contracts/result';
import type { Services } from '#src/app/services';
import type { JobContext } from '#src/queue/consume';
import { type fixtureFolder, tone } from '#test/support/media-fixtures';
import { makeResult } from '#test/support/requests';

/** Stands for the engine: answers at once, or when it is let go, with a real sound for music. */
export class EngineDouble {
  readonly requests: Request[] = [];
  /** What it says; absent: a sentence. */
  text: string | undefined;
  /** Changes a result before it is given back. */
  shape: (result: DoneResult) => DoneResult = (result) => result;
  private gate: Promise<void> = Promise.resolve();
  private open: () => void = () => undefined;
  private track: ResultFile | undefined;

  constructor(
    private readonly services: Services,
    private readonly fixtures: ReturnType<typeof fixtureFolder>,
  ) {}

  /** Jobs begin but do not end until `release`. */
  hold(): void {
    this.gate = new Promise((resolve) => {
      this.open = resolve;
    });
  }

  release(): void {
    this.open();
  }

  readonly handle = async (request: Request, { signal, onProgress }: JobContext): Promise<DoneResult> => {
    this.requests.push(request);
    const makesMusic = request.command === 'generate' || request.command === 'remix';
    onProgress({ type: 'stage', stage: makesMusic ? 'music' : 'language', fraction: 0.5 });
    if (!makesMusic) onProgress({ type: 'text', text: 'It is a' });
    await Promise.race([this.gate, aborted(signal)]);
    signal.throwIfAborted();
    const text = this.text ?? (makesMusic ? 'Here is a waltz.' : 'It is a waltz.');
    const files = makesMusic ? [await this.music()] : [];
    return this.shape({ ...makeResult(request, { text, files }), seed: request.options.seed ?? 7 });
  };

  /** A second of a tone in the store. */
  private async music(): Promise<ResultFile> {
    if (this.track !== undefined) return this.track;
    const path = tone(this.fixtures.path('track.mp3'), { seconds: 1 });
    const stored = await this.services.storage.put(createReadStream(path), {
      maxBytes: 1e8,
      inspect: async () => ({ kind: 'audio', mime: 'audio/mpeg', seconds: 1 }),
    });
    const peaks = Array.from({ length: 100 }, (_, place) => Math.abs(Math.sin(place / 7)));
    this.track = {
      key: stored.key,
      name: 'track.mp3',
      mime: 'audio/mpeg',
      bytes: stored.bytes,
      seconds: 1,
      peaks,
    };
    return this.track;
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await delay(20, undefined, { signal }).catch(() => undefined);
  throw new MumuError('cancelled', 'The job was cancelled.');
}
