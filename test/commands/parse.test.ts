import { describe, expect, it } from 'vitest';
import { chooseFiles } from '#commands/attachments';
import { complete } from '#commands/complete';
import { parseCommandLine } from '#commands/parse';
import { COMMANDS, helpText } from '#commands/registry';
import type { FileRef, MediaKind } from '#contracts/request';

const none = { attachments: [] };
const withFile = (kind: MediaKind) => ({ attachments: [{ kind }] });
const asked = (line: string, context: Parameters<typeof parseCommandLine>[1] = none) =>
  parseCommandLine(line, context);

describe('a command line', () => {
  it.each([
    ['/generate a calm waltz --seconds 20 --seed 5', 'a calm waltz', { seconds: 20, seed: 5 }],
    ['/generate --seconds=20 a calm waltz', 'a calm waltz', { seconds: 20 }],
    ['/generate a waltz --seconds 20s in three-four', 'a waltz in three-four', { seconds: 20 }],
    ['/generate calm —seconds 12', 'calm', { seconds: 12 }],
    ['/GENERATE rock -- roll', 'rock -- roll', {}],
    ['/generate שיר שקט 🎵 --top-p 0,9', 'שיר שקט 🎵', { topP: 0.9 }],
    ['/generate a\nb --format MP3', 'a\nb', { format: 'mp3' }],
    ['/generate --conditioning=caption --seed 1', '', { conditioning: 'caption', seed: 1 }],
    ['/generate --seconds=20 7 nights', '7 nights', { seconds: 20 }],
  ])('%s', (line, text, options) => {
    expect(asked(line)).toEqual({ command: 'generate', text, options, action: 'new' });
  });

  it('extends, whatever stands behind the switch', () => {
    expect(asked('/generate --extend with drums --seconds 10')).toEqual({
      command: 'generate',
      text: 'with drums',
      options: { seconds: 10 },
      action: 'extend',
    });
  });

  it('without a job', () => {
    expect(asked('/queue')).toEqual({ command: 'queue' });
    expect(asked('/cancel')).toEqual({ command: 'cancel' });
    expect(asked('/cancel abc')).toEqual({ command: 'cancel', id: 'abc' });
    expect(asked('/help')).toEqual({ command: 'help' });
    expect(asked('/help /remix')).toEqual({ command: 'help', topic: 'remix' });
  });

  it('about one’s own settings', () => {
    const settings = (line: string) => asked(`/settings${line}`);
    expect(settings('')).toEqual({ command: 'settings', action: 'show' });
    expect(settings(' seconds 20s')).toEqual({
      command: 'settings',
      action: 'set',
      key: 'seconds',
      value: 20,
    });
    expect(settings(' --top-p=0,5')).toMatchObject({ action: 'set', key: 'topP', value: 0.5 });
    expect(settings(' TopP 0.5')).toMatchObject({ key: 'topP', value: 0.5 });
    expect(settings(' Format OGG')).toMatchObject({ key: 'format', value: 'ogg' });
    expect(settings(' voice off')).toMatchObject({ key: 'voice', value: false });
    expect(settings(' language zh-cn')).toMatchObject({ key: 'language', value: 'zh-CN' });
    expect(settings(' reset')).toEqual({ command: 'settings', action: 'reset' });
    expect(settings(' reset seconds')).toEqual({ command: 'settings', action: 'reset', key: 'seconds' });
    expect(settings(' Forget ME')).toEqual({ command: 'settings', action: 'forget' });
  });

  it.each([
    ['/settings tempo 3', /no setting tempo: there are seconds, guidance/],
    ['/settings seconds', /seconds needs a value/],
    ['/settings seconds 600', /--seconds takes a number from 1 to 60/],
    ['/settings format mp4', /format takes one of wav, mp3, ogg, flac/],
    ['/settings voice loud', /voice takes one of on, off/],
    ['/settings language klingon', /language takes one of en, zh-CN/],
    ['/settings pack ../x', /takes a name/],
    ['/settings forget', /settings forget me/],
    ['/settings reset tempo', /no setting tempo/],
    ['/sing la', /no command \/sing.*\/ask/],
    ['/generate x --tempo 3', /no option --tempo.*--seconds/],
    ['/generate x --seconds', /--seconds needs a value/],
    ['/generate x --seconds --seed 1', /--seconds needs a value/],
    ['/generate x --seconds 600', /--seconds takes a number from 1 to 60/],
    ['/generate x --seed 1.5', /--seed takes a whole number/],
    ['/generate x --top-p 0', /--top-p takes a number above 0 to 1/],
    ['/generate x --seconds NaN', /--seconds takes a number/],
    ['/generate x --format midi', /--format takes one of wav/],
    ['/generate x --pack ../etc', /--pack takes a name/],
    ['/remix', /\/remix needs the instruction/],
    ['/ask    ', /\/ask needs the question/],
    ['', /needs the question/],
    [`/ask ${'a'.repeat(4001)}`, /4,001 characters long: at most 4,000/],
  ])('refuses %s', (line, message) => {
    expect(() => asked(line)).toThrowError(expect.objectContaining({ code: 'invalid_input' }));
    expect(() => asked(line)).toThrowError(message);
  });

  it('takes 4,000 characters', () => {
    expect(asked(`/ask ${'a'.repeat(4000)}`)).toMatchObject({ command: 'ask' });
  });
});

