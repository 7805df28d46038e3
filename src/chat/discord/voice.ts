import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageFlags, type REST, type RESTPostAPIChannelMessageResult, Routes } from 'discord.js';
import type { ResultFile } from '#contracts/result';
import { transcode } from '#inference/media/ffmpeg';
import { probe } from '#inference/media/probe';
import type { Address } from '#src/chat/discord/address';
import { NO_PINGS } from '#src/chat/discord/callbacks';
import { voiceWaveform } from '#src/chat/waveform';
import type { Storage } from '#src/storage/storage';

/** Bits a second: what Discord's own clients record is less, music deserves it. */
const BIT_RATE = '96k';

export interface VoiceMessage {
  /** Opus in Ogg. */
  content: Buffer;
  seconds: number;
  /** base64, at most 256 values of a byte. */
  waveform: string;
}

/**
 * A stored track as Discord wants a voice message.
 * @returns undefined where it is no sound, or too large.
 * @throws MumuError not_found, missing_dependency, disk_full
 */
export async function voiceMessageOf(
  storage: Storage,
  file: ResultFile,
  fileBytes: number,
): Promise<VoiceMessage | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'mumu-voice-'));
  try {
    const path = await storage.localPath(file.key, folder);
    const { kind, demuxer, seconds } = await probe(path);
    if (kind !== 'audio' || demuxer === null || seconds === undefined) return undefined;
    const output = join(folder, 'voice-message.ogg');
    await transcode({
      inputs: [{ path, demuxer }],
      outputOptions: ['-vn', '-map_metadata', '-1', '-c:a', 'libopus', '-b:a', BIT_RATE, '-ar', '48000'],
      output,
      format: 'ogg',
    });
    const content = await readFile(output);
    if (content.length > fileBytes) return undefined;
    return { content, seconds, waveform: voiceWaveform(file.peaks ?? [0]) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Sends a voice message. Not through discord.js's own message payloads: they label Ogg `application/ogg`, which Discord
 * does not take as a voice message.
 * @param nonce keeps a second try from coming twice; Discord knows it for a few minutes.
 * @returns the message's id.
 */
export async function sendVoice(
  rest: REST,
  voice: VoiceMessage,
  to: { address: Address; token: string | undefined; nonce: string },
): Promise<string> {
  const { address, token, nonce } = to;
  const name = 'voice-message.ogg';
  const message = {
    flags: MessageFlags.IsVoiceMessage,
    attachments: [{ id: '0', filename: name, duration_secs: voice.seconds, waveform: voice.waveform }],
    allowed_mentions: NO_PINGS,
  };
  const files = [{ name, data: voice.content, contentType: 'audio/ogg' }];
  const posted =
    token === undefined
      ? await rest.post(Routes.channelMessages(address.channel), {
          body: { ...message, nonce, enforce_nonce: true },
          files,
        })
      : await rest.post(Routes.webhook(address.application, token), {
          query: new URLSearchParams({ wait: 'true' }),
          body: message,
          files,
          auth: false,
        });
  return (posted as RESTPostAPIChannelMessageResult).id;
}
