import { z } from 'zod';
import { optionsSchema } from '#contracts/request';

/** Languages of the status messages, BCP 47. */
export const LANGUAGES = ['en', 'zh-CN', 'es', 'de', 'ja'] as const;

/** What a person may set once for all of their requests. Absent values come from the pack or the platform. */
export const settingsSchema = optionsSchema
  .pick({ temperature: true, topP: true, guidance: true, seconds: true, pack: true })
  .extend({
    /** A clip's own format is no setting: where a song comes back it would be an error. */
    format: z.enum(['wav', 'mp3', 'ogg', 'flac']).optional(),
    /** Music comes as a voice message where the platform has them. */
    voice: z.boolean().optional(),
    /** Absent: the platform's. */
    language: z.enum(LANGUAGES).optional(),
  });
export type UserSettings = z.infer<typeof settingsSchema>;
export type SettingKey = keyof UserSettings;
