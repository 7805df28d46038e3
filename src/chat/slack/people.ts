import { refusalCode, type SlackClient } from '#src/chat/slack/web';
import type { Logger } from '#src/log';

/** Languages and user groups are asked for again after this long, milliseconds. */
const LANGUAGE_AGE = 3600_000;
const GROUPS_AGE = 300_000;
/** People whose language is remembered. */
const REMEMBERED = 2000;

/** What is known of people in Slack: their language and the user groups they are in. */
export class People {
  private readonly languages = new Map<string, { at: number; tag: Promise<string | undefined> }>();
  private groups: { at: number; byUser: ReadonlyMap<string, readonly string[]> } | undefined;
  private asking: Promise<void> | undefined;

  constructor(
    private readonly client: SlackClient,
    private readonly log: Logger,
  ) {}

  /** BCP 47 tag of the language someone uses Slack in; undefined if Slack does not tell. */
  language(user: string): Promise<string | undefined> {
    const known = this.languages.get(user);
    if (known !== undefined && Date.now() - known.at < LANGUAGE_AGE) return known.tag;
    const tag = this.client.users
      .info({ user, include_locale: true })
      .then(({ user: found }) => (typeof found?.locale === 'string' ? found.locale : undefined))
      .catch((error: unknown) => {
        this.log.debug({ code: refusalCode(error) }, 'language of a person unknown');
        this.languages.delete(user);
        return undefined;
      });
    this.languages.set(user, { at: Date.now(), tag });
    for (const oldest of this.languages.keys()) {
      if (this.languages.size <= REMEMBERED) break;
      this.languages.delete(oldest);
    }
    return tag;
  }

  /** Ids of the user groups someone is in, as they were a few minutes ago at most. */
  async rolesOf(user: string): Promise<readonly string[]> {
    if (this.groups === undefined) await this.readGroups();
    else if (Date.now() - this.groups.at > GROUPS_AGE) void this.readGroups();
    return this.groups?.byUser.get(user) ?? [];
  }

  /** Asks Slack; what it does not tell leaves what was known. */
  private readGroups(): Promise<void> {
    this.asking ??= this.client.usergroups
      .list({ include_users: true })
      .then(({ usergroups = [] }) => {
        const byUser = new Map<string, string[]>();
        for (const { id, users = [] } of usergroups) {
          if (id === undefined) continue;
          for (const user of users) byUser.set(user, [...(byUser.get(user) ?? []), id]);
        }
        this.groups = { at: Date.now(), byUser };
      })
      .catch((error: unknown) => {
        this.log.warn(
          { code: refusalCode(error) },
          'user groups of Slack unknown: rules about them do not apply',
        );
        this.groups = { at: Date.now(), byUser: this.groups?.byUser ?? new Map() };
      })
      .finally(() => {
        this.asking = undefined;
      });
    return this.asking;
  }
}
