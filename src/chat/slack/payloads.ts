import { z } from 'zod';
import { fitFileName } from '#contracts/file-name';
import { type RemoteFile, remoteFileSchema } from '#src/chat/delivery/types';

/** Most files of one request. */
export const MAX_FILES = 10;
/** Of a file's name, characters: names travel in a form's memory, which holds 3,000. */
const NAME = 80;

/** A file as Slack announces it; of one from another workspace it may tell nothing but the id. */
const fileSchema = z.object({
  id: z.string(),
  name: z.string().nullish(),
  title: z.string().nullish(),
  mimetype: z.string().optional(),
  size: z.number().optional(),
  mode: z.string().optional(),
});
const filesSchema = z.array(fileSchema).nullish();

/** The files of a message or form, by their ids: their addresses are asked for when they are fetched. */
export function remoteFiles(announced: unknown): RemoteFile[] {
  return (filesSchema.parse(announced) ?? [])
    .filter(({ mode }) => mode !== 'tombstone')
    .slice(0, MAX_FILES)
    .map(({ id, name, title, mimetype, size }) => ({
      name: fitFileName(name ?? title ?? 'file', NAME),
      ...(mimetype === undefined || mimetype === '' ? {} : { mime: mimetype }),
      ...(size === undefined ? {} : { bytes: size }),
      reference: id,
    }));
}

/** A message, whether it came as `message` or as `app_mention`. */
export const messageSchema = z.object({
  channel: z.string(),
  channel_type: z.string().optional(),
  ts: z.string(),
  thread_ts: z.string().optional(),
  user: z.string().optional(),
  bot_id: z.string().optional(),
  subtype: z.string().optional(),
  text: z.string().optional(),
  files: filesSchema,
});
export type SlackMessage = z.infer<typeof messageSchema>;

/** A message shortcut's payload. */
export const messageShortcutSchema = z.object({
  trigger_id: z.string(),
  channel: z.object({ id: z.string() }),
  user: z.object({ id: z.string() }),
  message: z.object({ ts: z.string(), thread_ts: z.string().optional(), files: filesSchema }),
});

/** A pressed button. */
export const buttonSchema = z.object({
  trigger_id: z.string(),
  user: z.object({ id: z.string() }),
  channel: z.object({ id: z.string() }).optional(),
  message: z.object({ ts: z.string(), thread_ts: z.string().optional() }).optional(),
});

/** What a form remembers while someone fills it in. */
export const formMemorySchema = z.object({
  /** Absent where it was opened from the Home tab: the answer comes as a direct message. */
  channel: z.string().optional(),
  thread: z.string().optional(),
  conversation: z.string().optional(),
  files: z.array(remoteFileSchema).default([]),
  /** Request whose result is to be changed. */
  of: z.string().optional(),
});
export type FormMemory = z.infer<typeof formMemorySchema>;

/** A form that was sent. */
export const submissionSchema = z.object({
  user: z.object({ id: z.string() }),
  view: z.object({
    id: z.string(),
    private_metadata: z.string(),
    state: z.object({
      values: z.record(
        z.string(),
        z.record(
          z.string(),
          z.object({
            value: z.string().nullish(),
            selected_option: z.object({ value: z.string() }).nullish(),
            files: filesSchema,
          }),
        ),
      ),
    }),
  }),
});
export type Submission = z.infer<typeof submissionSchema>;
