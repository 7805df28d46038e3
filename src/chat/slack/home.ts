import type { App, types } from '@slack/bolt';
import { askerOf, type SlackContext } from '#src/chat/slack/context';
import { plain, requestForm } from '#src/chat/slack/forms';
import { confirmed, openForm } from '#src/chat/slack/listening';
import type { Place } from '#src/chat/slack/notes';
import { buttonSchema } from '#src/chat/slack/payloads';
import { link } from '#src/chat/slack/text';
import type { Exchange } from '#src/queue/conversations';

/** The button of the Home tab. */
export const NEW_REQUEST = 'home_new_request';
/** Jobs shown, and the conversations looked through for them: those used last. */
const SHOWN = 10;

/** One line of the Home tab: no words of anybody, only where to find it. */
export interface RecentJob extends Pick<Exchange, 'at' | 'request' | 'result'> {
  place: Place | undefined;
}

/** The Home tab: what the bot is for, a way to begin, and one's last jobs. */
export function registerHome(app: App, context: SlackContext): void {
  app.event('app_home_opened', async ({ event }) => {
    if (event.tab !== 'home') return;
    const { user: person } = event;
    const { user } = await askerOf(context, person, undefined);
    const view = homeView(await recentJobs(context, user), context.identity.address);
    await context.client.views.publish({ user_id: person, view });
  });
  app.action(NEW_REQUEST, ({ body, ack }) =>
    confirmed(context, { ack: () => ack() }, async () => {
      const { trigger_id } = buttonSchema.parse(body);
      await openForm(context, trigger_id, requestForm({ files: [] }));
    }),
  );
}

/** What one person asked for last, newest first. */
async function recentJobs({ services, notes }: SlackContext, user: string): Promise<RecentJob[]> {
  const { conversations } = services.queue;
  const names = (await conversations.ofUser(user)).slice(-SHOWN);
  const histories = await Promise.all(names.map((name) => conversations.history(name)));
  const latest = histories
    .flat()
    .filter(({ request }) => request.user === user)
    .sort((a, b) => b.at - a.at)
    .slice(0, SHOWN);
  return Promise.all(
    latest.map(async (exchange) => ({ ...exchange, place: await notes.place(exchange.request.id) })),
  );
}

/** @param workspace address of the workspace, for links to messages */
export function homeView(jobs: readonly RecentJob[], workspace: string): types.HomeView {
  const lines = jobs.map(({ at, request, result, place }) => {
    const { id, command } = request;
    const named =
      place === undefined
        ? command
        : link(new URL(`archives/${place.channel}/p${place.ts.replace('.', '')}`, workspace).href, command);
    const state = result === undefined ? 'under way' : result.status === 'done' ? 'done' : 'did not work';
    const day = `<!date^${Math.floor(at / 1000)}^{date_short_pretty} {time}|${new Date(at).toISOString()}>`;
    return `${named} · ${state} · ${day} · ${id}`;
  });
  return {
    type: 'home',
    blocks: [
      {
        type: 'section',
        text: {
          type: 'mrkdwn',
          text: 'Send a song, a picture or a clip, and ask about it, have music made for it, or say how it should change. Mention the bot in a channel, write to it directly, use the shortcuts of a message, or begin here.',
        },
      },
      {
        type: 'actions',
        elements: [
          { type: 'button', action_id: NEW_REQUEST, style: 'primary', text: plain('New request with files') },
        ],
      },
      { type: 'divider' },
      { type: 'header', text: plain('Your last jobs') },
      ...(lines.length === 0 ? ['None yet.'] : lines).map(
        (text): types.KnownBlock => ({ type: 'context', elements: [{ type: 'mrkdwn', text }] }),
      ),
    ],
  };
}
