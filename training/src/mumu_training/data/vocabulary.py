"""The closed musical vocabulary that the generator, the captions and the questions share.

Everything here is plain data, so a test or a trainer can read it without any audio library.
MIDI programs are General MIDI's, counted from 0 (General MIDI System Level 1, table 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Instrument:
    """A melody instrument: how General MIDI calls it and how it is played here."""

    name: str
    program: int
    """General MIDI program, from 0."""
    family: str
    low: int
    """Lowest MIDI note of a melody."""
    high: int
    """Highest MIDI note of a melody."""
    chords: bool
    """Whether it can play several notes at once (and so accompany)."""
    sustains: bool
    """Whether a held note keeps sounding (bowed, blown, organ) instead of decaying."""


def _named(*instruments: Instrument) -> dict[str, Instrument]:
    return {instrument.name: instrument for instrument in instruments}


INSTRUMENTS: Final[dict[str, Instrument]] = _named(
    Instrument("piano", 0, "piano", 55, 86, True, False),
    Instrument("harpsichord", 6, "piano", 53, 84, True, False),
    Instrument("music box", 10, "chromatic percussion", 67, 96, True, False),
    Instrument("vibraphone", 11, "chromatic percussion", 55, 86, True, False),
    Instrument("marimba", 12, "chromatic percussion", 50, 84, True, False),
    Instrument("organ", 16, "organ", 52, 84, True, True),
    Instrument("accordion", 21, "organ", 55, 84, True, True),
    Instrument("acoustic guitar", 24, "guitar", 48, 77, True, False),
    Instrument("electric guitar", 29, "guitar", 48, 80, True, True),
    Instrument("violin", 40, "strings", 58, 91, False, True),
    Instrument("cello", 42, "strings", 38, 69, False, True),
    Instrument("strings", 48, "ensemble", 53, 86, True, True),
    Instrument("choir", 52, "ensemble", 52, 79, True, True),
    Instrument("trumpet", 56, "brass", 56, 82, False, True),
    Instrument("trombone", 57, "brass", 42, 70, False, True),
    Instrument("saxophone", 65, "reed", 51, 79, False, True),
    Instrument("clarinet", 71, "reed", 53, 86, False, True),
    Instrument("flute", 73, "pipe", 61, 93, False, True),
    Instrument("synth", 81, "synth lead", 52, 86, False, True),
    Instrument("banjo", 105, "plucked folk", 52, 79, True, False),
)
FAMILIES: Final[tuple[str, ...]] = tuple(dict.fromkeys(i.family for i in INSTRUMENTS.values()))

BASSES: Final[dict[str, int]] = {
    "acoustic bass": 32,
    "electric bass": 33,
    "synth bass": 38,
}
"""Bass instruments and their General MIDI programs."""

PAD: Final[str] = "synth pad"
PAD_PROGRAM: Final[int] = 89
DRUMS: Final[str] = "drums"

STYLES: Final[tuple[str, ...]] = (
    "rock",
    "pop",
    "jazz",
    "blues",
    "waltz",
    "lullaby",
    "techno",
    "folk",
    "march",
    "classical",
)
MOODS: Final[tuple[str, ...]] = ("happy", "sad", "calm", "energetic", "dark", "dreamy")
MODES: Final[tuple[str, ...]] = ("major", "minor")
METRES: Final[tuple[str, ...]] = ("4/4", "3/4", "6/8")
KEYS: Final[tuple[str, ...]] = (
    "C",
    "C#",
    "D",
    "Eb",
    "E",
    "F",
    "F#",
    "G",
    "Ab",
    "A",
    "Bb",
    "B",
)
"""Names of the tonics, in order of pitch class."""
DENSITIES: Final[tuple[str, ...]] = ("sparse", "medium", "dense")
ENERGIES: Final[tuple[str, ...]] = ("low", "medium", "high")

TEMPO_RANGE: Final[tuple[float, float]] = (55.0, 185.0)
"""Slowest and fastest tempo, in beats a minute (a beat of 6/8 is a dotted quarter)."""
TEMPO_WORDS: Final[tuple[str, ...]] = ("slow", "moderate", "fast")
SLOW_BELOW: Final[float] = 85.0
FAST_FROM: Final[float] = 120.0

MOOD_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "happy": ("happy", "cheerful", "joyful"),
    "sad": ("sad", "melancholic", "sorrowful"),
    "calm": ("calm", "peaceful", "relaxed"),
    "energetic": ("energetic", "lively", "driving"),
    "dark": ("dark", "gloomy", "ominous"),
    "dreamy": ("dreamy", "floating", "hazy"),
}
"""Ways to say each mood; the first is the mood's own name."""

TEMPO_SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "slow": ("slow", "slow-paced"),
    "moderate": ("moderate", "mid-tempo"),
    "fast": ("fast", "quick"),
}

STYLE_NOUNS: Final[dict[str, tuple[str, ...]]] = {
    "rock": ("rock piece", "rock song", "rock track"),
    "pop": ("pop piece", "pop song", "pop track"),
    "jazz": ("jazz piece", "jazz tune", "jazz track"),
    "blues": ("blues piece", "blues tune", "blues song"),
    "waltz": ("waltz",),
    "lullaby": ("lullaby",),
    "techno": ("techno piece", "techno track", "dance track"),
    "folk": ("folk piece", "folk song", "folk tune"),
    "march": ("march",),
    "classical": ("classical piece", "classical work"),
}
"""What a composition of each style is called; the first is the plainest."""


def tempo_word(bpm: float) -> str:
    """The word for a tempo in beats a minute: slow below 85, fast from 120, else moderate."""
    if bpm < SLOW_BELOW:
        return "slow"
    return "moderate" if bpm < FAST_FROM else "fast"
