import { expect, it, vi } from 'vitest';
import { MumuError } from '#contracts/errors';
import { PatientAdapter, requirePlatform } from '#src/app/adapters';
import type { RunningAdapter } from '#src/app/services';
import { loadConfig } from '#src/config';
import { createLogger } from '#src/log';

const log = createLogger('silent');
const away = () => Promise.reject(new MumuError('unavailable', 'Discord does not answer.'));

it('goes on trying while a platform is away, and stops when it is closed', async () => {
  const inner: RunningAdapter = { platform: 'discord', connected: true, close: vi.fn(async () => undefined) };
  const begin = vi.fn<() => Promise<RunningAdapter>>(away);
  const adapter = new PatientAdapter('discord', begin, log, 1);
  await adapter.start();
  expect(adapter.connected).toBe(false);
  begin.mockResolvedValue(inner);
  await vi.waitFor(() => expect(adapter.connected).toBe(true));
  await adapter.close();
  expect(inner.close).toHaveBeenCalledOnce();

  const never = new PatientAdapter('slack', away, log, 3600_000);
  await never.start();
  await never.close();
});

it('ends a connection that comes about when it is closed already', async () => {
  const inner: RunningAdapter = { platform: 'discord', connected: true, close: vi.fn(async () => undefined) };
  let connect = (_adapter: RunningAdapter) => undefined as unknown;
  const begun = new Promise<RunningAdapter>((resolve) => {
    connect = resolve;
  });
  const adapter = new PatientAdapter('discord', () => begun, log);
  const starting = adapter.start();
  const closed = adapter.close();
  connect(inner);
  await Promise.all([starting, closed]);
  expect(inner.close).toHaveBeenCalledOnce();
  expect(adapter.connected).toBe(false);
});

it('does not go on with a token that is refused', async () => {
  const refused = new PatientAdapter(
    'discord',
    () => Promise.reject(new MumuError('invalid_input', 'Discord does not take this token.')),
    log,
  );
  await expect(refused.start()).rejects.toMatchObject({ code: 'invalid_input' });
});

it('says what to set where no platform is', () => {
  expect(() => requirePlatform(loadConfig({}))).toThrow(/DISCORD_TOKEN .* SLACK_BOT_TOKEN/);
  requirePlatform(loadConfig({ SLACK_BOT_TOKEN: 'xoxb-1' }));
});
