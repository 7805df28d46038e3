"""Music attributes in words: the plain caption, phrases and the synonyms people type.

The plain caption is what an answer carries and what the text encoder reads. It is worded like
music_captions.full_caption, and also takes a tempo known only as a word, and further instruments.
It leaves out what is not known: "a fast happy rock piece in C major with electric guitar at 140 bpm".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mumu_training.data import vocabulary as words

ANSWER_START: Final = "Here is "
"""Every answer that makes music starts so, and goes on with the caption."""
SCENE_MARK: Final = ", for "
"""What an answer to a picture puts between the caption and the scene."""

MOOD_SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "happy": ("happy", "cheerful", "joyful", "upbeat", "sunny", "merry", "feel-good"),
    "sad": ("sad", "melancholic", "sorrowful", "heartbroken", "mournful", "melancholy"),
    "calm": ("calm", "peaceful", "relaxed", "relaxing", "chill", "soothing", "gentle"),
    "energetic": ("energetic", "lively", "driving", "powerful", "exciting", "intense"),
    "dark": ("dark", "gloomy", "ominous", "scary", "sinister", "tense", "mysterious"),
    "dreamy": ("dreamy", "floating", "hazy", "ethereal", "atmospheric", "magical"),
}
STYLE_SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "rock": ("rock", "hard rock", "rock and roll"),
    "pop": ("pop", "pop music"),
    "jazz": ("jazz", "jazzy", "swing"),
    "blues": ("blues", "bluesy"),
    "waltz": ("waltz", "waltz-like"),
    "lullaby": ("lullaby", "bedtime"),
    "techno": ("techno", "electronic", "dance", "club", "edm"),
    "folk": ("folk", "country", "traditional"),
    "march": ("march", "marching band", "military"),
    "classical": ("classical", "baroque", "orchestral"),
}
INSTRUMENT_SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "piano": ("piano", "grand piano"),
    "harpsichord": ("harpsichord", "cembalo"),
    "vibraphone": ("vibraphone", "vibes"),
    "organ": ("organ", "church organ", "hammond organ"),
    "acoustic guitar": ("acoustic guitar", "nylon guitar", "spanish guitar"),
    "electric guitar": ("electric guitar", "distorted guitar"),
    "violin": ("violin", "fiddle"),
    "strings": ("strings", "string section", "string orchestra"),
    "choir": ("choir", "voices"),
    "saxophone": ("saxophone", "sax"),
    "synth": ("synth", "synthesizer", "synth lead"),
}
TEMPO_PHRASES: Final[dict[str, tuple[str, ...]]] = {
    "slow": ("slow", "slow-paced", "unhurried", "very slow"),
    "moderate": ("moderate", "mid-tempo", "medium tempo", "medium-paced"),
    "fast": ("fast", "quick", "fast-paced", "uptempo", "very fast"),
}
_VOWELS: Final = ("a", "e", "i", "o", "un", "up")
_UNCOUNTED: Final = frozenset({"strings", "drums"})


def article(noun: str) -> str:
    """The noun with its indefinite article; none for strings and drums."""
    if noun in _UNCOUNTED:
        return noun
    return f"{'an' if noun.startswith(_VOWELS) else 'a'} {noun}"


def listing(items: Sequence[str], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def tempo_word_of(attributes: Mapping[str, Any]) -> str | None:
    """The tempo word of attributes that have a tempo in bpm or a "tempo_word"."""
    if attributes.get("tempo") is not None:
        return words.tempo_word(float(attributes["tempo"]))
    word = attributes.get("tempo_word")
    return None if word is None else str(word)


def plain_caption(attributes: Mapping[str, Any]) -> str:
    """The caption of some or all of: tempo (bpm) or tempo_word, mood, style, key, mode, metre
    (said only where it is 3/4 or 6/8 and the style does not say so), instrument, and extra (a
    list of further instruments)."""
    style = attributes.get("style")
    noun = words.STYLE_NOUNS[str(style)][0] if style else "piece of music"
    front = [tempo_word_of(attributes), attributes.get("mood"), noun]
    parts = [article(" ".join(str(part) for part in front if part))]
    key, mode = attributes.get("key"), attributes.get("mode")
    if key and mode:
        parts.append(f"in {key} {mode}")
    elif mode:
        parts.append(f"in a {mode} key")
    metre = attributes.get("metre")
    if metre in ("3/4", "6/8") and style not in ("waltz", "lullaby"):
        parts.append(f"in {metre} time")
    played = [str(attributes["instrument"])] if attributes.get("instrument") else []
    played += [str(name) for name in attributes.get("extra", ())]
    if played:
        parts.append(f"with {listing(played)}")
    if attributes.get("tempo") is not None:
        parts.append(f"at {round(float(attributes['tempo']))} bpm")
    return " ".join(parts)


def music_answer(caption: str, scene: str | None = None) -> str:
    """The sentence that comes with generated music."""
    return f"{ANSWER_START}{caption}{SCENE_MARK + scene if scene else ''}."


def caption_in(answer: str) -> str | None:
    """The caption that an answer with music carries; None where it carries none."""
    if not answer.startswith(ANSWER_START):
        return None
    return answer[len(ANSWER_START) :].split(SCENE_MARK)[0].split("[AUD")[0].strip().rstrip(".")
