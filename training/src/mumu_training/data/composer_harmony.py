"""Chord grammar: the progressions of each style and the cadences that close a piece."""

from __future__ import annotations

from typing import Final

import numpy as np

from mumu_training.data.theory import Chord, parse_chord

# Four bars each, separated by "|"; two chords in a bar share it. Numerals as in `theory`.
PROGRESSIONS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "major": {
        "rock": ("I|bVII|IV|I", "I|IV|V|IV", "I|V|IV|IV", "I|IV|I|V", "vi|IV|I|V"),
        "pop": ("I|V|vi|IV", "vi|IV|I|V", "I|vi|IV|V", "I|iii|IV|V", "I IV|vi V|I IV|vi V"),
        "jazz": (
            "Imaj7 vi7|ii7 V7|iii7 vi7|ii7 V7",
            "Imaj7|ii7 V7|Imaj7|ii7 V7",
            "ii7|V7|Imaj7|vi7",
            "Imaj7|IVmaj7|iii7 vi7|ii7 V7",
        ),
        "blues": ("I7|I7|IV7|I7", "I7|IV7|I7|V7", "I7|IV7|V7|I7", "I7|IV7|I7|I7"),
        "waltz": ("I|V7|V7|I", "I|IV|V7|I", "I|vi|ii|V7", "I|I|IV|V7"),
        "lullaby": ("I|IV|I|V", "I|vi|IV|I", "I|iii|IV|V", "I|V|IV|I"),
        "techno": ("I|I|bVII|bVII", "vi|IV|I|V", "I|V|vi|IV", "I|I|IV|IV"),
        "folk": ("I|I|IV|I", "I|V|IV|I", "I|IV|I|V", "I|IV|V|I"),
        "march": ("I|I|V7|V7", "I|IV|V7|I", "I|V|I|V", "I|I|IV|V"),
        "classical": (
            "I|V7|I|V",
            "I|IV|V7|I",
            "I|vi|ii|V7",
            "I V|vi iii|IV I|IV V",
            "I IV|V7 I|ii|V7",
        ),
    },
    "minor": {
        "rock": ("i|bVII|bVI|bVII", "i|bVI|bIII|bVII", "i|iv|i|V", "i|bIII|bVII|iv"),
        "pop": ("i|bVI|bIII|bVII", "i|iv|bVI|V", "i|bVII|bVI|V", "i bVI|bIII bVII|i bVI|iv V"),
        "jazz": (
            "i7|iv7|iim7b5 V7|i7",
            "i7|iim7b5 V7|i7|iim7b5 V7",
            "iim7b5|V7|i7|i7",
            "i7|bVImaj7|iim7b5|V7",
        ),
        "blues": ("i7|iv7|i7|V7", "i7|i7|iv7|i7", "i7|iv7|V7|i7"),
        "waltz": ("i|V7|V7|i", "i|iv|V7|i", "i|bVI|iv|V7", "i|i|iv|V7"),
        "lullaby": ("i|iv|i|V", "i|bVI|iv|i", "i|bVII|bVI|V"),
        "techno": ("i|i|bVI|bVII", "i|bVII|bVI|bVI", "i|i|iv|iv", "i|i|i|bVII"),
        "folk": ("i|bVII|i|bVII", "i|iv|i|V", "i|bIII|bVII|i", "i|bVII|bVI|i"),
        "march": ("i|i|V7|V7", "i|iv|V|i", "i|bVI|iv|V"),
        "classical": (
            "i|V7|i|V",
            "i|iv|V7|i",
            "i|bVI|iv|V",
            "i V|bVI bIII|iv i|iv V",
            "i iv|V7 i|iv|V7",
        ),
    },
}

CADENCES: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "major": {
        "": ("V", "I"),
        "rock": ("bVII", "I"),
        "jazz": ("ii7 V7", "Imaj7"),
        "blues": ("V7", "I7"),
        "folk": ("IV", "I"),
    },
    "minor": {
        "": ("V", "i"),
        "rock": ("bVII", "i"),
        "jazz": ("iim7b5 V7", "i7"),
        "blues": ("V7", "i7"),
        "techno": ("bVII", "i"),
    },
}
"""The last two bars of a piece that closes, by mode and style ("" is every other style)."""


def make_harmony(
    rng: np.random.Generator, style: str, mode: str, tonic: int, bars: int, closes: bool
) -> list[list[Chord]]:
    """Chords of every bar (one or two a bar).

    A phrase of four bars is repeated, with one contrasting phrase among them (A A B A); a piece
    that closes gets its cadence in the last two bars.
    """
    options = PROGRESSIONS[mode][style]
    order = rng.permutation(len(options))
    first = options[int(order[0])].split("|")
    other = options[int(order[1])].split("|")
    symbols: list[str] = []
    for phrase in range(-(-bars // 4)):
        symbols += other if phrase % 4 == 2 else first
    symbols = symbols[:bars]
    if closes and bars >= 2:
        cadences = CADENCES[mode]
        symbols[-2:] = cadences.get(style, cadences[""])
    return [[parse_chord(symbol, tonic) for symbol in bar.split()] for bar in symbols]
