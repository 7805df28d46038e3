import { expect, it } from 'vitest';
import { runChaos } from '#test/chaos/chaos';

it('five rounds of chaos end with exactly one result for every command', { timeout: 240_000 }, async () => {
  const report = await runChaos({ rounds: 5, seed: 4 });
  expect(report.problems).toEqual([]);
  expect(report.deeds.commands).toBeGreaterThanOrEqual(10);
});
