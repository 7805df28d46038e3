import { beforeAll, describe, expect, it } from 'vitest';
import { captionFor, fitCaption, leftOutNote } from '#inference/jobs/caption';
import { tidy } from '#inference/language/answer-text';
import type { PackTokenizer } from '#inference/language/tokens';
import { randomTokenizer } from '#test/support/random-pack';

let tokenizer: PackTokenizer;

beforeAll(async () => {
  tokenizer = await randomTokenizer();
});

const tokens = (text: string) => tokenizer.encode(text).length;
const within = (room: number) => (text: string) => tidy(text) === text && tokens(text) <= room;
/** As much room as some other words take. */
const roomOf = (text: string) => within(tokens(text));

describe('captions', () => {
  const answer = { text: 'A quiet evening.', calledForMusic: false };

  it("are the answer's, the user's own words, or the answer itself", () => {
    expect(captionFor({ text: 'Here is a waltz, for snow.', calledForMusic: false }, 'snow')).toEqual({
      text: 'a waltz',
      own: false,
    });
    expect(captionFor({ ...answer, calledForMusic: true }, 'x')).toEqual({
      text: 'A quiet evening',
      own: false,
    });
    expect(captionFor(answer, ' a  slow\nwaltz. ')).toEqual({ text: 'a slow waltz', own: true });
    expect(captionFor(answer, ' ')).toEqual({ text: 'A quiet evening', own: false });
    expect(captionFor({ text: '', calledForMusic: false }, '')).toEqual({ text: 'music', own: false });
    // Whole, however long: what does not fit is for fitCaption to say.
    expect(captionFor(answer, 'la '.repeat(500)).text).toHaveLength(1499);
  });

  it.each(['a slow waltz at 90 bpm', 'a waltz, slow,', '静かな夜の曲'])(
    'that fit stay as they are: %s',
    (caption) => {
      expect(fitCaption(caption, roomOf(caption))).toEqual({ text: caption, leftOut: '' });
    },
  );

  it('are cut between words, and what is left out is named', () => {
    const caption = 'a folk dance with fiddle and tin whistle, slowly building up to a big ending';
    expect(fitCaption(caption, roomOf('a folk dance with fiddle and tin whistle, sl'))).toEqual({
      text: 'a folk dance with fiddle and tin whistle',
      leftOut: 'slowly building up to a big ending',
    });
  });

  it('keep a tempo from behind the cut, one from before it where it is', () => {
    const caption = 'a folk dance with fiddle and tin whistle, building up to an ending at 120 bpm, all live';
    const room = roomOf('a folk dance with fiddle and tin whistle at 120 bpm');
    expect(fitCaption(caption, room)).toEqual({
      text: 'a folk dance with fiddle and tin whistle at 120 bpm',
      leftOut: 'building up to an ending, all live',
    });
    const early = 'a 120 bpm folk dance with fiddle and tin whistle, building up to an ending';
    expect(fitCaption(early, roomOf('a 120 bpm folk dance with fiddle'))).toEqual({
      text: 'a 120 bpm folk dance with fiddle',
      leftOut: 'and tin whistle, building up to an ending',
    });
  });

  it('never leave half a tempo or half a letter, wherever the cut falls', () => {
    for (const caption of [
      'a slow dance with fiddle at 96 bpm, in the rain',
      '🎵👩‍🎤静かな夜の曲'.repeat(9),
    ]) {
      for (let room = tokens('at 96 bpm'); room < tokens(caption); room++) {
        const { text, leftOut } = fitCaption(caption, within(room));
        expect(tokens(text)).toBeLessThanOrEqual(room);
        expect(text).not.toMatch(/\p{Surrogate}/u);
        expect(leftOut).not.toBe('');
        if (caption.includes('bpm')) expect(text).toMatch(/(^|\bwith |[a-z] )at 96 bpm(, in( the)?)?$/);
        else expect(text + leftOut).toBe(caption);
      }
    }
  });

  it('longer than a caption may be are cut there, whatever the encoder reads', () => {
    const { text, leftOut } = fitCaption(
      captionFor(answer, `${'la '.repeat(200)}at 90 bpm`).text,
      within(9999),
    );
    expect(text.length).toBeLessThanOrEqual(300);
    expect(text).toMatch(/^la .* la at 90 bpm$/);
    expect(`${text} ${leftOut}`.match(/la/g)).toHaveLength(200);
    expect(leftOutNote(leftOut)).toMatch(/left out: "la la .* la…"\.$/);
    expect(leftOutNote(leftOut).length).toBeLessThan(220);
    expect(leftOutNote('in the rain')).toMatch(/left out: "in the rain"\.$/);
  });
});
