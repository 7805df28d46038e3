/** A bot's process: the real courier, on a platform that only counts. */
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { MumuError } from '#contracts/errors';
import { startCourier } from '#src/chat/delivery/courier';
import {
  type Delivery,
  type FinalView,
  type Messenger,
  receiptSchema,
  remoteFileSchema,
  type Secrets,
  type StatusView,
} from '#src/chat/delivery/types';
import { Intake } from '#src/chat/intake';
import { createLogger } from '#src/log';
import { OPEN_POLICY } from '#src/policy/policy';
import { JobQueue } from '#src/queue/job-queue';
import { openRedis } from '#src/redis/access';
import { FolderStorage } from '#src/storage/folder-storage';
import { KEEP, LIMITS, readSettings } from '#test/chaos/settings';

const eventSchema = z.object({
  type: z.literal('event'),
  receipt: receiptSchema,
  files: z.array(remoteFileSchema),
});

/** Posts one status message per request and edits it, as an adapter does. */
class CountingMessenger implements Messenger {
  readonly platform = 'discord';
  readonly interval = 100;
  readonly secretsMilliseconds = 900_000;

  constructor(private readonly url: string) {}

  async show(delivery: Delivery, view: StatusView): Promise<void> {
    await this.edit(delivery, await this.create(delivery), view.state, '', false);
  }

  async finish(
    delivery: Delivery,
    view: FinalView,
    _secrets: Secrets | undefined,
    note: (posted: Record<string, unknown>) => Promise<void>,
  ): Promise<void> {
    const message = await this.create(delivery);
    await note({ message });
    const text =
      view.state === 'done'
        ? `${view.result.text} ${view.result.files.map((file) => file.key).join(' ')}`
        : view.state === 'failed'
          ? view.error.code
          : view.text;
    await this.edit(delivery, message, view.state, text, true);
  }

  async openFile(file: { name: string }): Promise<Readable> {
    return Readable.from([Buffer.from(`file ${file.name}`)]);
  }

  private async create(delivery: Delivery): Promise<string> {
    const noted = z.string().safeParse(delivery.posted.message);
    if (noted.success) return noted.data;
    const made = await this.call('create', { delivery: delivery.id, nonce: delivery.id });
    return z.object({ message: z.string() }).parse(made).message;
  }

  private async edit(delivery: Delivery, message: string, state: string, text: string, final: boolean) {
    await this.call('edit', { delivery: delivery.id, message, state, text, final });
  }

  private async call(what: string, body: unknown): Promise<unknown> {
    const response = await fetch(`${this.url}/${what}`, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new MumuError('unavailable', 'The platform does not take it.');
    return await response.json();
  }
}

const settings = readSettings();
const log = createLogger(settings.log);
const { redisUrl, dataFolder } = settings;
const redis = await openRedis({ redisUrl, redisPrefix: 'chaos', dataFolder }, log);
const store = redis.connect('worker');
const queue = new JobQueue(redis, { ...LIMITS, keepMilliseconds: KEEP, log });
const storage = await FolderStorage.open({
  ...{ folder: settings.storageFolder, maxBytes: 1e9, keepMilliseconds: KEEP, log },
  filesInUse: () => queue.filesInUse(),
});
const intake = new Intake({
  ...{ queue, storage, maxFileBytes: 1e6 },
  inspect: async () => ({ kind: 'audio', mime: 'audio/wav', seconds: 1 }),
});
const courier = await startCourier({
  ...{ redis, queue, storage, intake, log, keepMilliseconds: KEEP },
  policy: OPEN_POLICY,
  answers: { answer: async (line) => line.command },
  messenger: new CountingMessenger(settings.platformUrl),
  secret: 'the secret of every bot here',
  leaseMilliseconds: settings.patience,
});

/**
 * The courier answers for an event after two seconds even where Redis does not, because platforms wait no longer; here
 * it counts as taken only once it is written down.
 */
async function take(event: z.infer<typeof eventSchema>): Promise<void> {
  const { id } = event.receipt;
  const isNew = await courier.receive(event.receipt, { files: event.files });
  while ((await store.exists(`chaos:delivery:${id}`)) === 0) await delay(20);
  process.send?.({ type: 'taken', id, isNew });
}

process.on('message', (raw) => {
  take(eventSchema.parse(raw)).catch((error: Error) => log.warn({ error: error.message }, 'not taken'));
});
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', async () => {
  await courier.close();
  process.exit(0);
});
process.send?.({ type: 'ready' });