describe('plain words', () => {
  it.each<[string, Parameters<typeof parseCommandLine>[1], string]>([
    ['What is a fugue?', none, 'ask'],
    ['can you make it slower?', withFile('audio'), 'ask'],
    ['tell me about this', withFile('audio'), 'ask'],
    ['', withFile('image'), 'describe'],
    ['compose a march', none, 'generate'],
    ['Please make me some calm music', none, 'generate'],
    ['make it slower', { attachments: [], hasTrack: true }, 'remix'],
    ['20 % slower', { attachments: [], hasTrack: true }, 'remix'],
    ['add a flute', withFile('audio'), 'remix'],
    ['add a flute', none, 'ask'],
    ['hello', none, 'ask'],
    ['/ is a slash', none, 'ask'],
  ])('%s', (line, context, command) => {
    expect(parseCommandLine(line, context).command).toBe(command);
  });
});

describe('files of a request', () => {
  const file = (kind: MediaKind): FileRef => ({
    key: 'a'.repeat(64),
    kind,
    name: `a ${kind}`,
    mime: `${kind}/x`,
    bytes: 1,
  });
  const ask = { command: 'ask', text: 'What is this?', action: 'new' } as const;
  const generate = { command: 'generate', text: '', action: 'new' } as const;

  it('are those that came with it, else the last track', () => {
    expect(chooseFiles(ask, [file('image')], file('audio'))).toEqual([file('image')]);
    expect(chooseFiles(ask, [], file('audio'))).toEqual([file('audio')]);
    expect(chooseFiles(ask, [], undefined)).toEqual([]);
    expect(chooseFiles({ ...generate, text: 'calm' }, [], file('audio'))).toEqual([]);
    expect(chooseFiles({ ...generate, action: 'extend' }, [], file('audio'))).toEqual([file('audio')]);
  });

  it('are refused where they cannot be used or are missing', () => {
    const remix = { command: 'remix', text: 'slower', action: 'new' } as const;
    expect(() => chooseFiles(remix, [file('image')], undefined)).toThrow(
      /is a picture: \/remix takes a song or a clip/,
    );
    expect(() => chooseFiles(remix, [file('audio'), file('audio')], undefined)).toThrow(/one file at most/);
    expect(() => chooseFiles(remix, [], undefined)).toThrow(/nothing to remix yet/);
    expect(() => chooseFiles({ ...generate, action: 'extend' }, [], undefined)).toThrow(
      /nothing to extend yet/,
    );
    expect(() => chooseFiles({ ...generate, action: 'extend' }, [file('image')], undefined)).toThrow(
      /--extend takes/,
    );
    expect(() => chooseFiles({ command: 'describe', text: '', action: 'new' }, [], undefined)).toThrow(
      /attach a song/,
    );
    expect(() => chooseFiles(generate, [], file('audio'))).toThrow(/Say what the music/);
  });
});

describe('help and completion', () => {
  const labels = (line: string) => complete(line, COMMANDS).map((completion) => completion.label);

  it('names every command and every option of one', () => {
    for (const command of COMMANDS) expect(helpText()).toContain(`/${command.name}`);
    expect(helpText('generate')).toMatch(/--seconds N: length of new music/);
    expect(helpText('settings')).toMatch(/^\/settings seconds N: length of new music/m);
  });

  it('completes commands, options and values', () => {
    expect(labels('/')).toHaveLength(COMMANDS.length);
    expect(labels('/re')).toEqual(['/remix INSTRUCTION']);
    expect(labels('/generate a waltz --se')).toEqual(['--seconds N', '--seed N']);
    expect(labels('/generate a waltz --seconds 20 --se')).toEqual(['--seed N']);
    expect(complete('/generate a waltz --format m', COMMANDS)[0]?.line).toBe(
      '/generate a waltz --format mp3 ',
    );
    expect(labels('/help re')).toEqual(['remix']);
    expect(labels('/settings ')).toEqual(expect.arrayContaining(['seconds N', 'voice on|off', 'forget me']));
    expect(labels('/settings fo')).toEqual(['format FORMAT', 'forget me']);
    expect(complete('/settings language zh', COMMANDS).map(({ line }) => line)).toEqual([
      '/settings language zh-CN',
    ]);
    expect(labels('/settings seconds 2')).toEqual([]);
    expect(labels('what about -')).toEqual([]);
  });

  it('gives examples that can be read', () => {
    for (const command of COMMANDS) {
      for (const example of command.examples) expect(asked(example).command).toBe(command.name);
    }
  });
});
