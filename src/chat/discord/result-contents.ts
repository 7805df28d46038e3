import { DiscordAPIError, type REST } from 'discord.js';
import { MumuError, toMumuError } from '#contracts/errors';
import type { ResultFile } from '#contracts/result';
import type { Services } from '#src/app/services';
import { FILE_TRIES } from '#src/chat/delivery/patience';
import type { Delivery, FinalView } from '#src/chat/delivery/types';
import { addressOf } from '#src/chat/discord/address';
import { prepareFiles, textUpload } from '#src/chat/discord/files';
import type { Content } from '#src/chat/discord/posts';
import { resultBody, type Shown } from '#src/chat/discord/render';
import { sendVoice, voiceMessageOf } from '#src/chat/discord/voice';
import { discordWords } from '#src/chat/discord/words';

type DoneView = Extract<FinalView, { state: 'done' }>;

/** How a result is to be sent this time. */
export interface Sending {
  /** Most bytes of one file. */
  size: number;
  /** The music as a voice message. */
  voice: boolean;
  /** Of the interaction, while it lives. */
  token: string | undefined;
  shown: Shown;
  /** How often it was tried before. */
  attempt: number;
  note(posted: Record<string, unknown>): Promise<void>;
}

/** Makes messages of results, and sends what has to be a message of its own: voice. */
export class ResultContents {
  constructor(
    private readonly rest: REST,
    private readonly services: Services,
  ) {}

  async make(delivery: Delivery, view: DoneView, sending: Sending): Promise<Content> {
    const { request, result } = view;
    const { storage, links, log } = this.services;
    const spoken = sending.voice ? await this.speak(delivery, view, sending) : undefined;
    const words = discordWords(sending.shown.locale);
    const isPatient = sending.attempt < FILE_TRIES;
    const context = { storage, links, words, log, isPatient };
    const files = await prepareFiles(result, sending.size, context, spoken);
    const extras = { lines: files.lines, links: files.links, voice: spoken !== undefined };
    const { body, overflow } = resultBody(request, result, extras, sending.shown);
    const uploads = overflow === undefined ? files.uploads : [...files.uploads, textUpload(overflow)];
    return { body, uploads };
  }

  /**
   * Sends the first sound as a voice message, once: it is noted before and after, and what was begun and not noted as
   * sent is not tried again where Discord cannot tell the two apart.
   * @returns the file that needs no second showing.
   */
  private async speak(
    delivery: Delivery,
    { result }: DoneView,
    { token, note, size }: Sending,
  ): Promise<ResultFile | undefined> {
    const file = result.files.find(({ mime }) => mime.startsWith('audio/'));
    if (file === undefined) return undefined;
    const state = delivery.posted.voice;
    if (state === 'sent') return file;
    if (state === 'refused') return undefined;
    const address = addressOf(delivery);
    // The bot's own messages carry a nonce, a person's follow-ups cannot.
    const isMember = address.type === 'message' || address.member;
    if (state === 'begun' && !isMember) return undefined;
    if (!isMember && token === undefined) return undefined;
    try {
      // Whatever is in the way of it (a full disk), the file may go out all the same.
      const voice = await voiceMessageOf(this.services.storage, file, size).catch((thrown: unknown) => {
        throw toMumuError(thrown);
      });
      if (voice === undefined) return undefined;
      await note({ voice: 'begun' });
      const nonce = `v${delivery.id}`;
      await sendVoice(this.rest, voice, { address, token: isMember ? undefined : token, nonce });
      await note({ voice: 'sent' });
      return file;
    } catch (error) {
      const refused = error instanceof DiscordAPIError && error.status < 500;
      if (!refused && !(error instanceof MumuError)) throw error;
      this.services.log.info({ id: delivery.id }, 'no voice message: sent as a file');
      await note({ voice: 'refused' });
      return undefined;
    }
  }
}
