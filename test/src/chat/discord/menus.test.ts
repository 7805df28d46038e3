import { InteractionResponseType } from 'discord-api-types/v10';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '#test/src/chat/discord/support/bot';
import type { EngineDouble } from '#test/src/chat/discord/support/engine-double';
import {
  APPLICATION,
  BOT,
  CHANNEL,
  type LocalDiscord,
  THREAD_CHANNEL,
} from '#test/src/chat/discord/support/local-discord';
import { buttonsOn, Person } from '#test/src/chat/discord/support/people';
import { Stage } from '#test/src/chat/discord/support/stage';

let stage: Stage;
let discord: LocalDiscord;
let engine: EngineDouble;

beforeAll(async () => {
  stage = await Stage.open();
  ({ discord, engine } = stage);
});
afterEach(() => {
  expect(discord.rest.problems).toEqual([]);
});
afterAll(() => stage?.close());

describe('commands on a message', () => {
  it('"Music for this" starts at once', async () => {
    const ana = new Person(discord, 'ana');
    const song = new Person(discord, 'ben').message('', [stage.song()]);
    await stage.ended(ana.menu('Music for this', song));
    expect(engine.requests.at(-1)).toMatchObject({ command: 'generate', files: [{ name: 'song.mp3' }] });
  });

  it('"Ask about this" and "Remix this" ask in a form first', async () => {
    const ana = new Person(discord, 'ana');
    const notes = discord.attach('cover.png', 'image/png', Buffer.from('no picture'));
    const song = new Person(discord, 'ben').message('', [notes, stage.song()]);
    const ask = ana.menu('Ask about this', song);
    const modal = await until(() => ask.modal);
    expect(modal.title).toBe('Ask about this');
    const remix = ana.menu('Remix this', song);
    await until(() => remix.modal);
    // A song has to be remixed, not its cover.
    await stage.ended(ana.submit(remix, '20 % faster'));
    expect(engine.requests.at(-1)).toMatchObject({
      ...{ command: 'remix', text: '20 % faster', files: [{ name: 'song.mp3' }] },
    });
    const plain = ana.menu('Ask about this', { ...song, attachments: [stage.song()] });
    await until(() => plain.modal);
    await stage.ended(ana.submit(plain, 'How fast?'));
    expect(engine.requests.at(-1)).toMatchObject({ command: 'ask', text: 'How fast?' });
  });

  it('says that a message has no file; the bot’s own picture of a sound is none', async () => {
    const ana = new Person(discord, 'ana');
    const bare = ana.menu('Remix this', new Person(discord, 'ben').message('words', []));
    expect(await stage.whisper(bare)).toContain('no file in that message');
    const picture = discord.attach('waveform.png', 'image/png', Buffer.from('x'));
    const ours = new Person(discord, 'mumu').message('', [picture, stage.song('track.mp3')]);
    Object.assign(ours, { application_id: APPLICATION, author: { ...ours.author, id: BOT } });
    const open = ana.menu('Music for this', ours);
    await stage.ended(open);
    expect(engine.requests.at(-1)?.files.map(({ name }) => name)).toEqual(['track.mp3']);
  });

  it('a form that was open too long says so', async () => {
    const ana = new Person(discord, 'ana');
    const opened = ana.menu('Ask about this', ana.message('', [stage.song()]));
    const modal = await until(() => opened.modal);
    modal.custom_id = 'form:ask:1';
    await stage.ended(ana.submit(opened, 'What?'), 'open it again');
  });

  it('the addresses of files lie in Redis under seal only', async () => {
    const ana = new Person(discord, 'ana');
    const opened = ana.menu('Ask about this', ana.message('', [stage.song('secret-song.mp3')]));
    await until(() => opened.modal);
    const { redis } = stage.bot.services;
    const connection = redis.connect('producer');
    const key = `${redis.prefix}:discord:form:${opened.id}`;
    const kept = await connection.get(key);
    expect(kept).not.toBeNull();
    expect(kept).not.toContain('secret-song');
    expect(await connection.pttl(key)).toBeGreaterThan(0);
    connection.disconnect();
  });
});

describe('buttons', () => {
  it('again, vary and extend make new messages; remix asks in a form', async () => {
    const ana = new Person(discord, 'ana');
    const made = await stage.ended(ana.slash('generate', { prompt: 'a tango', seconds: 2 }));
    const first = engine.requests.at(-1);
    for (const [label, expected] of [
      ['Again', { command: 'generate', text: 'a tango' }],
      ['Vary', { command: 'generate', text: 'a tango', action: 'vary' }],
      ['Extend', { command: 'generate', action: 'extend', files: [{ name: 'track.mp3' }] }],
    ] as const) {
      const pressed = ana.press(made, label);
      const next = await stage.ended(pressed);
      expect(next.id).not.toBe(made.id);
      expect(engine.requests.at(-1)).toMatchObject({ ...expected, id: `d${pressed.id}` });
      expect(engine.requests.at(-1)?.options.seed).not.toBe(first?.options.seed);
    }
    const pressed = ana.press(made, 'Remix');
    const modal = await until(() => pressed.modal);
    expect(modal.title).toBe('Remix this track');
    const remixed = await stage.ended(ana.submit(pressed, 'slower'));
    expect(engine.requests.at(-1)).toMatchObject({
      ...{ command: 'remix', text: 'slower', files: [{ name: 'track.mp3' }] },
    });
    // From a remix on, the form holds what was said last.
    const refilled = ana.press(remixed, 'Remix');
    expect(JSON.stringify(await until(() => refilled.modal))).toContain('"value":"slower"');
  });

  it('are for the one who asked; in a thread for everybody in it, but cancel', async () => {
    const ana = new Person(discord, 'ana');
    const eve = new Person(discord, 'eve');
    const made = await stage.ended(ana.slash('generate', { prompt: 'mine' }));
    const count = engine.requests.length;
    for (const label of ['Again', 'Extend', 'Remix']) {
      expect(await stage.whisper(eve.press(made, label))).toContain('Only the person who asked');
    }
    expect(engine.requests).toHaveLength(count);

    const thread = { channel: THREAD_CHANNEL };
    const shared = await stage.ended(ana.slash('generate', { prompt: 'ours' }, thread));
    await stage.ended(eve.press(shared, 'Extend', thread));
    expect(engine.requests.at(-1)).toMatchObject({ user: `discord:${eve.id}`, action: 'extend' });

    engine.hold();
    const open = ana.slash('generate', { prompt: 'long' }, thread);
    const running = await stage.ended(open, 'Composing');
    expect(await stage.whisper(eve.press(running, 'Cancel', thread))).toContain('Only the person');
    engine.release();
    await stage.ended(open);
  });

  it('cancel stops what runs and changes its own message', async () => {
    const ana = new Person(discord, 'ana');
    engine.hold();
    const open = ana.slash('generate', { prompt: 'long' });
    const running = await stage.ended(open, 'Composing');
    const pressed = ana.press(running, 'Cancel');
    const message = await stage.ended(open, 'Cancelled.');
    engine.release();
    expect(pressed.responses).toEqual([{ type: InteractionResponseType.DeferredMessageUpdate }]);
    expect(message.id).toBe(running.id);
    expect(buttonsOn(message)).toEqual([]);
    expect(discord.in(CHANNEL).filter(({ interaction }) => interaction === pressed.id)).toEqual([]);
  });
});
