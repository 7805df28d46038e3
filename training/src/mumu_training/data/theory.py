"""Scales, chords and chord symbols, in pitch classes and MIDI note numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mumu_training.data.vocabulary import KEYS

SCALES: Final[dict[str, tuple[int, ...]]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
}
"""Semitones above the tonic; minor is natural, its leading note comes with the chord V."""

QUALITIES: Final[dict[str, tuple[int, ...]]] = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "dim": (0, 3, 6),
    "5": (0, 7, 12),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7b5": (0, 3, 6, 10),
}
"""Chord tones in semitones above the root."""

_ROMANS: Final[tuple[str, ...]] = ("I", "II", "III", "IV", "V", "VI", "VII")
_SYMBOL: Final = re.compile(
    r"(b|#)?(VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)(maj7|m7b5|dim|7|5)?"
)


@dataclass(frozen=True)
class Chord:
    """A chord in a key: pitch class of its root (0 is C) and its tones above it."""

    root: int
    intervals: tuple[int, ...]

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Pitch classes of the chord, root first."""
        return tuple((self.root + interval) % 12 for interval in self.intervals)


def key_pitch_class(key: str) -> int:
    """Pitch class of a key's tonic.

    Raises:
        ValueError: the key is not one of `vocabulary.KEYS`.
    """
    return KEYS.index(key)


def parse_chord(symbol: str, tonic: int) -> Chord:
    """Chord of a roman numeral such as `ii7`, `bVII` or `V7` over a tonic (pitch class).

    Numerals count the degrees of the major scale in both modes (so minor's sixth is `bVI`); lower
    case is minor.

    Raises:
        ValueError: the symbol is not understood.
    """
    match = _SYMBOL.fullmatch(symbol)
    if match is None:
        raise ValueError(f"Not a chord symbol: {symbol!r}.")
    accidental, numeral, suffix = match.groups()
    degree = SCALES["major"][_ROMANS.index(numeral.upper())]
    shift = {"b": -1, "#": 1}.get(accidental or "", 0)
    quality = suffix or ""
    if numeral.islower() and quality in ("", "7"):
        quality = "m" + quality
    return Chord((tonic + degree + shift) % 12, QUALITIES[quality])


def scale_notes(
    tonic: int, mode: str, low: int, high: int, chord: Chord | None = None
) -> list[int]:
    """MIDI notes of a scale between two notes (inclusive), ascending.

    With a chord, scale notes a semitone away from a chord tone outside the scale give way to it, so
    the dominant in minor gets its leading note.
    """
    classes = {(tonic + step) % 12 for step in SCALES[mode]}
    if chord is not None:
        for tone in chord.pitch_classes:
            if tone not in classes:
                classes -= {(tone - 1) % 12, (tone + 1) % 12}
        classes |= set(chord.pitch_classes)
    return [note for note in range(low, high + 1) if note % 12 in classes]


def voice_chord(chord: Chord, centre: int, voices: int = 3) -> list[int]:
    """MIDI notes of a chord in the inversion closest to a centre note, ascending."""
    tones = [(chord.root + interval) % 12 for interval in chord.intervals]
    chosen = tones if len(tones) <= voices else [tones[0], *tones[-(voices - 1) :]]
    notes: list[int] = []
    for tone in chosen:
        distance = (tone - centre) % 12
        notes.append(centre + (distance if distance <= 6 else distance - 12))
    return sorted(notes)
