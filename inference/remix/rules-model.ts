/** Rules for what calls for new material: add, replace, take out an instrument, change the style or mood. */
import type { ModelStep } from '#inference/remix/plan';

export const INSTRUMENTS =
  /\b(?:piano|keys|keyboards?|harpsichord|celesta|music box|vibraphone|marimba|xylophone|bells?|organ|accordion|harmonica|guitars?|bass|violins?|violas?|cellos?|contrabass|strings?|orchestra|orchestral|harp|choir|vocals?|voices?|singer|singing|trumpets?|trombones?|tubas?|horns?|brass|sax(?:ophones?)?|oboes?|bassoons?|clarinets?|flutes?|piccolos?|recorder|whistle|panpipes?|pan flutes?|synth(?:esi[sz]ers?)?|pads?|leads?|sitar|banjo|shamisen|koto|kalimba|bagpipes?|fiddle|steel drums?|percussion|drums?|drum kit|claps?|timpani|cymbals?|mandolin|ukulele|arpeggios?|melody|harmony|chords?|bassline|beat)\b/;

const STYLES =
  /\b(?:jazz(?:y)?|blues(?:y)?|rock(?:_and_roll)?|punk|metal|pop|folk|country|classical|baroque|waltz|march|lullaby|ballad|techno|house|trance|edm|dance|disco|funk(?:y)?|soul|rnb|hip[ -]?hop|rap|trap|drum_and_bass|dubstep|reggae|ska|latin|salsa|samba|bossa(?: nova)?|tango|ambient|chill(?:ed)?|lo-?fi|cinematic|epic|film score|soundtrack|8[ -]?bit|chiptune|synthwave|swing|gospel|chorale|celtic|major|minor)\b/;

const MOODS =
  /\b(?:happ(?:y|ier)|sad(?:der)?|cheerful|joyful|melanchol(?:y|ic)|calm(?:er)?|relax(?:ed|ing)|peaceful|energetic|angry|aggressive|dark(?:er)?|scary|spooky|mysterious|romantic|tender|gentle|dreamy|triumphant|heroic|playful|tense|exciting|upbeat|uplifting|festive|solemn|nostalgic|hopeful|busier|sparser|denser|fuller|simpler|different|new)\b/;

/** A style that says which song is meant, or what for: "this jazz song", "for the dance floor". */
const NOT_WISHED = new RegExp(
  `\\b(?:(?:this|the|my|that|our|your)\\s+(?:[a-z-]+\\s+)?|for\\s+(?:(?:an?|the|my|our)\\s+)?(?:[a-z-]+\\s+)?)${STYLES.source}(?!\\s+(?:style|version|way|manner|feel|vibe))`,
  'g',
);
/** Intervals and keys have these words too. */
const INTERVAL = /\b(?:major|minor) (?:second|third|sixth|seventh)s?\b/g;

/** "make it a bit happier". */
const MADE_SO = new RegExp(
  `\\b(?:make|turn) (?:it|this|that|everything)\\s+(?:(?:sound|feel|a bit|a little|a lot|much|more|very|really)\\s+)*${MOODS.source}`,
);

/** Whether a clause that says something else also asks for another style: "a fast punk version", "slow jazz". */
export function wantsStyle(clause: string): boolean {
  const rest = clause.replace(INTERVAL, ' ').replace(NOT_WISHED, ' ');
  if (STYLES.test(rest)) return true;
  if (MADE_SO.test(rest)) return true;
  return MOODS.test(rest) && /\b(?:version|cover|rendition|arrangement|variation|style)\b/.test(rest);
}

/** Whether a clause adds an instrument, whatever else it says of it: "add a violin an octave higher". */
export function addsInstrument(clause: string): boolean {
  const adds = /^(?:please )?(?:add|put in|bring in|layer|include|with)\b/.exec(clause);
  if (adds === null || !INSTRUMENTS.test(clause)) return false;
  // "add reverb to the drums", "add bass", "add 3 db of treble"
  return !/\b(?:reverb|echo\w*|fade|treble|volume|db|%)(?:\b|$)|^\S+ (?:(?:some|more|a (?:bit|little|lot)(?: of)?(?: more)?) )?bass(?: boost)?$/.test(
    clause,
  );
}

/**
 * Reads a clause as a wish for new material.
 * @returns undefined where it names neither an instrument, a style nor a mood
 */
export function modelRule(clause: string): ModelStep | undefined {
  const names = INSTRUMENTS.test(clause) || STYLES.test(clause) || MOODS.test(clause);
  if (
    /\b(?:replace|swap|exchange|substitute|instead of|change the .* (?:to|into|for|with))\b/.test(clause) &&
    names
  )
    return { kind: 'model', change: 'replace', instruction: clause };
  // "play it on a flute"
  if (/\bplay(?:ed)?\b.*\b(?:on|by)\b/.test(clause) && INSTRUMENTS.test(clause))
    return { kind: 'model', change: 'replace', instruction: clause };
  const removes = /\b(?:remove|delete|drop|take (?:out|away)|without|mute)\b/.test(clause);
  // "everything but the vocals" names what stays.
  if (removes && /\b(?:everything|all)\b.*\b(?:but|except)\b/.test(clause)) return undefined;
  if (removes && INSTRUMENTS.test(clause)) return { kind: 'model', change: 'remove', instruction: clause };
  if (
    /\b(?:add|put in|bring in|layer|include|with|accompany|accompanied)\b/.test(clause) &&
    INSTRUMENTS.test(clause)
  )
    return { kind: 'model', change: 'add', instruction: clause };
  if (STYLES.test(clause) || MOODS.test(clause) || (/\b(?:version|cover|style) .*\b/.test(clause) && names))
    return { kind: 'model', change: 'style', instruction: clause };
  if (/\b(?:variation|variations|remix it|surprise me|another version|cover version)\b/.test(clause))
    return { kind: 'model', change: 'style', instruction: clause };
  return undefined;
}
