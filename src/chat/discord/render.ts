import {
  type APIActionRowComponent,
  type APIButtonComponentWithCustomId,
  ButtonStyle,
  ComponentType,
  MessageFlags,
} from 'discord.js';
import type { Request } from '#contracts/request';
import type { DoneResult } from '#contracts/result';
import type { Button } from '#src/chat/delivery/custom-id';
import type { StatusView } from '#src/chat/delivery/types';
import { statusLine, summaryLine, wordsFor } from '#src/chat/delivery/words';
import { NO_PINGS } from '#src/chat/discord/callbacks';
import { encodeOwned } from '#src/chat/discord/custom-id';
import type { FileLink } from '#src/chat/discord/files';
import { cut, LIMITS } from '#src/chat/discord/limits';
import { escaped, withoutMaskedLinks } from '#src/chat/discord/markdown';
import { discordWords } from '#src/chat/discord/words';
import { resultButtons } from '#src/chat/result-buttons';

/** Room for remarks and for links under a result, characters: the answer itself has the rest. */
const ASIDES = 500;
const LINKS = 800;

/** Whose request is shown, and in which language. */
export interface Shown {
  /** Request id. */
  id: string;
  /** Discord's id of the person. */
  owner: string;
  locale: string | undefined;
}

/** A message's body apart from its files. The same body serves posting and editing. */
export interface Body {
  content: string;
  components: APIActionRowComponent<APIButtonComponentWithCustomId>[];
  allowed_mentions: typeof NO_PINGS;
  flags: MessageFlags.SuppressEmbeds;
}

/** What has to be shown of a result besides what it holds itself. */
export interface Extras {
  /** About its files: what was made smaller, what is missing. */
  lines: readonly string[];
  /** Files that are too large for here. */
  links: readonly FileLink[];
  /** The music went out as a voice message. */
  voice: boolean;
}

/** A body that says where a request stands, or that it ended without a result. */
export function statusBody(view: Exclude<StatusView, { state: 'done' }>, shown: Shown): Body {
  const { locale } = shown;
  switch (view.state) {
    case 'told':
      return body(escaped(view.text));
    case 'failed':
      return body(escaped(statusLine(view, locale)));
    case 'moment':
      return body(statusLine(view, locale));
    case 'fetching':
    case 'queued':
      return body(statusLine(view, locale), row(['cancel'], shown));
    case 'active': {
      const notes = subtext(view.notes);
      const head = [statusLine(view, locale), notes].filter((part) => part !== '').join('\n');
      const text =
        view.text === undefined || view.text.trim() === '' ? '' : `\n${withoutMaskedLinks(view.text)}`;
      return body(`${head}${text}`, row(['cancel'], shown));
    }
  }
}

/**
 * A body that shows a result: its words, the edits, what it was made from and with, and what can follow.
 * @returns with it the whole text, where that is longer than a message may be.
 */
export function resultBody(
  request: Request,
  result: DoneResult,
  extras: Extras,
  shown: Shown,
): { body: Body; overflow: string | undefined } {
  const words = discordWords(shown.locale);
  const asides = subtext([
    ...(result.caption === undefined || result.caption === '' || result.caption === result.text
      ? []
      : [`${words.composedAs} ${result.caption}`]),
    ...result.notes,
    ...(extras.voice ? [words.voiceHere] : []),
    ...extras.lines,
  ]);
  const summary = `-# ${summaryLine(result, shown.locale)}`;
  const text = [result.text, isPlanAlone(result) ? '' : planLines(result)].filter((part) => part !== '');
  const full = withoutMaskedLinks(text.join('\n'));
  const foot = [cut(asides, ASIDES), ...linkLines(extras.links), summary]
    .filter((part) => part !== '')
    .join('\n');
  const room = LIMITS.content - foot.length - 1;
  if (full.length <= room) {
    const content = full === '' ? foot : `${full}\n${foot}`;
    return { body: body(content, row(resultButtons(request, result), shown)), overflow: undefined };
  }
  const notice = `-# ${words.whole}`;
  const content = `${cut(full, room - notice.length - 1)}\n${notice}\n${foot}`;
  return { body: body(content, row(resultButtons(request, result), shown)), overflow: text.join('\n') };
}

/** A body of words alone. */
export function body(content: string, components: Body['components'] = []): Body {
  return {
    content: cut(content, LIMITS.content),
    components,
    allowed_mentions: NO_PINGS,
    // A link in an answer shows no page of somebody else's under it.
    flags: MessageFlags.SuppressEmbeds,
  };
}

function row(buttons: readonly Button[], { id, owner, locale }: Shown): Body['components'] {
  const { buttons: labels } = wordsFor(locale);
  const components = buttons.map(
    (button): APIButtonComponentWithCustomId => ({
      type: ComponentType.Button,
      style: button === 'cancel' ? ButtonStyle.Danger : ButtonStyle.Secondary,
      label: labels[button],
      custom_id: encodeOwned(button, id, owner),
    }),
  );
  return [{ type: ComponentType.ActionRow, components }];
}

/** Where nothing else shows the edits, the text is their list. */
function isPlanAlone({ text, plan }: DoneResult): boolean {
  const lines = text.split('\n').map((line) => line.replace(/^\d+\. /, ''));
  return plan === undefined || lines.join('\n') === plan.map((step) => step.description).join('\n');
}

function planLines({ plan = [] }: DoneResult): string {
  return plan.map(({ description, by }, place) => `${place + 1}. ${description} (${by})`).join('\n');
}

/** As many as there is room for: half a link leads nowhere. */
function linkLines(links: readonly FileLink[]): string[] {
  const lines: string[] = [];
  let room = LINKS;
  for (const { name, url } of links) {
    const line = `-# ${escaped(cut(name, 100))}: <${url}>`;
    room -= line.length + 1;
    if (room >= 0) lines.push(line);
  }
  return lines;
}

function subtext(lines: readonly string[]): string {
  return lines.map((line) => `-# ${escaped(line.replace(/\s+/g, ' ').trim())}`).join('\n');
}
