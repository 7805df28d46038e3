import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { repositoryFolder } from '#src/config';
import { createLogger } from '#src/log';
import { loadPolicy } from '#src/policy/load';
import type { Who } from '#src/policy/policy';

const log = createLogger('silent');
const ann: Who = { user: 'discord:1', server: 'discord:10', channel: 'discord:100', roles: ['7'] };

let folder: string;
let file: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mumu-policy-'));
  file = join(folder, 'policy.json');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function policyOf(content: unknown) {
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  return load();
}
const load = (lookAgainMilliseconds = 0) =>
  loadPolicy({ policyFile: file, secret: 'secret of a test', dataFolder: folder }, log, {
    lookAgainMilliseconds,
  });

const refusal = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

describe('without a file', () => {
  it('allows everything', async () => {
    const policy = await loadPolicy({ policyFile: undefined, secret: undefined, dataFolder: folder }, log);
    await policy.mayUse(ann, 'generate');
    await policy.checkPrompt('anything', ann);
    expect(await policy.checkAnswer('anything', ann)).toBe('anything');
  });
});

describe('a policy file', () => {
  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /no JSON/],
    ['a wrong name', { acces: {} }, /policy file.*acces/],
    ['a wrong rule', { access: { rules: [{ allow: 'yes' }] } }, /access\.rules\.0\.allow/],
    [
      'a wrong command',
      { access: { rules: [{ allow: false, commands: ['sing'] }] } },
      /rules\.0\.commands\.0/,
    ],
    [
      'a star in the middle',
      { access: { rules: [{ allow: true, users: ['a*b'] }] } },
      /users\.0: has to be an id/,
    ],
    ['an empty term', { prompts: { refuse: ['good', '*'] } }, /prompts\.refuse\.1: needs a letter/],
    [
      'plain HTTP',
      { moderation: { url: 'http://mod.example/' } },
      /moderation\.url: has to start with https/,
    ],
    ['a password in the address', { moderation: { url: 'https://a:b@mod.example/' } }, /moderation\.url/],
    [
      'both ways to ask',
      { moderation: { url: 'https://mod.example/', command: ['x'] } },
      /either url or command/,
    ],
    ['no way to ask', { moderation: { timeoutSeconds: 1 } }, /either url or command/],
    [
      'a token that is not there',
      { moderation: { url: 'https://mod.example/', tokenFile: 'nowhere' } },
      /tokenFile: cannot be read/,
    ],
  ])('with %s is refused', async (_what, content, message) => {
    await expect(policyOf(content)).rejects.toEqual(refusal('invalid_input', message));
  });

  it('is explained by an example that can be used', async () => {
    const example = join(repositoryFolder(), 'docs', 'policy.example.json');
    const policy = await policyOf(await readFile(example, 'utf8'));
    await expect(policy.checkPrompt('sing in the voice of my neighbour', ann)).rejects.toEqual(
      refusal('refused', /another way/),
    );
  });

  it('that is missing is refused', async () => {
    await rm(file, { force: true });
    await expect(load()).rejects.toEqual(refusal('invalid_input', /MUMU_POLICY cannot be read/));
  });

  it('counts as soon as it changes; a broken or missing one leaves what was', async () => {
    const policy = await policyOf({ prompts: { refuse: ['first'] } });
    await expect(policy.checkPrompt('the first', ann)).rejects.toEqual(refusal('refused', /another way/));
    await replace({ prompts: { refuse: ['second'], say: 'Not that.' } });
    await policy.checkPrompt('the first', ann);
    await expect(policy.checkPrompt('the second', ann)).rejects.toEqual(refusal('refused', /^Not that\.$/));
    await replace('{ "prompts": ');
    await expect(policy.checkPrompt('the second', ann)).rejects.toEqual(refusal('refused', /Not that/));
    await rm(file);
    await expect(policy.checkPrompt('the second', ann)).rejects.toEqual(refusal('refused', /Not that/));
    await replace({});
    await policy.checkPrompt('the second', ann);
  });

  async function replace(content: unknown) {
    const next = join(folder, 'next.json');
    await writeFile(next, typeof content === 'string' ? content : JSON.stringify(content));
    await rename(next, file);
  }
});

