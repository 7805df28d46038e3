import type { types } from '@slack/bolt';
import type { DoneResult } from '#contracts/result';
import { type Button, encodeButton } from '#src/chat/delivery/custom-id';
import type { FinalView, StatusView } from '#src/chat/delivery/types';
import { statusLine, summaryLine, wordsFor } from '#src/chat/delivery/words';
import { resultButtons } from '#src/chat/result-buttons';
import { plain } from '#src/chat/slack/forms';
import { cut, escapedCut, escapeText, fallbackText, link, sectionTexts } from '#src/chat/slack/text';

/**
 * Characters of text in one message, as sent: Slack refuses blocks of more than about 13,200 characters in all, and
 * files, notes and buttons need some of them. What is longer comes as a file.
 */
const MESSAGE_TEXT = 7000;
/** Of one note, and how many are shown. */
const NOTE_TEXT = 400;
const NOTES = 4;
/** Files named; a result has one or two. */
const FILES = 4;

/** What `chat.postMessage` and `chat.update` are given. */
export interface SlackMessageBody {
  text: string;
  blocks: types.KnownBlock[];
}

/** A file of a result, as it is mentioned in the message. */
export interface SharedFile {
  name: string;
  /** Its address in Slack, or outside where Slack would not take it. */
  address?: string;
  /** Why it is not in Slack. */
  problem?: string;
}

export interface Surroundings {
  /** Request id. */
  id: string;
  /** Slack's id of the person who asked: only they may press. */
  owner: string;
  locale: string | undefined;
  /** What should be said above: why the answer comes here. */
  notice?: string | undefined;
}

/** A status message for what there is to show. */
export function statusMessage(
  view: StatusView,
  around: Surroundings,
  files: readonly SharedFile[] = [],
): SlackMessageBody {
  const notice = around.notice === undefined ? [] : [context(around.notice)];
  return {
    text: fallbackText(view.state === 'done' ? doneText(view.result) : statusLine(view, around.locale)),
    blocks: [...notice, ...blocksOf(view, around, files)],
  };
}

function blocksOf(view: StatusView, around: Surroundings, files: readonly SharedFile[]): types.KnownBlock[] {
  const line = statusLine(view, around.locale);
  switch (view.state) {
    case 'fetching':
      return [context(line), buttons(['cancel'], around)];
    case 'moment':
      return [context(line)];
    case 'queued':
      return [context(line), buttons(['cancel'], around)];
    case 'active':
      return [
        ...(view.text === undefined ? [] : sections(view.text)),
        ...view.notes.slice(0, NOTES).map(context),
        context(line),
        buttons(['cancel'], around),
      ];
    case 'failed':
    case 'told':
      return sections(line);
    case 'done':
      return doneBlocks(view, around, files);
  }
}

function doneBlocks(
  { request, result }: Extract<FinalView, { state: 'done' }>,
  around: Surroundings,
  files: readonly SharedFile[],
): types.KnownBlock[] {
  const notes = [
    ...(result.caption === undefined || result.caption === '' ? [] : [`♪ ${result.caption}`]),
    ...result.notes,
  ];
  return [
    ...sections(doneText(result)),
    ...files.slice(0, FILES).map(fileBlock),
    ...notes.slice(0, NOTES).map(context),
    context(summaryLine(result, around.locale)),
    buttons(resultButtons(request, result), around),
  ];
}

/** The answer; a remix's plan is its text, so it is not said twice. */
function doneText({ text, plan, files }: DoneResult): string {
  const steps = (plan ?? []).map(({ description, by }) => `• ${description}${by === 'model' ? ' ✦' : ''}`);
  const isPlan = plan?.every(({ description }) => text.includes(description));
  const said = isPlan ? steps.join('\n') : [text, ...steps].filter((part) => part !== '').join('\n');
  if (said.trim() !== '') return said;
  return files.length === 0 ? '…' : files.map(({ name }) => name).join('\n');
}

function fileBlock({ name, address, problem }: SharedFile): types.KnownBlock {
  const short = cut(name, 80);
  const shown = address === undefined ? escapeText(short) : link(address, short);
  const said = problem === undefined ? shown : `${shown} — ${escapedCut(problem, 200)}`;
  return { type: 'section', text: { type: 'mrkdwn', text: said, verbatim: true } };
}

/** Whether a text is longer than one message shows. */
export function isTooLong(text: string): boolean {
  return !sectionTexts(text, MESSAGE_TEXT).whole;
}

/** The whole answer as it is shown, for a file where it is too long for a message. */
export function wholeText(result: DoneResult): string {
  return doneText(result);
}

/** Paragraphs of text that anyone may have written. */
export function sections(text: string): types.KnownBlock[] {
  const { parts, whole } = sectionTexts(text, MESSAGE_TEXT);
  if (!whole) parts.push('…');
  return parts.map((part) => ({
    type: 'section',
    // No address, channel or name in it becomes a link or a mention.
    text: { type: 'mrkdwn', text: part, verbatim: true },
  }));
}

function context(text: string): types.KnownBlock {
  return {
    type: 'context',
    elements: [{ type: 'mrkdwn', text: escapedCut(text, NOTE_TEXT), verbatim: true }],
  };
}

function buttons(names: readonly Button[], { id, owner, locale }: Surroundings): types.KnownBlock {
  const words = wordsFor(locale);
  return {
    type: 'actions',
    elements: names.map((button) => ({
      type: 'button',
      action_id: encodeButton(button, id),
      text: plain(words.buttons[button]),
      value: owner,
      ...(button === 'cancel' ? { style: 'danger' as const } : {}),
    })),
  };
}
