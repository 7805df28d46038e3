import { z } from 'zod';

/**
 * Slack's published limits of Block Kit, messages and forms, as a checker: what a payload breaks, in words. Blocks,
 * elements and objects that the bot does not use are refused, so that a new one is looked up before it is sent.
 */
const plainText = (longest: number) =>
  z.strictObject({
    type: z.literal('plain_text'),
    text: z.string().min(1).max(longest),
    emoji: z.boolean().optional(),
  });
const markdown = (longest: number) =>
  z.strictObject({
    type: z.literal('mrkdwn'),
    text: z.string().min(1).max(longest),
    verbatim: z.boolean().optional(),
  });
const blockId = { block_id: z.string().min(1).max(255).optional() };
const actionId = z.string().min(1).max(255);

const button = z.strictObject({
  type: z.literal('button'),
  action_id: actionId,
  text: plainText(75),
  value: z.string().max(2000).optional(),
  style: z.enum(['primary', 'danger']).optional(),
});
const option = z.strictObject({ text: plainText(75), value: z.string().max(150) });
const inputElement = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('plain_text_input'),
    action_id: actionId,
    multiline: z.boolean(),
    max_length: z.number().int().min(1).max(3000),
    initial_value: z.string().min(1).max(3000).optional(),
  }),
  z.strictObject({
    type: z.literal('static_select'),
    action_id: actionId,
    options: z.array(option).min(1).max(100),
    initial_option: option.optional(),
  }),
  z.strictObject({
    type: z.literal('file_input'),
    action_id: actionId,
    max_files: z.number().int().min(1).max(10),
  }),
  z.strictObject({
    type: z.literal('number_input'),
    action_id: actionId,
    is_decimal_allowed: z.boolean(),
    min_value: z.string(),
    max_value: z.string(),
  }),
]);

const section = z.strictObject({ type: z.literal('section'), ...blockId, text: markdown(3000) });
const contextBlock = z.strictObject({
  type: z.literal('context'),
  ...blockId,
  elements: z.array(markdown(3000)).min(1).max(10),
});
const actions = z.strictObject({
  type: z.literal('actions'),
  ...blockId,
  elements: z.array(button).min(1).max(25),
});
const divider = z.strictObject({ type: z.literal('divider'), ...blockId });
const header = z.strictObject({ type: z.literal('header'), ...blockId, text: plainText(150) });
const input = z.strictObject({
  type: z.literal('input'),
  ...blockId,
  optional: z.boolean().optional(),
  label: plainText(2000),
  element: inputElement,
});

const messageBlock = z.discriminatedUnion('type', [section, contextBlock, actions, divider, header]);
const viewBlock = z.discriminatedUnion('type', [section, contextBlock, actions, divider, header, input]);

const modal = z.strictObject({
  type: z.literal('modal'),
  callback_id: z.string().min(1).max(255),
  title: plainText(24),
  submit: plainText(24).optional(),
  close: plainText(24).optional(),
  private_metadata: z.string().max(3000).optional(),
  blocks: z.array(viewBlock).min(1).max(100),
});
const home = z.strictObject({ type: z.literal('home'), blocks: z.array(viewBlock).min(1).max(100) });

/** Characters of blocks that a message may have in all, as observed (`msg_blocks_too_long`). */
const MESSAGE_BLOCKS = 13_200;

interface Message {
  text: string | undefined;
  blocks: unknown;
  link_names?: unknown;
  unfurl_links?: unknown;
  unfurl_media?: unknown;
}

/** What is wrong with a message; empty if nothing is. @param posted not merely edited */
export function messageProblems(message: Message, posted: boolean): string[] {
  const problems: string[] = [];
  const { text = '', blocks } = message;
  if (text.trim() === '') problems.push('no plain text');
  // Slack shortens more than 40,000 and advises 4,000.
  if (text.length > 4000) problems.push(`text of ${text.length} characters`);
  const parsed = z.array(messageBlock).min(1).max(50).safeParse(blocks);
  if (!parsed.success) problems.push(z.prettifyError(parsed.error));
  if (JSON.stringify(blocks ?? []).length > MESSAGE_BLOCKS) problems.push('msg_blocks_too_long');
  problems.push(...repeated(blocks));
  const shown = `${text}\n${JSON.stringify(blocks ?? [])}`;
  if (/<[@!#]/.test(shown.replaceAll(/<!date\^/g, ''))) problems.push('mentions somebody');
  if (message.link_names !== false) problems.push('names could become mentions');
  if (posted && (message.unfurl_links !== false || message.unfurl_media !== false)) {
    problems.push('links could unfurl');
  }
  return problems;
}

export function viewProblems(view: unknown): string[] {
  const parsed = z.discriminatedUnion('type', [modal, home]).safeParse(view);
  const blocks = (view as { blocks?: unknown }).blocks;
  return [...(parsed.success ? [] : [z.prettifyError(parsed.error)]), ...repeated(blocks)];
}

/** Ids of blocks and of a block's elements occur once. */
function repeated(blocks: unknown): string[] {
  const list = Array.isArray(blocks) ? (blocks as Array<Record<string, unknown>>) : [];
  const blockIds = list.flatMap(({ block_id }) => (typeof block_id === 'string' ? [block_id] : []));
  const actionIds = list.flatMap(({ elements }) =>
    Array.isArray(elements)
      ? (elements as Array<{ action_id?: string }>).flatMap(({ action_id }) => action_id ?? [])
      : [],
  );
  const problems = [];
  if (new Set(blockIds).size < blockIds.length) problems.push('a block_id occurs twice');
  if (new Set(actionIds).size < actionIds.length) problems.push('an action_id occurs twice');
  return problems;
}
