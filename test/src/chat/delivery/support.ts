import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { helpText } from '#commands/registry';
import { MumuError } from '#contracts/errors';
import { probe } from '#inference/media/probe';
import { type CourierOptions, startCourier } from '#src/chat/delivery/courier';
import type {
  Courier,
  Delivery,
  FinalView,
  Messenger,
  Receipt,
  RemoteFile,
  Secrets,
  StatusView,
} from '#src/chat/delivery/types';
import { Intake } from '#src/chat/intake';
import { createLogger } from '#src/log';
import { OPEN_POLICY } from '#src/policy/policy';
import { consumeJobs, type JobConsumer, type JobHandler } from '#src/queue/consume';
import { JobQueue } from '#src/queue/job-queue';
import type { RedisAccess } from '#src/redis/access';
import type { FolderStorage } from '#src/storage/folder-storage';
import { queueStorage } from '#test/support/queue-storage';

const log = createLogger('silent');
const KEEP = 3600_000;

/** One call that a platform has got. */
export interface Call {
  id: string;
  view: StatusView;
  secrets: Secrets | undefined;
  /** What the adapter had noted before. */
  posted: Record<string, unknown>;
}

/** Stands for a platform: remembers what it is shown, and hands out files it was given. */
export class TestMessenger implements Messenger {
  readonly platform = 'discord';
  interval = 0;
  secretsMilliseconds = 60_000;
  readonly shown: Call[] = [];
  readonly finished: Call[] = [];
  readonly files = new Map<string, () => Readable>();
  /** Two calls for one delivery at once. */
  overlaps = 0;
  /** What happens in a call, before it counts as made. */
  onShow: (delivery: Delivery, view: StatusView) => Promise<void> = async () => undefined;
  onFinish: (
    delivery: Delivery,
    note: (posted: Record<string, unknown>) => Promise<void>,
    attempt: number,
  ) => Promise<void> = async () => undefined;
  private readonly busy = new Set<string>();
  private readonly waiting: Array<{ id: string; done(call: Call): void }> = [];

  async show(delivery: Delivery, view: StatusView, secrets: Secrets | undefined): Promise<void> {
    await this.alone(delivery, async () => {
      this.shown.push({ id: delivery.id, view, secrets, posted: { ...delivery.posted } });
      await this.onShow(delivery, view);
    });
  }

  async finish(
    delivery: Delivery,
    view: FinalView,
    secrets: Secrets | undefined,
    note: (posted: Record<string, unknown>) => Promise<void>,
    attempt: number,
  ): Promise<void> {
    await this.alone(delivery, async () => {
      const posted = { ...delivery.posted };
      await this.onFinish(delivery, note, attempt);
      const call = { id: delivery.id, view, secrets, posted };
      this.finished.push(call);
      for (const { id, done } of this.waiting) if (id === call.id) done(call);
    });
  }

  async openFile(file: RemoteFile): Promise<Readable> {
    const open = this.files.get(file.reference);
    if (open === undefined) throw new MumuError('not_found', 'The file is gone.');
    return open();
  }

  give(name: string, content: Buffer): RemoteFile {
    const reference = `https://cdn.test/${name}?signature=hush-hush`;
    this.files.set(reference, () => Readable.from([content]));
    return { name, reference };
  }

  /** The end of a delivery, once it was shown. */
  end(id: string): Promise<Call> {
    const earlier = this.finished.find((call) => call.id === id);
    if (earlier !== undefined) return Promise.resolve(earlier);
    return new Promise((done) => this.waiting.push({ id, done }));
  }

  viewsOf(id: string): StatusView[] {
    return this.shown.filter((call) => call.id === id).map(({ view }) => view);
  }

  private async alone(delivery: Delivery, work: () => Promise<void>): Promise<void> {
    if (this.busy.has(delivery.id)) this.overlaps += 1;
    this.busy.add(delivery.id);
    try {
      await work();
    } finally {
      this.busy.delete(delivery.id);
    }
  }
}

/** A bot's core with everything real but the platform. */
export class Rig {
  readonly couriers: Courier[] = [];
  readonly consumers: JobConsumer[] = [];

  private constructor(
    readonly redis: RedisAccess,
    readonly queue: JobQueue,
    readonly storage: FolderStorage,
    readonly intake: Intake,
  ) {}

  static async start(redis: RedisAccess, folder: string): Promise<Rig> {
    const limits = {
      activeJobs: 100,
      serverActiveJobs: 1000,
      jobsPerHour: 10_000,
      serverJobsPerHour: 10_000,
      musicSecondsPerDay: 100_000,
      serverMusicSecondsPerDay: 100_000,
    };
    const queue = new JobQueue(redis, { ...limits, keepMilliseconds: KEEP, log });
    await queue.ready();
    const storage = await queueStorage(join(folder, 'storage'), queue);
    const intake = new Intake({
      queue,
      storage,
      maxFileBytes: 5_000_000,
      inspect: async (path, signal) => {
        const { kind, mime, seconds } = await probe(path, signal);
        return { kind, mime, ...(seconds === undefined ? {} : { seconds }) };
      },
    });
    return new Rig(redis, queue, storage, intake);
  }

  async courier(messenger: Messenger, given: Partial<CourierOptions> = {}): Promise<Courier> {
    const courier = await startCourier({
      redis: this.redis,
      queue: this.queue,
      storage: this.storage,
      intake: this.intake,
      policy: OPEN_POLICY,
      answers: { answer: async (line) => (line.command === 'help' ? helpText(line.topic) : line.command) },
      messenger,
      secret: 'a secret of the tests',
      keepMilliseconds: KEEP,
      log,
      ...given,
    });
    this.couriers.push(courier);
    return courier;
  }

  async work(handle: JobHandler): Promise<JobConsumer> {
    const consumer = await consumeJobs({
      redis: this.redis,
      queues: ['text', 'music'],
      concurrency: { text: 4, music: 2 },
      handle,
      keepMilliseconds: KEEP,
      log,
    });
    this.consumers.push(consumer);
    return consumer;
  }

  /** Ends couriers and workers, as at the end of a test. */
  async rest(): Promise<void> {
    await Promise.all(this.couriers.splice(0).map((courier) => courier.close()));
    await Promise.all(this.consumers.splice(0).map((consumer) => consumer.close(0)));
  }

  async close(): Promise<void> {
    await this.rest();
    await this.queue.close();
  }
}

export function makeReceipt(given: Partial<Receipt> = {}): Receipt {
  return {
    id: randomUUID(),
    platform: 'discord',
    user: 'discord:1',
    roles: [],
    conversation: 'discord:channel-1',
    intent: { type: 'line', text: 'What is a waltz?' },
    address: { channel: '1' },
    ...given,
  };
}

export const NO_SECRETS: Secrets = { files: [] };

/** Waits until something holds; the test's own time limit ends it. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
