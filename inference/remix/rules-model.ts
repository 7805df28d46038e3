/** Rules for what calls for new material: add, replace, take out an instrument, change the style or mood. */
import type { ModelStep } from '#inference/remix/plan';

const INSTRUMENTS =
  /\b(?:piano|keys|keyboards?|harpsichord|celesta|music box|vibraphone|marimba|xylophone|bells?|organ|accordion|harmonica|guitars?|bass|violins?|violas?|cellos?|contrabass|strings?|orchestra|orchestral|harp|choir|vocals?|voices?|singer|singing|trumpets?|trombones?|tubas?|horns?|brass|sax(?:ophones?)?|oboes?|bassoons?|clarinets?|flutes?|piccolos?|recorder|whistle|panpipes?|pan flutes?|synth(?:esi[sz]ers?)?|pads?|leads?|sitar|banjo|shamisen|koto|kalimba|bagpipes?|fiddle|steel drums?|percussion|drums?|drum kit|claps?|timpani|cymbals?|mandolin|ukulele|arpeggios?|melody|harmony|chords?|bassline|beat)\b/;

const STYLES =
  /\b(?:jazz(?:y)?|blues(?:y)?|rock(?:_and_roll)?|punk|metal|pop|folk|country|classical|baroque|waltz|march|lullaby|ballad|techno|house|trance|edm|dance|disco|funk(?:y)?|soul|rnb|hip[ -]?hop|rap|trap|drum_and_bass|dubstep|reggae|ska|latin|salsa|samba|bossa(?: nova)?|tango|ambient|chill(?:ed)?|lo-?fi|cinematic|epic|film score|soundtrack|8[ -]?bit|chiptune|synthwave|swing|gospel|chorale|celtic|major|minor)\b/;

const MOODS =
  /\b(?:happ(?:y|ier)|sad(?:der)?|cheerful|joyful|melanchol(?:y|ic)|calm(?:er)?|relax(?:ed|ing)|peaceful|energetic|angry|aggressive|dark(?:er)?|scary|spooky|mysterious|romantic|tender|gentle|dreamy|triumphant|heroic|playful|tense|exciting|upbeat|uplifting|festive|solemn|nostalgic|hopeful|busier|sparser|denser|fuller|simpler|different|new)\b/;

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
  if (/\b(?:remove|delete|drop|take (?:out|away)|without|mute)\b/.test(clause) && INSTRUMENTS.test(clause))
    return { kind: 'model', change: 'remove', instruction: clause };
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
