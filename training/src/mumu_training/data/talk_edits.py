"""Changes of a song in plain language: the caption of the song with one attribute changed."""

from __future__ import annotations

from collections.abc import Callable

from mumu_training.data import vocabulary as words
from mumu_training.data.chance import Chance, likely, pick
from mumu_training.data.manifest import MusicAttributes
from mumu_training.data.music_words import article, music_answer, plain_caption
from mumu_training.data.talk_music import Made, Wish, as_typed

_IT = ("it", "this", "the song", "this song", "the track", "the music")
_COMPARATIVES: dict[str, tuple[str, ...]] = {
    "happy": ("happier", "more cheerful", "more joyful"),
    "sad": ("sadder", "more melancholic"),
    "calm": ("calmer", "more peaceful", "more relaxed"),
    "energetic": ("more energetic", "livelier", "more exciting"),
    "dark": ("darker", "gloomier", "scarier"),
    "dreamy": ("dreamier", "more dreamy", "more atmospheric"),
}
_FASTER = ("Make {it} faster", "Speed {it} up", "A faster version", "faster", "Play {it} faster")
_SLOWER = ("Make {it} slower", "Slow {it} down", "A slower version", "slower", "Play {it} slower")
_AGAIN = (
    "Make a variation of {it}",
    "Make something like {it}",
    "Another one like {it}",
    "Continue {it}",
    "Extend {it}",
    "More like {it}",
    "Remix {it}",
    "Make a new version of {it}",
    "variation",
    "vary {it}",
)


def song_wish(a: MusicAttributes) -> Wish:
    """What a song is, in the attributes a caption names."""
    return {
        "tempo": float(round(a.tempo)),
        "mood": a.mood,
        "style": a.style,
        "key": a.key,
        "mode": a.mode,
        "instrument": a.instrument,
    }


def _tempo(wish: Wish, a: MusicAttributes, rng: Chance) -> str:
    low, high = words.TEMPO_RANGE
    kind = pick(rng, ("faster", "slower", "to"))
    if kind == "to":
        wish["tempo"] = float(round(low + rng.random() * (high - low)))
        return pick(rng, ("Make {it} N bpm", "Change the tempo to N bpm", "{it} at N bpm")).replace(
            "N", str(round(wish["tempo"]))
        )
    factor = 1.25 if kind == "faster" else 0.8
    wish["tempo"] = float(round(min(high, max(low, a.tempo * factor))))
    return pick(rng, _FASTER if kind == "faster" else _SLOWER)


def _instrument(wish: Wish, a: MusicAttributes, rng: Chance) -> str:
    new = pick(rng, [n for n in words.INSTRUMENTS if n != a.instrument])
    wish["instrument"] = new
    old = a.instrument
    return pick(
        rng,
        (
            f"Replace the {old} by {article(new)}",
            f"Replace the {old} with {article(new)}",
            f"Use {article(new)} instead of the {old}",
            f"Play {{it}} on {article(new)}",
            f"Change the main instrument to {article(new)}",
            f"A version with {article(new)}",
            f"Let {article(new)} play the melody",
        ),
    )


def _style(wish: Wish, a: MusicAttributes, rng: Chance) -> str:
    new = pick(rng, [s for s in words.STYLES if s != a.style])
    wish["style"] = new
    what = article(new) if new in ("waltz", "lullaby", "march") else new
    return pick(
        rng,
        (
            f"Turn {{it}} into {what}",
            f"Make {{it}} {what}",
            f"A {new} version of {{it}}",
            f"Change the style to {new}",
            f"Play {{it}} as {what}",
            f"{new} version",
        ),
    )


def _mood(wish: Wish, a: MusicAttributes, rng: Chance) -> str:
    new = pick(rng, [m for m in words.MOODS if m != a.mood])
    wish["mood"] = new
    more = pick(rng, _COMPARATIVES[new])
    return pick(
        rng, (f"Make {{it}} {more}", f"{more}", f"{{it}} should be {more}", f"A {new} version")
    )


def _mode(wish: Wish, a: MusicAttributes, rng: Chance) -> str:
    new = "minor" if a.mode == "major" else "major"
    wish["mode"] = new
    return pick(
        rng, (f"Put {{it}} in {new}", f"Make {{it}} {new}", f"Change the key to {a.key} {new}")
    )


def _add(wish: Wish, a: MusicAttributes, rng: Chance) -> str:
    absent = [n for n in words.INSTRUMENTS if n not in a.instruments]
    new = pick(rng, absent)
    if words.DRUMS not in a.instruments and likely(rng, 0.4):
        new = words.DRUMS
    wish["extra"] = [new]
    return pick(
        rng,
        (
            f"Add {article(new)}",
            f"Add {article(new)} to {{it}}",
            f"Put {article(new)} on top",
            f"Can you add {article(new)}?",
            f"with {article(new)} too",
        ),
    )


def _again(wish: Wish, a: MusicAttributes, rng: Chance) -> str:
    return pick(rng, _AGAIN)


EDITS: dict[str, Callable[[Wish, MusicAttributes, Chance], str]] = {
    "tempo": _tempo,
    "instrument": _instrument,
    "style": _style,
    "mood": _mood,
    "mode": _mode,
    "add": _add,
    "again": _again,
}
"""Each writes its change into the wish and returns the instruction."""


def edit_turn(a: MusicAttributes, rng: Chance, kind: str | None = None) -> Made:
    """An instruction to change a song, and the caption of what it becomes."""
    wish = song_wish(a)
    text = EDITS[kind or pick(rng, list(EDITS))](wish, a, rng)
    if "{it}" in text:
        text = text.replace("{it}", pick(rng, _IT))
    caption = plain_caption(wish)
    return as_typed(text[0].upper() + text[1:], rng), music_answer(caption), caption
