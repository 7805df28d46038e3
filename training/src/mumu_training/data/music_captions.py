"""Short captions of music, as the text encoder and the language model see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from mumu_training.data.manifest import MusicAttributes
from mumu_training.data.vocabulary import MOOD_WORDS, STYLE_NOUNS, TEMPO_SYNONYMS, tempo_word


def full_caption(attributes: MusicAttributes | Mapping[str, Any]) -> str:
    """The plainest caption with everything that is known, always worded the same way.

    Attributes that are missing (as for a scene that only suggests some) are left out.
    """
    known = _known(attributes)
    tempo = known.get("tempo")
    adjectives = [tempo_word(float(tempo))] if tempo is not None else []
    adjectives += [known["mood"]] if "mood" in known else []
    noun = STYLE_NOUNS[known["style"]][0] if "style" in known else "piece of music"
    parts = [_with_article(" ".join([*adjectives, noun]))]
    if "key" in known and "mode" in known:
        parts.append(f"in {known['key']} {known['mode']}")
    elif "mode" in known:
        parts.append(f"in {_with_article(known['mode'])} key")
    if "instrument" in known:
        parts.append(f"with {known['instrument']}")
    if tempo is not None:
        parts.append(f"at {round(float(tempo))} bpm")
    return " ".join(parts)


def music_caption(attributes: MusicAttributes | Mapping[str, Any], rng: np.random.Generator) -> str:
    """A random short caption (at most about 20 words) of a piece.

    Attributes are dropped and reworded at random; what is said is always true. Style or instrument
    is always among what is said, when known.

    Args:
        attributes: those of a piece, or any part of them (tempo as a number).
        rng: source of the choices.
    """
    known = _known(attributes)

    def says(name: str, chance: float) -> bool:
        return name in known and rng.random() < chance

    def one(options: tuple[str, ...], plain: float = 0.6) -> str:
        return options[0 if rng.random() < plain else int(rng.integers(len(options)))]

    adjectives: list[str] = []
    if says("tempo", 0.65):
        adjectives.append(one(TEMPO_SYNONYMS[tempo_word(float(known["tempo"]))]))
    if says("mood", 0.75):
        adjectives.append(one(MOOD_WORDS[known["mood"]], 0.5))
    if rng.random() < 0.25:
        adjectives.reverse()
    style = says("style", 0.85)
    noun = one(STYLE_NOUNS[known["style"]]) if style else one(("piece of music", "tune", "song"))
    extras: list[str] = []
    instrument = "instrument" in known and (not style or rng.random() < 0.85)
    if says("mode", 0.5):
        exact = "key" in known and rng.random() < 0.7
        phrase = f"{known['key']} {known['mode']}" if exact else f"a {known['mode']} key"
        extras.append(f"in {phrase}")
    if says("metre", 0.15) and known.get("style") != "waltz":
        extras.append(f"in {known['metre']} time")
    if instrument:
        name = known["instrument"]
        forms = (f"with {name}", f"played on {name}", f"with a {name} melody", f"led by {name}")
        if name[0] in "aeiou":
            forms = (
                f"with {name}",
                f"played on {name}",
                f"with an {name} melody",
                f"led by {name}",
            )
        extras.append(one(forms, 0.65))
        others = [o for o in known.get("instruments", []) if o != name]
        if others and rng.random() < 0.3:
            extras[-1] += f" and {others[int(rng.integers(len(others)))]}"
        elif known.get("drums") is False and rng.random() < 0.2:
            extras.append("without drums")
    if says("tempo", 0.55):
        bpm = round(float(known["tempo"]))
        extras.append(one((f"at {bpm} bpm", f"at about {5 * round(bpm / 5)} bpm"), 0.8))
    if rng.random() < 0.3:
        extras = [extras[int(place)] for place in rng.permutation(len(extras))]
    body = _with_article(" ".join([*adjectives, noun]))
    return " ".join([body, *extras])


def music_captions(attributes: MusicAttributes, rng: np.random.Generator, count: int) -> list[str]:
    """Several different captions of a piece, the full one first."""
    captions = [full_caption(attributes)]
    while len(captions) < count:
        caption = music_caption(attributes, rng)
        if caption not in captions:
            captions.append(caption)
    return captions


def _known(attributes: MusicAttributes | Mapping[str, Any]) -> dict[str, Any]:
    values = asdict(attributes) if isinstance(attributes, MusicAttributes) else dict(attributes)
    return {name: value for name, value in values.items() if value is not None}


def _with_article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase
