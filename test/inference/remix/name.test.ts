import { describe, expect, it } from 'vitest';
import { cutText, fitFileName } from '#contracts/file-name';
import { remixName } from '#inference/remix/name';
import { cleanFileName } from '#src/chat/intake';

describe('the name of a remix', () => {
  it.each([
    ['waltz.mp3', 'waltz-remix'],
    ['waltz-remix.mp3', 'waltz-remix-2'],
    ['waltz-remix-2.flac', 'waltz-remix-3'],
    ['waltz-remix-9.mp3', 'waltz-remix-10'],
    // As they were called before.
    ['waltz-remix-remix-remix.mp3', 'waltz-remix-4'],
    ['waltz', 'waltz-remix'],
    ['Mr. Brown', 'Mr. Brown-remix'],
    ['live 2.0.wav', 'live 2.0-remix'],
    ['remix.mp3', 'remix-remix'],
    ['-remix.mp3', 'song-remix-2'],
    ['.mp3', 'song-remix'],
    ['', 'song-remix'],
    ['waltz-remix-99999.mp3', 'waltz-remix-99999-remix'],
  ])('%s becomes %s', (song, expected) => {
    expect(remixName(song)).toBe(expected);
  });

  it.each(['waltz', 'w'.repeat(255), 'ワルツ'.repeat(80), '👩‍🎤'.repeat(40), `a${'\u0301'.repeat(250)}`])(
    'stays short however often a song is remixed (%#)',
    (song) => {
      let name = `${song}.mp3`;
      for (let count = 0; count < 100; count++) {
        name = `${remixName(name)}.flac`;
        expect(name.length).toBeLessThanOrEqual(130);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(210);
        expect(name).not.toContain('\ufffd');
        // No half of a letter.
        expect(() => encodeURIComponent(name)).not.toThrow();
      }
      expect(name).toMatch(/-remix-100\.flac$/);
    },
  );
});

describe('a file name', () => {
  it('that fits stays as it is', () => {
    for (const name of ['', 'a.wav', `${'a'.repeat(251)}.wav`]) expect(fitFileName(name)).toBe(name);
  });

  it('that is too long, in characters or in bytes, loses the end before its ending', () => {
    expect(fitFileName(`${'a'.repeat(300)}.wav`)).toBe(`${'a'.repeat(251)}.wav`);
    const cut = fitFileName(`${'ж'.repeat(200)}.flac`);
    expect(cut).toBe(`${'ж'.repeat(125)}.flac`);
    expect(Buffer.byteLength(cut)).toBe(255);
  });

  it('that came in is short to read, in any script, and keeps its ending', () => {
    expect(cleanFileName(`../a/${'a'.repeat(300)}.wav`)).toBe(`${'a'.repeat(116)}.wav`);
    const wide = cleanFileName(`${'🎵'.repeat(150)}.mp3`);
    expect(wide).toBe(`${'🎵'.repeat(58)}.mp3`);
    expect(Buffer.byteLength(cleanFileName(`${'語'.repeat(150)}.mp3`))).toBeLessThanOrEqual(255);
    expect(cleanFileName('\u202Egnp.mp3')).toBe('gnp.mp3');
  });

  it('is cut between two letters', () => {
    expect(cutText('ab👩‍🎤', { characters: 5, bytes: 100 })).toBe('ab');
    expect(cutText('ab👩‍🎤', { characters: 100, bytes: 12 })).toBe('ab');
    expect(cutText('👩‍🎤', { characters: 100, bytes: 8 })).toBe('👩‍');
  });
});
