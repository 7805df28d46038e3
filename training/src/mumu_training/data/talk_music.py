"""Instructions that ask for music: from words, and as a change of a song that is given.

The answer carries the plain caption of exactly what was asked for, so that a request in any
wording ends in the same few words that the music decoder was trained on.
"""

from __future__ import annotations

from typing import Any

from mumu_training.data import scene_vocabulary as scene_words
from mumu_training.data import vocabulary as words
from mumu_training.data.chance import Chance, likely, pick, shuffled, weighted
from mumu_training.data.manifest import MusicAttributes
from mumu_training.data.music_captions import full_caption
from mumu_training.data.music_words import (
    INSTRUMENT_SYNONYMS,
    MOOD_SYNONYMS,
    STYLE_SYNONYMS,
    TEMPO_PHRASES,
    article,
    music_answer,
    plain_caption,
)
from mumu_training.data.scene_canvas import Look
from mumu_training.data.scene_rules import music_for, scene_phrase

Wish = dict[str, Any]
"""Some of the attributes plain_caption knows."""
Made = tuple[str, str, str]
"""Instruction, answer and the music's caption."""

PURPOSES: dict[str, tuple[str, str]] = {
    "studying": ("calm", "slow"),
    "reading a book": ("calm", "slow"),
    "yoga": ("calm", "slow"),
    "relaxing": ("calm", "slow"),
    "sleeping": ("dreamy", "slow"),
    "meditation": ("dreamy", "slow"),
    "a space film": ("dreamy", "slow"),
    "a party": ("energetic", "fast"),
    "dancing": ("energetic", "fast"),
    "a workout": ("energetic", "fast"),
    "running": ("energetic", "fast"),
    "a car chase": ("energetic", "fast"),
    "a birthday": ("happy", "fast"),
    "a wedding": ("happy", "moderate"),
    "a picnic": ("happy", "moderate"),
    "cooking": ("happy", "moderate"),
    "a funeral": ("sad", "slow"),
    "a broken heart": ("sad", "slow"),
    "a horror film": ("dark", "slow"),
    "a haunted house": ("dark", "slow"),
    "a thriller": ("dark", "moderate"),
}
"""What music is wanted for, and the mood and pace that means."""
_LEADS = (
    "",
    "",
    "",
    "/generate ",
    "Make ",
    "Make me ",
    "Generate ",
    "Compose ",
    "Create ",
    "Write ",
    "Play ",
    "Play me ",
    "I want ",
    "I'd like ",
    "I need ",
    "Can you make ",
    "Could you compose ",
    "Please generate ",
    "Give me ",
    "Let me hear ",
    "Produce ",
)
_NOUNS = ("song", "track", "tune", "piece", "melody", "piece of music", "music", "loop")


def random_wish(rng: Chance) -> Wish:
    """Attributes somebody might ask for: one to five of them, independent of each other."""
    wish: Wish = {}
    if likely(rng, 0.6):
        if likely(rng, 0.5):
            wish["tempo"] = float(55 + int(rng.random() * 130))
        else:
            wish["tempo_word"] = pick(rng, words.TEMPO_WORDS)
    if likely(rng, 0.55):
        wish["mood"] = pick(rng, words.MOODS)
    if likely(rng, 0.65):
        wish["style"] = pick(rng, words.STYLES)
    if likely(rng, 0.6) or not wish:
        wish["instrument"] = pick(rng, list(words.INSTRUMENTS))
    if likely(rng, 0.22):
        wish["mode"] = pick(rng, words.MODES)
        if likely(rng, 0.6):
            wish["key"] = pick(rng, words.KEYS)
    if "instrument" in wish and likely(rng, 0.2):
        others = [n for n in (words.DRUMS, *words.INSTRUMENTS) if n != wish["instrument"]]
        wish["extra"] = [words.DRUMS if likely(rng, 0.5) else pick(rng, others)]
    return wish


def wish_from(attributes: MusicAttributes, rng: Chance) -> Wish:
    """Some attributes of a song, as somebody who wants one like it might name them."""
    keep = {
        "tempo": 0.6,
        "mood": 0.6,
        "style": 0.75,
        "instrument": 0.7,
        "mode": 0.3,
        "key": 0.2,
    }
    wish = {name: getattr(attributes, name) for name, chance in keep.items() if likely(rng, chance)}
    if "key" in wish:
        wish["mode"] = attributes.mode
    if not wish:
        wish["style"] = attributes.style
    if "tempo" in wish:
        if likely(rng, 0.5):
            wish["tempo_word"] = words.tempo_word(wish.pop("tempo"))
        else:
            wish["tempo"] = float(round(wish["tempo"]))
    return wish