describe('who may use what', () => {
  const denied = (message = /generate is not open to you/) => refusal('not_allowed', message);

  it('is decided by the first rule that is about both', async () => {
    const policy = await policyOf({
      access: {
        otherwise: 'allow',
        rules: [
          { allow: false, users: ['discord:666'], say: 'You were asked to leave.' },
          { allow: true, roles: ['7'], servers: ['10'], commands: ['generate', 'remix'] },
          { allow: false, servers: ['discord:10'], commands: ['generate', 'remix'] },
          { allow: false, users: ['slack:T9:*'] },
          { allow: false, channels: ['discord:200'] },
        ],
      },
    });
    await policy.mayUse(ann, 'generate');
    await expect(policy.mayUse({ ...ann, roles: [] }, 'generate')).rejects.toEqual(denied());
    await expect(policy.mayUse({ ...ann, roles: undefined }, 'remix')).rejects.toEqual(denied(/remix/));
    await policy.mayUse({ ...ann, roles: [] }, 'ask');
    await policy.mayUse({ ...ann, roles: [], server: 'discord:11' }, 'generate');
    await policy.mayUse({ user: 'discord:2' }, 'generate');
    await expect(policy.mayUse({ ...ann, user: 'discord:666' }, 'ask')).rejects.toEqual(
      denied(/asked to leave/),
    );
    await expect(policy.mayUse({ user: 'slack:T9:U1' }, 'ask')).rejects.toEqual(denied(/ask/));
    await policy.mayUse({ user: 'slack:T8:U1' }, 'ask');
    await expect(policy.mayUse({ ...ann, channel: 'discord:200' }, 'queue')).rejects.toEqual(denied(/queue/));
  });

  it('may be nobody who is not named, except for help and what is one’s own', async () => {
    const policy = await policyOf({
      access: { otherwise: 'deny', rules: [{ allow: true, users: ['1'] }], say: 'Ask Kim for access.' },
    });
    await policy.mayUse(ann, 'generate');
    const other: Who = { user: 'discord:2', roles: ['1'] };
    await expect(policy.mayUse(other, 'generate')).rejects.toEqual(denied(/Ask Kim/));
    await policy.mayUse(other, 'help');
    await policy.mayUse(other, 'settings');
  });
});

describe('answers', () => {
  it('are struck out or refused, partial ones too', async () => {
    const policy = await policyOf({ answers: { strike: ['damn'], refuse: ['secret'], say: 'Hidden.' } });
    expect(await policy.checkAnswer('a damn good song', ann)).toBe('a ████ good song');
    expect(await policy.checkAnswer('a damn', ann, 'partial')).toBe('a ████');
    await expect(policy.checkAnswer('the secret song', ann)).rejects.toEqual(refusal('refused', /^Hidden/));
    await policy.checkPrompt('the secret damn song', ann);
  });
});

