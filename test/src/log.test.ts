import { expect, it } from 'vitest';
import { createLogger } from '#src/log';

function logged(texts: boolean): string {
  let lines = '';
  const write = (line: string) => {
    lines += line;
  };
  const log = createLogger('info', texts, { write });
  log.info({ id: 'r1', text: 'a secret wish', token: 'xoxb-1' }, 'job started');
  log.info({ request: { text: 'a secret wish', token: 'xoxb-1' } }, 'nested');
  return lines;
}

it('holds ids but neither texts nor tokens', () => {
  const lines = logged(false);
  expect(lines).toContain('"id":"r1"');
  expect(lines).not.toMatch(/secret|xoxb/);
});

it('holds texts, and still no tokens, where the operator asks for them', () => {
  const lines = logged(true);
  expect(lines.match(/a secret wish/g)).toHaveLength(2);
  expect(lines).not.toContain('xoxb');
});
