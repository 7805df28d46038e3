import { InteractionResponseType, MessageFlags } from 'discord-api-types/v10';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '#test/src/chat/discord/support/bot';
import type { EngineDouble } from '#test/src/chat/discord/support/engine-double';
import { CHANNEL, type LocalDiscord } from '#test/src/chat/discord/support/local-discord';
import { buttonsOn, Person } from '#test/src/chat/discord/support/people';
import type { OpenInteraction } from '#test/src/chat/discord/support/rest-api';
import { labelsOf, Stage } from '#test/src/chat/discord/support/stage';

let stage: Stage;
let discord: LocalDiscord;
let engine: EngineDouble;

beforeAll(async () => {
  stage = await Stage.open();
  ({ discord, engine } = stage);
});
afterEach(() => {
  // Every payload of every conversation is within Discord's limits, and no token was sent where none belongs.
  expect(discord.rest.problems).toEqual([]);
});
afterAll(() => stage?.close());

const ended = (open: OpenInteraction, words?: string) => stage.ended(open, words);

describe('slash commands', () => {
  it('/ask about a file goes from "thinking" over its stages to one answer', async () => {
    engine.hold();
    const ana = new Person(discord, 'ana');
    const open = ana.slash('ask', { question: 'What is it?', file: stage.song() });
    const message = await until(() => {
      const found = discord.messages.get(open.message ?? '');
      return found?.content.includes('Writing') ? found : undefined;
    });
    expect(open.responses).toEqual([
      { type: InteractionResponseType.DeferredChannelMessageWithSource, data: {} },
    ]);
    expect(message.content).toContain('50 %');
    expect(message.content).toContain('It is a');
    expect(labelsOf(message)).toEqual(['Cancel']);
    engine.release();
    const answer = await ended(open);
    expect(answer).toBe(message);
    expect(answer.content).toMatch(/^It is a waltz\.\n-# seed \d+ · pack mini · .* · job d\d+$/);
    expect(labelsOf(answer)).toEqual(['Again']);
    expect(engine.requests.at(-1)).toMatchObject({
      ...{ id: `d${open.id}`, command: 'ask', text: 'What is it?', user: `discord:${ana.id}` },
      ...{ conversation: `discord:${CHANNEL}:${ana.id}`, files: [{ kind: 'audio', name: 'song.mp3' }] },
    });
    expect(discord.in(CHANNEL)).toHaveLength(1);
  });

  it('/describe without words, /generate with options, /remix of what was generated', async () => {
    const ben = new Person(discord, 'ben');
    await ended(ben.slash('describe', { file: stage.song() }));
    expect(engine.requests.at(-1)).toMatchObject({ command: 'describe', text: '' });

    const values = { prompt: 'a waltz', seconds: 3, guidance: 2.5, format: 'mp3', seed: 42, 'top-p': 0.5 };
    const made = await ended(ben.slash('generate', values));
    expect(engine.requests.at(-1)).toMatchObject({
      ...{ command: 'generate', text: 'a waltz', action: 'new' },
      options: { seconds: 3, guidance: 2.5, format: 'mp3', seed: 42, topP: 0.5 },
    });
    expect(made.content).toContain('seed 42');
    expect(made.files.map(({ name, type }) => [name, type])).toEqual([
      ['track.mp3', 'audio/mpeg'],
      ['waveform.png', 'image/png'],
    ]);
    expect(made.files[1]?.bytes.subarray(1, 4).toString()).toBe('PNG');
    expect(made.attachments[1]?.description).toBe('Waveform of track.mp3');
    expect(labelsOf(made)).toEqual(['Again', 'Vary', 'Extend', 'Remix']);

    await ended(ben.slash('remix', { instruction: '20 % slower' }));
    const remix = engine.requests.at(-1);
    expect(remix).toMatchObject({ command: 'remix', text: '20 % slower', files: [{ name: 'track.mp3' }] });
    await ended(ben.slash('generate', { extend: true }));
    expect(engine.requests.at(-1)).toMatchObject({ command: 'generate', action: 'extend' });
  });

  it('keeps the files of two people in one channel apart', async () => {
    const eve = new Person(discord, 'eve');
    const open = eve.slash('remix', { instruction: 'slower' });
    const message = await ended(open, 'did not work');
    expect(message.content).toContain('There is nothing to remix yet');
    expect(buttonsOn(message)).toEqual([]);
  });

  it('/help, /queue, /settings and /cancel are answered to nobody else', async () => {
    const kim = new Person(discord, 'kim');
    const told = async (open: OpenInteraction, words: string) => {
      const message = await ended(open, words);
      expect(message.flags & MessageFlags.Ephemeral).not.toBe(0);
      return message.content;
    };
    expect(await told(kim.slash('help'), '/generate')).toContain('/remix');
    expect(await told(kim.slash('help', { topic: 'remix' }), '--guidance')).toContain('Example');
    expect(await told(kim.slash('settings', { set: { setting: 'seconds', value: '7' } }), 'set')).toContain(
      '7',
    );
    expect(await told(kim.slash('settings', { show: {} }), 'seconds')).toContain('seconds: 7');
    await told(kim.slash('settings', { reset: { setting: 'seconds' } }), 'not set any more');
    expect(await told(kim.slash('cancel'), 'nothing to cancel')).toBeTruthy();

    engine.hold();
    const open = kim.slash('generate', { prompt: 'long' });
    await until(() => engine.requests.some(({ id }) => id === `d${open.id}`));
    expect(await told(kim.slash('queue'), 'running')).toContain(`d${open.id}`);
    await told(kim.slash('cancel', { id: `d${open.id}` }), 'Stopping');
    engine.release();
    await ended(open, 'Cancelled.');
    const forgotten = await told(kim.slash('settings', { 'forget-me': {} }), 'eleted');
    expect(forgotten).toMatch(/\d/);
  });

  it('says at once, and to nobody else, what is wrong with an option', async () => {
    const open = new Person(discord, 'lou').slash('generate', { prompt: 'x', 'top-p': 0 });
    const [whisper] = await until(() => (open.whispers.length > 0 ? open.whispers : undefined));
    expect(whisper).toContain('top-p takes a number above 0 to 1');
    expect(open.message).toBeUndefined();
  });

  it('completes ids of open jobs, earlier seeds, packs and values of settings', async () => {
    const max = new Person(discord, 'max');
    const choices = (open: OpenInteraction) => until(() => open.choices);
    await ended(max.slash('generate', { prompt: 'a calm waltz', seed: 4711 }));
    expect(await choices(max.type('generate', 'seed', '47'))).toEqual([
      { name: '4711 · /generate a calm waltz', value: 4711 },
    ]);
    expect(await choices(max.type('ask', 'pack', ''))).toEqual([{ name: 'mini', value: 'mini' }]);
    expect(await choices(max.type('settings', 'value', 'w', { setting: 'format' }, 'set'))).toEqual([
      { name: 'wav', value: 'wav' },
    ]);
    engine.hold();
    const open = max.slash('generate', { prompt: 'x' });
    await until(() => engine.requests.some(({ id }) => id === `d${open.id}`));
    expect(await choices(max.type('cancel', 'id', ''))).toMatchObject([{ value: `d${open.id}` }]);
    engine.release();
    await ended(open);
  });

  it('speaks the person’s language', async () => {
    const jun = new Person(discord, 'jun', { locale: 'ja' });
    const message = await ended(jun.slash('generate', { prompt: 'x' }), 'シード');
    expect(labelsOf(message)).toEqual(['もう一度', 'アレンジ', '続きを作る', 'リミックス']);
  });
});
