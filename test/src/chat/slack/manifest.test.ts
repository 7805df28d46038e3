import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '#commands/registry';
import { lineOf } from '#src/chat/slack/slash-commands';
import { repositoryFolder } from '#src/config';
import { EVENT_SCOPES, METHOD_SCOPES, readManifest } from '#test/src/chat/slack/support/manifest';

const manifest = readManifest();
const folder = join(repositoryFolder(), 'src', 'chat', 'slack');
const code = readdirSync(folder)
  .map((name) => readFileSync(join(folder, name), 'utf8'))
  .join('\n');

/** Web API methods that the code calls: `client.chat.postMessage(...)`. */
const methods = new Set(
  [...code.matchAll(/client\s*\.\s*([a-z]+)\s*\.\s*([A-Za-z]+)\(/g)].map(
    ([, room, name]) => `${room}.${name}`,
  ),
);
const events = new Set([...code.matchAll(/app\.event\('([a-z_]+)'/g)].map(([, name]) => name));

describe('manifest.yaml', () => {
  it('asks for the scopes that the code’s calls, events and commands need, and for no others', () => {
    const needed = new Set(['commands']);
    for (const method of methods) {
      const scopes = METHOD_SCOPES[method];
      expect(scopes, `${method} is not in the list of known methods`).toBeDefined();
      // Reading is of whatever kind of channel an event may come from; opening, of direct messages only.
      const all = method.startsWith('conversations.h') || method.startsWith('conversations.r');
      for (const scope of all ? (scopes ?? []) : (scopes ?? []).slice(0, 1)) needed.add(scope);
    }
    for (const event of manifest.settings.event_subscriptions.bot_events) {
      for (const scope of EVENT_SCOPES[event] ?? ['unknown event']) needed.add(scope);
    }
    expect(methods.size).toBeGreaterThan(8);
    expect([...manifest.oauth_config.scopes.bot].sort()).toEqual([...needed].sort());
  });

  it('subscribes to the events that the code listens to', () => {
    const subscribed = manifest.settings.event_subscriptions.bot_events.map((name) => name.split('.')[0]);
    expect(new Set(subscribed)).toEqual(events);
    // Mentions with a file may come as messages of any kind of channel.
    expect(
      manifest.settings.event_subscriptions.bot_events.filter((name) => name.startsWith('message.')),
    ).toEqual(['message.channels', 'message.groups', 'message.im', 'message.mpim']);
  });

  it('has every command, under a name that leads to it', () => {
    const named = manifest.features.slash_commands.map(({ command }) => lineOf({ command, text: 'x' }));
    for (const { name } of COMMANDS) expect(named).toContain(`/${name} x`);
    expect(new Set(named).size).toBe(COMMANDS.length + 1);
    expect(lineOf({ command: '/mumu', text: '' })).toBeUndefined();
  });

  it('has the shortcuts that the code answers', () => {
    const ids = [...code.matchAll(/: '(mumu_[a-z]+_[a-z_]+)'/g)].map(([, id]) => id);
    expect(manifest.features.shortcuts.map(({ callback_id }) => callback_id).sort()).toEqual(ids.sort());
    expect(manifest.features.shortcuts.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['Ask about this', 'Music for this', 'Remix this']),
    );
  });

  it('turns on what the bot builds on', () => {
    expect(manifest.settings).toMatchObject({
      interactivity: { is_enabled: true },
      socket_mode_enabled: true,
      org_deploy_enabled: false,
    });
    expect(manifest.features.app_home).toMatchObject({ home_tab_enabled: true, messages_tab_enabled: true });
  });
});
