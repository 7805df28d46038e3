import { messageProblems, viewProblems } from '#test/src/chat/slack/support/limits';
import { METHOD_SCOPES } from '#test/src/chat/slack/support/manifest';
import {
  ALICE,
  BORIS,
  BOT,
  BOT_USER,
  DIRECT,
  EDITORS,
  LANGUAGES,
  type Message,
  TEAM,
  type Workspace,
} from '#test/src/chat/slack/support/workspace';

export type Params = Record<string, unknown>;
export type Answer = { ok: boolean; error?: string } & Record<string, unknown>;

export interface OpenedView {
  id: string;
  user: string;
  view: Record<string, unknown>;
}

const refuse = (error: string): Answer => ({ ok: false, error });

/** The methods of Slack's Web API that the bot uses, over a workspace. */
export class WebApi {
  /** Forms opened, oldest first. */
  readonly views: OpenedView[] = [];
  /** Home tabs, by person. */
  readonly homes = new Map<string, Record<string, unknown>>();
  /** What payloads broke of Slack's limits. */
  readonly problems: string[] = [];
  /** Triggers that may still open a form, with the person who pulled them. */
  readonly triggers = new Map<string, string>();
  /** Methods called, in order. */
  readonly calls: string[] = [];
  /** When completed uploads stand in their channel: Slack may take its time, or forget it. */
  shares: 'at once' | 'when looked at' | 'never' = 'at once';
  private readonly waitingShares = new Map<string, () => void>();

  constructor(
    private readonly workspace: Workspace,
    private readonly scopes: ReadonlySet<string>,
    private readonly base: () => string,
  ) {}

  call(method: string, params: Params): Answer {
    this.calls.push(method);
    const needed = METHOD_SCOPES[method];
    if (needed === undefined) {
      this.problems.push(`unexpected method ${method}`);
      return refuse('unknown_method');
    }
    if (needed.length > 0 && !needed.some((scope) => this.scopes.has(scope))) {
      this.problems.push(`${method} without ${needed.join(' or ')}`);
      return { ...refuse('missing_scope'), needed: needed.join(','), provided: [...this.scopes].join(',') };
    }
    switch (method) {
      case 'auth.test':
        return {
          ok: true,
          ...{ url: 'https://mumu-test.slack.com/', team: 'mumu test', team_id: TEAM },
          ...{ user: 'mumu', user_id: BOT_USER, bot_id: BOT, is_enterprise_install: false },
        };
      case 'chat.postMessage':
        return this.postMessage(params);
      case 'chat.update':
        return this.update(params);
      case 'conversations.open':
        return this.openConversation(params);
      case 'conversations.history':
      case 'conversations.replies':
        return this.readMessages(method, params);
      case 'files.getUploadURLExternal':
        return this.uploadUrl(params);
      case 'files.completeUploadExternal':
        return this.completeUpload(params);
      case 'files.info':
        return this.fileInfo(params);
      case 'usergroups.list':
        return { ok: true, usergroups: [{ id: EDITORS, handle: 'editors', users: [BORIS] }] };
      case 'users.info': {
        const user = String(params.user);
        const locale = LANGUAGES[user];
        return locale === undefined ? refuse('user_not_found') : { ok: true, user: { id: user, locale } };
      }
      case 'views.open':
        return this.openView(params);
      default:
        return this.publishView(params);
    }
  }

  /** An answer to a form's `trigger_id`. */
  newTrigger(user: string): string {
    const trigger = `${Date.now()}.${Math.random().toString().slice(2, 12)}.${TEAM.toLowerCase()}`;
    this.triggers.set(trigger, user);
    return trigger;
  }

  private postMessage(params: Params): Answer {
    const { text, blocks, metadata } = params;
    this.check('chat.postMessage', messageProblems({ ...params, text: String(text ?? ''), blocks }, true));
    const channel = String(params.channel);
    const refusal = this.writable(channel);
    if (refusal !== undefined) return refusal;
    const thread = params.thread_ts === undefined ? undefined : String(params.thread_ts);
    if (thread !== undefined && this.workspace.find(channel, thread) === undefined) {
      return refuse('thread_not_found');
    }
    const message = this.workspace.add({
      channel,
      user: BOT_USER,
      bot_id: BOT,
      text: String(text),
      blocks: (blocks ?? []) as Message['blocks'],
      files: [],
      ...(thread === undefined ? {} : { thread_ts: thread }),
      ...(metadata === undefined ? {} : { metadata: metadata as NonNullable<Message['metadata']> }),
    });
    return { ok: true, channel, ts: message.ts, message };
  }

