import { z } from 'zod';
import { termSchema } from '#src/policy/words';

/** Commands a rule may be about. Help, and settings with the right to be forgotten, are everybody's. */
export const RULED_COMMANDS = ['ask', 'describe', 'generate', 'remix', 'queue', 'cancel'] as const;

const ids = z
  .array(
    z
      .string()
      .min(1)
      .max(128)
      .regex(/^[^*\s]+\*?$/, { error: 'has to be an id; a star may stand at its end' }),
  )
  .min(1)
  .max(1000);

const ruleSchema = z
  .strictObject({
    allow: z.boolean(),
    users: ids.optional(),
    servers: ids.optional(),
    channels: ids.optional(),
    roles: ids.optional(),
    commands: z.array(z.enum(RULED_COMMANDS)).min(1).optional(),
    /** What those are told whom the rule turns away. */
    say: z.string().min(1).max(300).optional(),
  })
  .readonly();
export type AccessRule = z.infer<typeof ruleSchema>;

const terms = z.array(termSchema).max(20_000).default([]);
const say = z.string().min(1).max(300).optional();

const moderationSchema = z
  .strictObject({
    /** Asked by POST. */
    url: z
      .string()
      .refine(isSafeAddress, { error: 'has to start with https://, or be http:// on this machine itself' })
      .optional(),
    /** Program and arguments, started without a shell. */
    command: z.array(z.string().min(1)).min(1).max(50).optional(),
    /** File with a token, sent as `Authorization: Bearer`; relative to the policy file. */
    tokenFile: z.string().min(1).optional(),
    timeoutSeconds: z.number().min(0.1).max(60).default(5),
    onFailure: z.enum(['refuse', 'allow']).default('refuse'),
    prompts: z.boolean().default(true),
    answers: z.boolean().default(true),
  })
  .refine(({ url, command }) => (url === undefined) !== (command === undefined), {
    error: 'needs either url or command',
  })
  .refine(({ url, tokenFile }) => tokenFile === undefined || url !== undefined, {
    error: 'sends the token of tokenFile to url, which is missing',
  });
export type ModerationSettings = z.infer<typeof moderationSchema>;

/** The operator's file, as docs/policy.md explains it. */
export const policyFileSchema = z.strictObject({
  access: z
    .strictObject({
      otherwise: z.enum(['allow', 'deny']).default('allow'),
      rules: z.array(ruleSchema).max(1000).default([]),
      say,
    })
    .default({ otherwise: 'allow', rules: [] }),
  prompts: z.strictObject({ refuse: terms, say }).default({ refuse: [] }),
  answers: z.strictObject({ refuse: terms, strike: terms, say }).default({ refuse: [], strike: [] }),
  moderation: moderationSchema.optional(),
});
export type PolicyFile = z.infer<typeof policyFileSchema>;

/** Plain HTTP would show people's words to whoever listens on the way. */
function isSafeAddress(address: string): boolean {
  try {
    const { protocol, hostname, username, password } = new URL(address);
    if (username !== '' || password !== '') return false;
    return (
      protocol === 'https:' ||
      (protocol === 'http:' && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname))
    );
  } catch {
    return false;
  }
}
