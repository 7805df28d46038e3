import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { MumuError } from '#contracts/errors';
import type { Delivery } from '#src/chat/delivery/types';
import type { SharedFile } from '#src/chat/slack/blocks';
import { isDirect } from '#src/chat/slack/identity';
import type { Place } from '#src/chat/slack/notes';
import { mayPass, refusalCode, type SlackClient } from '#src/chat/slack/web';
import type { Logger } from '#src/log';

/** Slack shares a completed upload a little later: how often it is looked whether it has, and how far apart (ms). */
const LOOKS = 6;
const LOOK_INTERVAL = 1000;

/** What is noted of an upload, before and after its bytes are sent. */
const notedSchema = z.object({
  file: z.string(),
  state: z.enum(['begun', 'shared']),
  address: z.string().optional(),
});
type Noted = z.infer<typeof notedSchema>;

/** Something to upload. */
export interface Upload {
  /** Tells it from the request's other uploads; the same in every attempt. */
  key: string;
  name: string;
  /** Of the content. */
  bytes: number;
  /** @throws MumuError not_found */
  open(): Promise<Readable>;
}

type Note = (posted: Record<string, unknown>) => Promise<void>;

/**
 * Puts results into Slack, each once: `files.uploadV2` step by step, because the file's id has to be written down
 * between getting an upload address and sending anything to it. After a crash the id tells whether the file stands
 * in the channel already.
 */
export class Uploads {
  constructor(
    private readonly client: SlackClient,
    private readonly log: Logger,
    /** Origin of a stand-in for Slack. */
    private readonly standIn: string | undefined,
    private readonly lookMilliseconds = LOOK_INTERVAL,
  ) {}

  /**
   * Shares a file beside a status message. What Slack refuses for good is told in the answer instead of thrown.
   * @throws what may pass: the caller tries again.
   */
  async share(upload: Upload, delivery: Delivery, place: Place, note: Note): Promise<SharedFile> {
    const { key, name } = upload;
    const noted = notedSchema.safeParse(delivery.posted[`upload:${key}`]);
    try {
      if (noted.success) {
        const known = await this.resume(noted.data, upload, place, note);
        if (known !== undefined) return known;
      }
      return await this.begin(upload, delivery, place, note);
    } catch (error) {
      if (error instanceof MumuError && error.code === 'not_found') return { name, problem: error.message };
      const code = refusalCode(error);
      if (code === undefined || mayPass(error)) throw error;
      this.log.warn({ id: delivery.id, code }, 'Slack refuses a file');
      return { name, problem: `Slack does not take it (${code})` };
    }
  }

  private async begin(upload: Upload, delivery: Delivery, place: Place, note: Note): Promise<SharedFile> {
    const { key, name, bytes } = upload;
    const source = await upload.open();
    try {
      const { upload_url: target, file_id: file } = await this.client.files.getUploadURLExternal({
        filename: name,
        length: bytes,
      });
      if (target === undefined || file === undefined) {
        throw new MumuError('internal', 'Slack gave no address for an upload.');
      }
      await note({ [`upload:${key}`]: { file, state: 'begun' } satisfies Noted });
      await this.send(target, source, bytes);
      return await this.complete(file, upload, place, note);
    } finally {
      source.destroy();
      this.log.debug({ id: delivery.id, bytes }, 'upload ended');
    }
  }

  /** An upload that an earlier attempt began; undefined if nothing of it is to be seen anywhere. */
  private async resume(
    noted: Noted,
    upload: Upload,
    place: Place,
    note: Note,
  ): Promise<SharedFile | undefined> {
    const { name } = upload;
    const { file, address } = noted;
    if (noted.state === 'shared') return { name, ...(address === undefined ? {} : { address }) };
    const info = await this.look(file, place);
    if (info === undefined) return undefined;
    if (info.shared) return this.done(file, upload, info.address, note);
    try {
      return await this.complete(file, upload, place, note);
    } catch (error) {
      if (mayPass(error)) throw error;
      // Completed before, then, and Slack takes its time to show it: once more would be one too many.
      this.log.warn({ file, code: refusalCode(error) }, 'an upload is taken as shared');
      return this.done(file, upload, info.address, note);
    }
  }

  private async complete(file: string, upload: Upload, place: Place, note: Note): Promise<SharedFile> {
    const { channel, ts, thread = isDirect(channel) ? undefined : ts } = place;
    const { name: title } = upload;
    await this.client.files.completeUploadExternal(
      thread === undefined
        ? { files: [{ id: file, title }], channel_id: channel }
        : { files: [{ id: file, title }], channel_id: channel, thread_ts: thread },
    );
    const info = await this.look(file, place);
    if (info?.shared !== true) this.log.warn({ file }, 'Slack has not shared an upload yet');
    return this.done(file, upload, info?.address, note);
  }

  private async done(
    file: string,
    upload: Upload,
    address: string | undefined,
    note: Note,
  ): Promise<SharedFile> {
    const known = address === undefined ? {} : { address };
    await note({ [`upload:${upload.key}`]: { file, state: 'shared', ...known } satisfies Noted });
    return { name: upload.name, ...known };
  }

  /** Whether a file stands in the channel, given Slack a few seconds to put it there; undefined: no such file. */
  private async look(
    file: string,
    { channel }: Place,
  ): Promise<{ shared: boolean; address?: string } | undefined> {
    for (let left = LOOKS; ; left -= 1) {
      try {
        const { file: info } = await this.client.files.info({ file });
        const shares = { ...info?.shares?.public, ...info?.shares?.private };
        const lists = [info?.channels, info?.groups, info?.ims];
        const shared = channel in shares || lists.some((list) => list?.includes(channel) === true);
        const address = info?.permalink;
        if (shared || left <= 1) return { shared, ...(address === undefined ? {} : { address }) };
      } catch (error) {
        if (mayPass(error)) throw error;
        return undefined;
      }
      await delay(this.lookMilliseconds);
    }
  }

  /** @throws MumuError unavailable */
  private async send(target: string, source: Readable, bytes: number): Promise<void> {
    const url = new URL(target);
    const ours = url.protocol === 'https:' && /(^|\.)slack(-files)?\.com$/.test(url.hostname);
    if (!ours && url.origin !== this.standIn) {
      throw new MumuError('internal', 'Slack named an address for an upload that is not its own.');
    }
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'error',
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(bytes) },
      body: Readable.toWeb(source) as ReadableStream,
      duplex: 'half',
      signal: AbortSignal.timeout(300_000),
    });
    await response.body?.cancel();
    if (response.ok) return;
    throw new MumuError('unavailable', `Slack did not take an upload (status ${response.status}).`);
  }
}
