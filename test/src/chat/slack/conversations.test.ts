import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Request } from '#contracts/request';
import type { ResultFile } from '#contracts/result';
import { wordsFor } from '#src/chat/delivery/words';
import type { JobContext } from '#src/queue/consume';
import { startTestBot, type TestBot } from '#test/src/chat/slack/support/bot';
import { buttonsOf, shownIn, until } from '#test/src/chat/slack/support/driver';
import {
  ALICE,
  BORIS,
  BOT,
  BOT_USER,
  DIRECT_ALICE,
  DIRECT_BORIS,
  GENERAL,
  type Message,
  SECRET,
} from '#test/src/chat/slack/support/workspace';
import { blackPng, tone } from '#test/support/media-fixtures';
import { makeResult } from '#test/support/requests';

describe.each(['socket', 'http'] as const)('Slack over %s', (mode) => {
  let bot: TestBot;
  let song: Buffer;
  let track: ResultFile;
  /** Requests the worker was given. */
  let requests: Request[] = [];

  beforeAll(async () => {
    bot = await startTestBot({ mode });
    const path = tone(join(bot.folder, 'song.mp3'), { seconds: 1 });
    song = await readFile(path);
    const content = { kind: 'audio', mime: 'audio/mpeg', seconds: 1 } as const;
    const { key, bytes } = await bot.opened.services.storage.putFile(path, content);
    track = { key, bytes, name: 'result.mp3', mime: 'audio/mpeg', seconds: 1 };
    bot.handle = async (request) => {
      requests.push(request);
      const makesMusic = request.command === 'generate' || request.command === 'remix';
      return makeResult(request, { text: `about: ${request.text}`, files: makesMusic ? [track] : [] });
    };
  });
  afterAll(async () => {
    await bot?.close();
  });
  afterEach(() => {
    expect(bot.server.api.problems.splice(0)).toEqual([]);
    requests = [];
  });

  const messages = () => bot.server.workspace.messages;
  /** Messages of the bot that are no shared files. */
  const answers = () => messages().filter(({ bot_id, files }) => bot_id === BOT && files.length === 0);
  const uploads = () => messages().filter(({ bot_id, files }) => bot_id === BOT && files.length > 0);
  const isDone = (message: Message) => shownIn(message).includes('mini · ');
  /** The bot's next status message once it is answered, counted from how many there were. */
  const answerAfter = (before: number) =>
    until('an answer', () => {
      const message = answers()[before];
      return message !== undefined && isDone(message) ? message : undefined;
    });
  const told = async (before: number) =>
    (await until('a word to one person', () => bot.server.told[before])).text;
  const upload = () => bot.driver.file('song.mp3', 'audio/mpeg', song);

  /** A track made by a command in the channel, with its status message. */
  async function makeTrack(user = ALICE, channel = GENERAL): Promise<Message> {
    const before = answers().length;
    await bot.driver.command(user, channel, '/generate', 'a calm waltz --seed 7');
    return answerAfter(before);
  }

  describe('slash commands', () => {
    it('compose: one message from queue to result, the track once in its thread', async () => {
      const [before, tracks] = [answers().length, uploads().length];
      await bot.driver.command(ALICE, GENERAL, '/generate', 'a calm waltz --seconds 5 --seed 7');
      const answer = await answerAfter(before);
      expect(requests).toMatchObject([
        { command: 'generate', text: 'a calm waltz', options: { seconds: 5, seed: 7 } },
      ]);
      expect(requests[0]).toMatchObject({ user: `slack:T0TEAM:${ALICE}`, server: 'slack:T0TEAM' });
      expect(answer).toMatchObject({ channel: GENERAL, text: 'about: a calm waltz' });
      expect(answer.thread_ts).toBeUndefined();
      expect(shownIn(answer)).toMatch(/result\.mp3>[\s\S]*seed 7 · pack mini/);
      expect(buttonsOf(answer).map(({ action_id }) => action_id.split(':')[0])).toEqual([
        'again',
        'vary',
        'extend',
        'remix',
      ]);
      expect(answers()).toHaveLength(before + 1);
      expect(uploads()).toHaveLength(tracks + 1);
      const [file] = uploads().at(-1)?.files ?? [];
      expect(uploads().at(-1)).toMatchObject({ channel: GENERAL, thread_ts: answer.ts });
      expect(bot.server.workspace.files.get(file?.id ?? '')?.content.equals(song)).toBe(true);
    });

    it('remix and describe the last track of the same person in the channel, not somebody else’s', async () => {
      await makeTrack();
      let before = answers().length;
      await bot.driver.command(ALICE, GENERAL, '/remix', '20 % slower');
      await answerAfter(before);
      before = answers().length;
      await bot.driver.command(ALICE, GENERAL, '/describe');
      await answerAfter(before);
      before = answers().length;
      await bot.driver.command(ALICE, GENERAL, '/ask', 'Which key is it in?');
      await answerAfter(before);
      expect(requests.slice(1).map(({ command, files }) => `${command} ${files.length}`)).toEqual([
        'remix 1',
        'describe 1',
        'ask 1',
      ]);
      before = answers().length;
      await bot.driver.command(BORIS, GENERAL, '/remix', 'slower');
      // In the language Boris uses Slack in.
      const words = wordsFor('de');
      await until('a refusal', () => answers()[before]);
      await until('its words', () => shownIn(answers()[before] as Message).startsWith(words.failed));
      expect(requests).toHaveLength(4);
    });

    it('that are answered at once are shown to the one who asked, and post nothing', async () => {
      const [posted, heard] = [answers().length, bot.server.told.length];
      await bot.driver.command(ALICE, GENERAL, '/mumu-help', 'generate');
      expect(await told(heard)).toContain('--seconds');
      await bot.driver.command(ALICE, GENERAL, '/mumu-queue');
      expect(await told(heard + 1)).toContain('running');
      await bot.driver.command(ALICE, GENERAL, '/mumu-cancel');
      expect(await told(heard + 2)).toContain('nothing to cancel');
      await bot.driver.command(ALICE, GENERAL, '/mumu-settings', 'seconds 9');
      expect(await told(heard + 3)).toContain('9');
      await bot.driver.command(ALICE, GENERAL, '/mumu-settings', 'reset');
      await told(heard + 4);
      await bot.driver.command(ALICE, GENERAL, '/generate', '--seconds nonsense');
      expect(await told(heard + 5)).toContain('--seconds');
      await bot.driver.command(ALICE, GENERAL, '/mumu', 'help');
      expect(await told(heard + 6)).toContain('/generate');
      expect(bot.server.told.slice(heard).every(({ response_type }) => response_type === 'ephemeral')).toBe(
        true,
      );
      expect(answers()).toHaveLength(posted);
    });

    it('take plain words and commands behind /mumu', async () => {
      const before = answers().length;
      await bot.driver.command(ALICE, GENERAL, '/mumu', 'compose a march');
      await answerAfter(before);
      await bot.driver.command(ALICE, GENERAL, '/mumu', 'ask What is a fugue?');
      await answerAfter(before + 1);
      expect(requests.map(({ command, text }) => `${command}: ${text}`)).toEqual([
        'generate: compose a march',
        'ask: What is a fugue?',
      ]);
    });

    it('answer directly where the bot is no member of the channel', async () => {
      const before = answers().length;
      await bot.driver.command(ALICE, SECRET, '/ask', 'What is a fugue?');
      const answer = await answerAfter(before);
      expect(answer.channel).toBe(DIRECT_ALICE);
      expect(shownIn(answer)).toContain('/invite');
    });

    it('forget a person', async () => {
      await makeTrack(BORIS, DIRECT_BORIS);
      const heard = bot.server.told.length;
      await bot.driver.command(BORIS, DIRECT_BORIS, '/mumu-settings', 'forget me');
      expect(await told(heard)).toMatch(/\d/);
      await bot.driver.openHome(BORIS);
      const home = await until('the Home tab', () => bot.server.api.homes.get(BORIS));
      expect(JSON.stringify(home)).toContain('None yet.');
    });
  });

  describe('conversations', () => {
    it('begin with a mention and a file, told twice and again, and go on in the thread', async () => {
      const before = answers().length;
      const asked = await bot.driver.say(ALICE, GENERAL, `<@${BOT_USER}> Which instrument &amp; key?`, {
        files: [upload()],
        times: 2,
      });
      const answer = await answerAfter(before);
      expect(answer.thread_ts).toBe(asked.ts);
      expect(requests).toMatchObject([
        { command: 'ask', text: 'Which instrument & key?', files: [{ name: 'song.mp3' }] },
      ]);
      await bot.driver.say(BORIS, GENERAL, `<@${BOT_USER}> slower please`, { thread: asked.ts });
      await bot.driver.say(ALICE, GENERAL, `<@${BOT_USER}> make it slower`, { thread: asked.ts });
      const remixed = await answerAfter(before + 2);
      expect(remixed.thread_ts).toBe(asked.ts);
      expect(requests).toHaveLength(3);
      expect(requests.at(-1)).toMatchObject({ command: 'remix', files: [{ name: 'song.mp3' }] });
      expect(uploads().at(-1)?.thread_ts).toBe(asked.ts);
    });

    it('are about the song a thread began with', async () => {
      const root = await bot.driver.say(BORIS, GENERAL, 'listen to this', { files: [upload()] });
      const before = answers().length;
      await bot.driver.say(ALICE, GENERAL, `<@${BOT_USER}>`, { thread: root.ts, files: [] });
      await until('help', () => answers()[before]);
      await bot.driver.say(ALICE, GENERAL, `<@${BOT_USER}> How fast is it?`, { thread: root.ts });
      await answerAfter(before + 1);
      expect(requests).toMatchObject([{ command: 'ask', files: [{ name: 'song.mp3' }] }]);
    });

    it('go on in the thread of a command’s result', async () => {
      const made = await makeTrack();
      const before = answers().length;
      await bot.driver.say(ALICE, GENERAL, `<@${BOT_USER}> make it faster`, { thread: made.ts });
      const answer = await answerAfter(before);
      expect(answer.thread_ts).toBe(made.ts);
      expect(requests.at(-1)).toMatchObject({ command: 'remix', files: [{ name: 'result.mp3' }] });
      expect(requests.at(-1)?.conversation).toBe(requests[0]?.conversation);
    });

    it('need no mention in a direct message', async () => {
      const before = answers().length;
      await bot.driver.say(ALICE, DIRECT_ALICE, 'describe this', { files: [upload()] });
      const answer = await answerAfter(before);
      expect(answer).toMatchObject({ channel: DIRECT_ALICE });
      expect(answer.thread_ts).toBeUndefined();
      await bot.driver.say(ALICE, DIRECT_ALICE, 'slower');
      await answerAfter(before + 1);
      expect(requests.at(-1)).toMatchObject({ command: 'remix' });
      expect(uploads().at(-1)).toMatchObject({ channel: DIRECT_ALICE });
      expect(uploads().at(-1)?.thread_ts).toBeUndefined();
      await bot.driver.say(ALICE, DIRECT_ALICE, 'help remix');
      const help = await until('help', () => answers()[before + 2]);
      await until('its text', () => shownIn(help).includes('20 % slower'));
    });

    it('do not hear what is said to others, nor the bot itself', async () => {
      const before = answers().length;
      await bot.driver.say(ALICE, GENERAL, 'compose a march');
      await bot.driver.event('message.channels', {
        ...{ type: 'message', channel: GENERAL, user: BOT_USER, bot_id: BOT, ts: '1.000001' },
        text: `<@${BOT_USER}> compose a march`,
      });
      await bot.driver.event('message.im', {
        ...{ type: 'message', subtype: 'message_changed', channel: DIRECT_ALICE, ts: '1.000002' },
        message: { text: 'compose a march', user: ALICE },
      });
      await bot.driver.command(ALICE, GENERAL, '/ask', 'Last?');
      await answerAfter(before);
      expect(requests).toMatchObject([{ text: 'Last?' }]);
    });

    it('refuse what is no file of Slack’s, or no music', async () => {
      const page = upload();
      const stored = bot.server.workspace.files.get(page.id);
      if (stored !== undefined) stored.contentType = 'text/html; charset=utf-8';
      await bot.driver.say(ALICE, DIRECT_ALICE, '', { files: [page] });
      await until('a refusal', () => answers().some((message) => shownIn(message).includes('web page')));
      const elsewhere = { ...upload(), url_private_download: 'http://127.0.0.1:1/song.mp3' };
      const known = bot.server.workspace.files.get(elsewhere.id);
      if (known !== undefined) known.object = elsewhere;
      await bot.driver.say(ALICE, DIRECT_ALICE, '', { files: [elsewhere] });
      await until('a refusal', () =>
        answers().some((message) => shownIn(message).includes('platform itself')),
      );
      const text = bot.driver.file('words.mp3', 'audio/mpeg', Buffer.from('only words'));
      await bot.driver.say(ALICE, DIRECT_ALICE, '', { files: [text] });
      await until('a refusal', () => answers().some((message) => shownIn(message).includes('words.mp3')));
      expect(requests).toEqual([]);
    });
  });

  describe('shortcuts', () => {
    const picture = async () =>
      bot.driver.file('beach.png', 'image/png', await readFile(blackPng(join(bot.folder, 'p.png'), 32, 32)));

    it('ask about a message’s file in a form', async () => {
      const message = await bot.driver.say(BORIS, GENERAL, 'my song', { files: [upload()] });
      const [before, forms] = [answers().length, bot.server.api.views.length];
      await bot.driver.messageShortcut(ALICE, 'Ask about this', message);
      const form = await until('the form', () => bot.server.api.views[forms]);
      await bot.driver.submit(form, { text: 'Who plays?' });
      const answer = await answerAfter(before);
      expect(answer).toMatchObject({ channel: GENERAL, thread_ts: message.ts });
      expect(requests).toMatchObject([{ command: 'ask', text: 'Who plays?', files: [{ name: 'song.mp3' }] }]);
    });

    it('make music for a picture at once, once however often it is delivered', async () => {
      const message = await bot.driver.say(BORIS, GENERAL, 'the beach', { files: [await picture()] });
      const before = answers().length;
      const trigger = bot.server.api.newTrigger(ALICE);
      await bot.driver.messageShortcut(ALICE, 'Music for this', message, trigger);
      await bot.driver.messageShortcut(ALICE, 'Music for this', message, trigger);
      await answerAfter(before);
      expect(requests).toMatchObject([
        { command: 'generate', files: [{ kind: 'image', name: 'beach.png' }] },
      ]);
      expect(answers()).toHaveLength(before + 1);
    });

    it('remix a message’s song by a form', async () => {
      const message = await bot.driver.say(BORIS, GENERAL, 'my song', { files: [upload()] });
      const [before, forms] = [answers().length, bot.server.api.views.length];
      await bot.driver.messageShortcut(BORIS, 'Remix this', message);
      const form = await until('the form', () => bot.server.api.views[forms]);
      await bot.driver.submit(form, { text: 'a tone up' });
      const answer = await answerAfter(before);
      expect(answer.thread_ts).toBe(message.ts);
      expect(requests).toMatchObject([
        { command: 'remix', text: 'a tone up', files: [{ name: 'song.mp3' }] },
      ]);
    });

    it('say so where there is no file', async () => {
      const message = await bot.driver.say(BORIS, GENERAL, 'just words');
      const heard = bot.server.told.length;
      for (const name of ['Ask about this', 'Music for this', 'Remix this']) {
        await bot.driver.messageShortcut(ALICE, name, message);
      }
      await told(heard + 2);
      expect(bot.server.told.slice(heard).every(({ text }) => text.includes('no file'))).toBe(true);
    });
  });

  describe('forms', () => {
    it('take files: from /mumu, answered in the channel', async () => {
      const [before, forms] = [answers().length, bot.server.api.views.length];
      await bot.driver.command(ALICE, GENERAL, '/mumu');
      const form = await until('the form', () => bot.server.api.views[forms]);
      const values = { command: 'generate', text: 'as calm as this', seconds: '4', files: [upload()] };
      await bot.driver.submit(form, values);
      const answer = await answerAfter(before);
      expect(answer.channel).toBe(GENERAL);
      expect(requests).toMatchObject([
        {
          command: 'generate',
          text: 'as calm as this',
          options: { seconds: 4 },
          files: [{ name: 'song.mp3' }],
        },
      ]);
      // The same form delivered again is the same request.
      await bot.driver.submit(form, values);
      expect(answers()).toHaveLength(before + 1);
    });

    it('say what is missing and stay open', async () => {
      const forms = bot.server.api.views.length;
      await bot.driver.globalShortcut(ALICE, 'Music from files');
      const form = await until('the form', () => bot.server.api.views[forms]);
      const answer = await bot.driver.submit(form, { command: 'ask', text: '', files: [upload()] });
      expect(answer).toMatchObject({
        response_action: 'errors',
        errors: { text: expect.stringContaining('/ask') },
      });
    });

    it('open from the Home tab, which lists the last jobs, and answer directly', async () => {
      const made = await makeTrack();
      await bot.driver.openHome(ALICE);
      const home = JSON.stringify(await until('the Home tab', () => bot.server.api.homes.get(ALICE)));
      expect(home).toContain(`archives/${GENERAL}/p${made.ts.replace('.', '')}|generate> · done`);
      const [before, forms] = [answers().length, bot.server.api.views.length];
      await bot.driver.pressHome(ALICE, 'home_new_request');
      const form = await until('the form', () => bot.server.api.views[forms]);
      await bot.driver.submit(form, { command: 'describe', files: [upload()] });
      expect(await answerAfter(before)).toMatchObject({ channel: DIRECT_ALICE });
      // What is said directly goes on with it.
      await bot.driver.say(ALICE, DIRECT_ALICE, 'slower');
      await answerAfter(before + 1);
      expect(requests.at(-1)).toMatchObject({ command: 'remix', files: [{ name: 'song.mp3' }] });
    });
  });

  describe('buttons', () => {
    it('again, vary and extend make new messages in the thread of the result', async () => {
      const made = await makeTrack();
      const before = answers().length;
      await bot.driver.press(ALICE, made, 'again:');
      await answerAfter(before);
      await bot.driver.press(ALICE, made, 'vary:');
      await answerAfter(before + 1);
      await bot.driver.press(ALICE, made, 'extend:');
      const extended = await answerAfter(before + 2);
      expect(extended.thread_ts).toBe(made.ts);
      const [first, ...pressed] = requests;
      expect(pressed.map((request) => (request.command === 'generate' ? request.action : ''))).toEqual([
        'new',
        'vary',
        'extend',
      ]);
      expect(pressed.every(({ conversation }) => conversation === first?.conversation)).toBe(true);
      expect(pressed.at(-1)?.files).toMatchObject([{ key: track.key }]);
    });

    it('remix opens a form with the last instruction filled in', async () => {
      const made = await makeTrack();
      const [before, forms] = [answers().length, bot.server.api.views.length];
      await bot.driver.press(ALICE, made, 'remix:');
      const form = await until('the form', () => bot.server.api.views[forms]);
      await bot.driver.submit(form, { text: 'slower' });
      const remixed = await answerAfter(before);
      expect(requests.at(-1)).toMatchObject({
        command: 'remix',
        text: 'slower',
        files: [{ key: track.key }],
      });
      await bot.driver.press(ALICE, remixed, 'remix:');
      const again = await until('the form', () => bot.server.api.views[forms + 1]);
      expect(JSON.stringify(again.view)).toContain('"initial_value":"slower"');
    });

    it('cancel what runs', async () => {
      const usual = bot.handle;
      let started = false;
      bot.handle = (_request, { signal }: JobContext) =>
        new Promise((_resolve, reject) => {
          started = true;
          signal.addEventListener('abort', () => reject(new Error('stopped')));
        });
      const before = answers().length;
      await bot.driver.command(ALICE, GENERAL, '/generate', 'forever');
      const message = await until('a cancel button', () => {
        const shown = answers()[before];
        return started && shown !== undefined && buttonsOf(shown).length > 0 ? shown : undefined;
      });
      const heard = bot.server.told.length;
      await bot.driver.press(BORIS, message, 'cancel:');
      expect(await told(heard)).toContain('someone else');
      await bot.driver.press(ALICE, message, 'cancel:');
      await until('the end', () => shownIn(message).includes('Cancelled'));
      expect(buttonsOf(message)).toEqual([]);
      bot.handle = usual;
    });

    it('refuse everyone but the one who asked', async () => {
      const made = await makeTrack();
      const [heard, posted] = [bot.server.told.length, answers().length];
      for (const button of ['again:', 'vary:', 'extend:', 'remix:'])
        await bot.driver.press(BORIS, made, button);
      await told(heard + 3);
      expect(bot.server.told.slice(heard).every(({ text }) => text.includes('someone else'))).toBe(true);
      expect(answers()).toHaveLength(posted);
      expect(requests).toHaveLength(1);
    });
  });

  it('shows an answer as it grows, edited and never posted again', async () => {
    const usual = bot.handle;
    let finish = () => undefined as unknown;
    bot.handle = async (request, { onProgress }) => {
      onProgress({ type: 'text', text: 'It begins <!channel>' });
      onProgress({ type: 'stage', stage: 'language', fraction: 0.5 });
      await new Promise((resolve) => {
        finish = () => resolve(undefined);
      });
      return makeResult(request, { text: 'It begins and ends' });
    };
    const before = answers().length;
    await bot.driver.command(ALICE, GENERAL, '/ask', 'Tell me');
    const message = await until('a status', () => answers()[before]);
    await until('the beginning', () => shownIn(message).includes('It begins &lt;!channel&gt;'));
    expect(shownIn(message)).toMatch(/▰+▱+ 50 %/);
    finish();
    await until('the end', () => isDone(message));
    expect(answers()).toHaveLength(before + 1);
    bot.handle = usual;
  });

  it('sends a text that is too long for a message as a file', async () => {
    const usual = bot.handle;
    const text = 'word '.repeat(4000).trim();
    bot.handle = async (request) => makeResult(request, { text });
    const before = answers().length;
    await bot.driver.command(ALICE, GENERAL, '/ask', 'Tell me all');
    const answer = await answerAfter(before);
    const [file] = uploads().at(-1)?.files ?? [];
    expect(file?.name).toMatch(/\.txt$/);
    expect(bot.server.workspace.files.get(file?.id ?? '')?.content.toString()).toBe(text);
    expect(shownIn(answer)).toContain('.txt>');
    bot.handle = usual;
  });

  if (mode === 'socket') {
    it('comes back when Slack renews the connection', async () => {
      expect(bot.slack.connected).toBe(true);
      bot.server.refresh();
      await until('the connection to end', () => bot.server.connections === 0);
      await until('a new connection', () => bot.server.connections === 1 && bot.slack.connected);
      await makeTrack();
    });
  }
});