describe('a moderation service', () => {
  let seen: { body: Record<string, unknown>; token: string | undefined }[] = [];
  let respond: (request: IncomingMessage, response: ServerResponse) => void;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    seen.push({ body: JSON.parse(Buffer.concat(chunks).toString()), token: request.headers.authorization });
    respond(request, response);
  });
  let url: string;

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/check`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    seen = [];
  });
  const says = (verdict: unknown) => {
    respond = (_request, response) => void response.end(JSON.stringify(verdict));
  };

  it('is told a pseudonym and decides', async () => {
    await writeFile(join(folder, 'token'), 'a-token\n');
    const policy = await policyOf({ moderation: { url, tokenFile: 'token' }, answers: { strike: ['damn'] } });
    says({ allow: true });
    await policy.checkPrompt('a waltz', ann);
    expect(seen[0]).toEqual({
      body: {
        kind: 'prompt',
        text: 'a waltz',
        server: 'discord:10',
        user: expect.stringMatching(/^[0-9a-f]{32}$/),
      },
      token: 'Bearer a-token',
    });
    await policy.checkPrompt('again', { ...ann, user: 'discord:2' });
    expect(seen[1]?.body.user).not.toBe(seen[0]?.body.user);
    says({ allow: false, reason: 'No\nwaltzes.' });
    await expect(policy.checkPrompt('a waltz', ann)).rejects.toEqual(refusal('refused', /^No waltzes\.$/));
    says({ allow: true, text: 'a damn kind answer' });
    expect(await policy.checkAnswer('an answer', ann)).toBe('a ████ kind answer');
    says({ allow: false });
    await expect(policy.checkAnswer('an answer', ann)).rejects.toEqual(refusal('refused', /not shown/));
  });

  it('is not asked about every word of an answer that goes on: nothing of it shows', async () => {
    const policy = await policyOf({ moderation: { url } });
    expect(await policy.checkAnswer('an ans', ann, 'partial')).toBe('');
    expect(seen).toEqual([]);
  });

  it('is asked about one side only where the file says so', async () => {
    const policy = await policyOf({ moderation: { url, answers: false } });
    expect(await policy.checkAnswer('an ans', ann, 'partial')).toBe('an ans');
    expect(await policy.checkAnswer('an answer', ann)).toBe('an answer');
    expect(seen).toEqual([]);
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['says nothing', () => undefined],
    ['breaks off', (response) => void response.destroy()],
    ['fails', (response) => void response.writeHead(500).end('{"allow":true}')],
    ['sends elsewhere', (response) => void response.writeHead(302, { location: '/other' }).end()],
    ['says something else', (response) => void response.end('<html>allow</html>')],
    ['gives no verdict', (response) => void response.end('{"allow":"yes"}')],
    ['never stops', (response) => void response.end(Buffer.alloc(1_000_000, 32))],
  ])('that %s counts as the operator set', async (_how, answer) => {
    respond = (_request, response) => answer(response);
    const strict = await policyOf({ moderation: { url, timeoutSeconds: 0.3 } });
    await expect(strict.checkPrompt('a waltz', ann)).rejects.toEqual(refusal('refused', /does not answer/));
    const lenient = await policyOf({ moderation: { url, timeoutSeconds: 0.3, onFailure: 'allow' } });
    await lenient.checkPrompt('a waltz', ann);
    expect(await lenient.checkAnswer('an answer', ann)).toBe('an answer');
  });

  describe('that is a program', () => {
    const program = async (source: string, more: object = {}) => {
      await writeFile(join(folder, 'check.mjs'), source);
      return policyOf({ moderation: { command: [process.execPath, 'check.mjs', 'a b; $(c)'], ...more } });
    };

    it('reads the question, and is given neither a shell nor our environment', async () => {
      process.env.DISCORD_TOKEN = 'of a test';
      const policy = await program(`
        let text = '';
        for await (const chunk of process.stdin) text += chunk;
        const { text: asked, kind } = JSON.parse(text);
        const reason = [kind, asked, process.argv[2], process.env.DISCORD_TOKEN].join('|');
        console.log(JSON.stringify({ allow: asked !== 'bad', reason }));
      `);
      await policy.checkPrompt('good', ann);
      await expect(policy.checkPrompt('bad', ann)).rejects.toEqual(
        refusal('refused', /^prompt\|bad\|a b; \$\(c\)\|$/),
      );
      delete process.env.DISCORD_TOKEN;
    });

    it.each([
      ['fails', 'process.exit(3)'],
      ['never ends', 'setInterval(() => {}, 1000)'],
      ['says too much', 'process.stdout.write("x".repeat(1e6))'],
    ])('and %s counts as the operator set', async (_how, source) => {
      const policy = await program(source, { timeoutSeconds: 1 });
      await expect(policy.checkPrompt('a waltz', ann)).rejects.toEqual(refusal('refused', /does not answer/));
    });

    it('that does not exist counts as the operator set', async () => {
      const policy = await policyOf({ moderation: { command: ['/nowhere/check'], onFailure: 'allow' } });
      await policy.checkPrompt('a waltz', ann);
    });

    it('runs a few at a time, and all get their turn', async () => {
      const policy = await program(`console.log('{"allow":true}')`, { timeoutSeconds: 60 });
      await Promise.all(Array.from({ length: 20 }, (_, place) => policy.checkPrompt(`song ${place}`, ann)));
    });
  });
});
