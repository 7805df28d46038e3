import type { CommandName } from '#commands/spec';
import { MumuError } from '#contracts/errors';
import { type AccessRule, type PolicyFile, RULED_COMMANDS } from '#src/policy/file';
import type { Who } from '#src/policy/policy';

/**
 * Whether somebody may use a command: the first rule that is about both decides.
 * @throws MumuError not_allowed
 */
export function requireAccess(access: PolicyFile['access'], who: Who, command: CommandName): void {
  if (!RULED_COMMANDS.some((ruled) => ruled === command)) return;
  const rule = access.rules.find((candidate) => isAbout(candidate, who, command));
  if (rule === undefined ? access.otherwise === 'allow' : rule.allow) return;
  throw new MumuError(
    'not_allowed',
    rule?.say ?? access.say ?? `/${command} is not open to you here: whoever runs this bot can change that.`,
  );
}

/** Every list that a rule has must name one of what somebody is. */
function isAbout(rule: AccessRule, who: Who, command: CommandName): boolean {
  return (
    (rule.commands === undefined || rule.commands.some((name) => name === command)) &&
    names(rule.users, [who.user]) &&
    names(rule.servers, who.server === undefined ? [] : [who.server]) &&
    names(rule.channels, who.channel === undefined ? [] : [who.channel]) &&
    names(rule.roles, who.roles ?? [])
  );
}

function names(listed: readonly string[] | undefined, ids: readonly string[]): boolean {
  return listed === undefined || listed.some((entry) => ids.some((id) => isNamed(entry, id)));
}

/**
 * `discord:80351110224678912`, the same without its platform as people copy it (`80351110224678912`, `T1:U2`), or
 * everything with one beginning (`discord:*`).
 */
function isNamed(entry: string, id: string): boolean {
  if (entry.endsWith('*')) return id.startsWith(entry.slice(0, -1));
  return id === entry || id.slice(id.indexOf(':') + 1) === entry;
}