def as_typed(text: str, rng: Chance) -> str:
    """The text as people type it: often in small letters, often without the last mark."""
    kind = weighted(rng, {"as is": 0.5, "lower": 0.3, "no mark": 0.12, "please": 0.08})
    if kind == "lower":
        return text.lower().rstrip(".?")
    if kind == "no mark":
        return text.rstrip(".?")
    if kind == "please" and "lease" not in text and not text.startswith("/"):
        return f"{text.rstrip('.?')}, please{text[-1] if text[-1] in '.?' else ''}"
    return text


def _said(table: dict[str, tuple[str, ...]], word: str, rng: Chance) -> str:
    """The word itself in half of the cases, else one of its synonyms."""
    return word if likely(rng, 0.5) else pick(rng, table.get(word, (word,)))


def wish_text(wish: Wish, purpose: str | None, rng: Chance) -> str:
    """A wish in words: a sentence, "something ... with ..." or a bare list of words."""
    front: list[str] = []
    if "tempo_word" in wish:
        front.append(_said(TEMPO_PHRASES, str(wish["tempo_word"]), rng))
    if "mood" in wish:
        front.append(_said(MOOD_SYNONYMS, str(wish["mood"]), rng))
    style = _said(STYLE_SYNONYMS, str(wish["style"]), rng) if "style" in wish else ""
    played = [
        _said(INSTRUMENT_SYNONYMS, str(name), rng)
        for name in (wish.get("instrument"), *wish.get("extra", ()))
        if name
    ]
    bpm = f"{round(wish['tempo'])} bpm" if "tempo" in wish else ""
    key = f"{wish['key']} {wish['mode']}" if "key" in wish else ""
    mode = f"{wish['mode']} key" if "mode" in wish and not key else ""
    goal = f"for {purpose}" if purpose else ""
    if likely(rng, 0.25):
        bits = [*front, style, " and ".join(played), bpm, key, mode, goal]
        return pick(rng, (", ", " ")).join(shuffled(rng, [bit for bit in bits if bit]))
    back = [
        (
            pick(rng, ("with {}", "on {}", "with {}", "played by {}", "featuring {}")).format(
                " and ".join(article(name) if likely(rng, 0.3) else name for name in played)
            )
            if played
            else ""
        ),
        pick(rng, ("at {}", "at about {}", "with a tempo of {}")).format(bpm) if bpm else "",
        f"in {key}" if key else f"in a {mode}" if mode else "",
        goal,
    ]
    tail = shuffled(rng, [part for part in back if part])
    if likely(rng, 0.2):
        return " ".join(["something", *shuffled(rng, [w for w in (*front, style) if w]), *tail])
    nouns = {"waltz", "lullaby", "march"}
    noun = "" if style in nouns and likely(rng, 0.7) else pick(rng, _NOUNS)
    body = " ".join(part for part in (*shuffled(rng, front), style, noun) if part)
    if noun != "music" and likely(rng, 0.8):
        body = article(body)
    return " ".join([body, *tail])


def text_to_music(wish: Wish, rng: Chance) -> Made:
    """A request for music in words; sometimes with a purpose that adds mood and pace."""
    purpose: str | None = None
    if likely(rng, 0.2):
        purpose = pick(rng, list(PURPOSES))
        mood, pace = PURPOSES[purpose]
        wish = dict(wish)
        if likely(rng, 0.6):
            wish.pop("mood", None)
            wish.pop("tempo", None)
            wish.pop("tempo_word", None)
        text = wish_text(wish, purpose, rng)
        wish.setdefault("mood", mood)
        if "tempo" not in wish:
            wish.setdefault("tempo_word", pace)
    else:
        text = wish_text(wish, None, rng)
    caption = plain_caption(wish)
    asked = pick(rng, _LEADS) + text
    if not asked.startswith("/"):
        asked = asked[0].upper() + asked[1:]
    if asked.startswith(("Can", "Could")):
        asked += "?"
    elif likely(rng, 0.3):
        asked += "."
    return as_typed(asked, rng), music_answer(caption), caption


def scene_in_words(rng: Chance) -> Made:
    """Music for a scene that is told, not shown: the rules of drawn scenes apply."""
    look = Look(
        time=pick(rng, scene_words.TIMES),
        weather=pick(rng, scene_words.WEATHERS),
        place=pick(rng, scene_words.PLACES),
        people="crowd" if likely(rng, 0.15) else "none",
        palette="natural",
    )
    told = scene_phrase(look, rng)
    if look.people == "crowd":
        told += f" {pick(rng, scene_words.PEOPLE_PHRASES['crowd'])}"
    caption = full_caption(music_for(look, moving=False))
    form = pick(
        rng,
        (
            "music for {}",
            "Make music for {}.",
            "Compose a soundtrack for {}.",
            "background music for {}",
            "Music that sounds like {}.",
            "{}",
            "Write a piece about {}.",
        ),
    )
    return as_typed(form.format(told), rng), music_answer(caption, scene_phrase(look)), caption
