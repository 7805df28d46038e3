import { z } from 'zod';
import { MAX_FILE_NAME } from '#contracts/file-name';

/** Longest instruction accepted, in characters. */
export const MAX_TEXT_LENGTH = 4000;
/** Longest piece of music that can be asked for, seconds. */
export const MAX_MUSIC_SECONDS = 60;

export const MEDIA_KINDS = ['audio', 'image', 'video'] as const;
export type MediaKind = (typeof MEDIA_KINDS)[number];

/** A file a request refers to: bytes live in storage under their content's hash, never in the job. */
export const fileRefSchema = z.object({
  /** Storage key: the lower-case hex SHA-256 of the content. */
  key: z.string().regex(/^[0-9a-f]{64}$/),
  /** Kind as probed from the content, not from the name. */
  kind: z.enum(MEDIA_KINDS),
  /** The user's file name, for display only. */
  name: z.string().max(MAX_FILE_NAME),
  mime: z.string().max(127),
  bytes: z.number().int().nonnegative(),
  /** Duration in seconds; absent for pictures. */
  seconds: z.number().nonnegative().optional(),
});
export type FileRef = z.infer<typeof fileRefSchema>;

/** How to sample. Absent values come from the pack's defaults; an absent seed is drawn at intake. */
export const optionsSchema = z.object({
  seed: z.number().int().min(0).max(0xffffffff).optional(),
  /** Softmax temperature of the language model; 0 takes the likeliest token. */
  temperature: z.number().min(0).max(2).optional(),
  /** Nucleus sampling: the smallest set of tokens with at least this probability. */
  topP: z.number().gt(0).max(1).optional(),
  /** Classifier-free guidance scale of the music decoder. */
  guidance: z.number().min(1).max(10).optional(),
  /** Length of new music, seconds. */
  seconds: z.number().min(1).max(MAX_MUSIC_SECONDS).optional(),
  /** How the music decoder is conditioned: by the output projector (the paper) or by the caption text. */
  conditioning: z.enum(['projector', 'caption']).optional(),
  /** Format of the files that come back. */
  format: z.enum(['wav', 'mp3', 'ogg', 'flac', 'mp4']).optional(),
  /** Kind of device the job has to run on; absent: any worker that has the pack. */
  device: z.enum(['cpu', 'cuda', 'webgpu']).optional(),
  /** Name of the pack; absent means the default one. */
  pack: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/)
    .optional(),
});
export type RequestOptions = z.infer<typeof optionsSchema>;

const base = {
  /** Job id: unique, from the caller (an interaction id) or drawn at intake. */
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  /** Whose conversation this belongs to: its last track is the input of a message without a file. */
  conversation: z.string().max(128),
  /** Who asked: for limits, never shown. */
  user: z.string().max(128),
  /** The Discord server or Slack workspace it was asked in: for limits; absent in private and on the local page. */
  server: z.string().max(128).optional(),
  files: z.array(fileRefSchema).max(10),
  options: optionsSchema,
};
const text = z.string().max(MAX_TEXT_LENGTH);

/** One request, as it lies on the queue. */
export const requestSchema = z.discriminatedUnion('command', [
  z.object({ command: z.literal('ask'), ...base, text: text.min(1) }),
  z.object({ command: z.literal('describe'), ...base, text: text.default('') }),
  z.object({
    command: z.literal('generate'),
    ...base,
    text: text.default(''),
    /** `vary`: the same request under another seed; `extend`: continue the first file. */
    action: z.enum(['new', 'vary', 'extend']).default('new'),
  }),
  z.object({ command: z.literal('remix'), ...base, text: text.min(1) }),
]);
export type Request = z.infer<typeof requestSchema>;
export type RequestCommand = Request['command'];