  private update(params: Params): Answer {
    const { text, blocks } = params;
    this.check('chat.update', messageProblems({ ...params, text: String(text ?? ''), blocks }, false));
    const message = this.workspace.find(String(params.channel), String(params.ts));
    if (message === undefined) return refuse('message_not_found');
    if (message.bot_id !== BOT) return refuse('cant_update_message');
    message.before.push(message.text);
    message.text = String(text);
    message.blocks = (blocks ?? []) as Message['blocks'];
    message.edits += 1;
    return { ok: true, channel: message.channel, ts: message.ts, text: message.text };
  }

  private openConversation(params: Params): Answer {
    const channel = DIRECT[String(params.users)];
    return channel === undefined ? refuse('user_not_found') : { ok: true, channel: { id: channel } };
  }

  private readMessages(method: string, params: Params): Answer {
    const channel = String(params.channel);
    const refusal = this.writable(channel);
    if (refusal !== undefined) return refusal;
    const thread = method === 'conversations.replies' ? String(params.ts) : undefined;
    const oldest = Number(params.oldest ?? 0);
    const found = this.workspace
      .read(channel, thread)
      .filter(({ ts }) => Number(ts) > oldest || ts === thread);
    // A channel is read backwards, a thread forwards.
    const ordered = thread === undefined ? found.reverse() : found;
    const withData = params.include_all_metadata === true || params.include_all_metadata === 'true';
    const messages = ordered
      .slice(0, Number(params.limit ?? 100))
      .map(({ metadata, ...message }) => (withData ? { ...message, metadata } : message));
    return { ok: true, messages, has_more: false, response_metadata: { next_cursor: '' } };
  }

  private uploadUrl(params: Params): Answer {
    const { object } = this.newUpload(String(params.filename), Number(params.length));
    return { ok: true, upload_url: `${this.base()}/upload/v1/${object.id}`, file_id: object.id };
  }

  private newUpload(name: string, length: number) {
    if (!Number.isInteger(length) || length <= 0) this.problems.push('upload of no length');
    const content = Buffer.alloc(0);
    const object = this.workspace.newFile(this.base(), {
      name,
      mimetype: 'application/octet-stream',
      content,
      completed: false,
    });
    object.size = length;
    return { object };
  }

  private completeUpload(params: Params): Answer {
    const files = params.files as Array<{ id: string; title?: string }>;
    const channel = String(params.channel_id);
    const refusal = this.writable(channel);
    if (refusal !== undefined) return refusal;
    const thread = params.thread_ts === undefined ? undefined : String(params.thread_ts);
    for (const { id, title } of files) {
      const file = this.workspace.files.get(id);
      if (file === undefined || file.content.length !== file.object.size) return refuse('file_not_found');
      if (file.completed) return refuse('file_already_completed');
      file.object.title = title ?? file.object.name;
      file.completed = true;
      const share = () => this.workspace.share(id, channel, thread);
      if (this.shares === 'at once') share();
      if (this.shares === 'when looked at') this.waitingShares.set(id, share);
    }
    return { ok: true, files: files.map(({ id }) => ({ id })) };
  }

  private fileInfo(params: Params): Answer {
    const id = String(params.file);
    const file = this.workspace.files.get(id);
    if (file === undefined || !file.completed) return refuse('file_not_found');
    const { object } = file;
    const answer = structuredClone(object);
    this.waitingShares.get(id)?.();
    this.waitingShares.delete(id);
    return { ok: true, file: answer };
  }

  private openView(params: Params): Answer {
    const trigger = String(params.trigger_id);
    const user = this.triggers.get(trigger);
    if (user === undefined) return refuse('invalid_trigger_id');
    this.triggers.delete(trigger);
    this.check('views.open', viewProblems(params.view));
    const id = `V${String(this.views.length + 1).padStart(8, '0')}`;
    const view = params.view as Record<string, unknown>;
    this.views.push({ id, user, view });
    return { ok: true, view: { ...view, id } };
  }

  private publishView(params: Params): Answer {
    const user = String(params.user_id);
    if (user !== ALICE && user !== BORIS) return refuse('user_not_found');
    this.check('views.publish', viewProblems(params.view));
    this.homes.set(user, params.view as Record<string, unknown>);
    return { ok: true, view: params.view };
  }

  private writable(channel: string): Answer | undefined {
    if (!/^[CDG]0/.test(channel)) return refuse('channel_not_found');
    return this.workspace.joined.has(channel) ? undefined : refuse('not_in_channel');
  }

  private check(method: string, problems: readonly string[]): void {
    this.problems.push(...problems.map((problem) => `${method}: ${problem}`));
  }
}
