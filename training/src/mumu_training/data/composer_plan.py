"""What a composition shall be: its attributes, drawn so that none gives another away.

Instrument, key and tempo are drawn independently and evenly (tempo over the logarithm); style and
mood lean on what went before but keep every possibility open, so a listener has to listen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mumu_training.data import vocabulary as words
from mumu_training.data.manifest import MusicAttributes


@dataclass(frozen=True)
class MoodSettings:
    """How a mood sounds."""

    major: float
    """Probability of a major key."""
    register: float
    """Where in the instrument's range the melody lies: 0 lowest, 1 highest."""
    velocity: int
    """Mean MIDI velocity of the melody."""
    gate: float
    """Sounding part of each note's length (short is staccato)."""
    densities: tuple[float, float, float]
    """Weights of sparse, medium and dense."""
    drums: float
    """Factor on the style's probability of drums."""
    pad: float
    """Probability of a pad under everything."""
    tempos: tuple[float, float]
    """Preferred tempos, beats a minute (others stay possible)."""


MOODS: Final[dict[str, MoodSettings]] = {
    "happy": MoodSettings(0.97, 0.62, 98, 0.72, (0.1, 0.55, 0.35), 1.0, 0.05, (90, 185)),
    "sad": MoodSettings(0.04, 0.45, 70, 0.98, (0.6, 0.38, 0.02), 0.8, 0.15, (55, 105)),
    "calm": MoodSettings(0.8, 0.45, 60, 0.96, (0.75, 0.25, 0.0), 0.75, 0.15, (55, 115)),
    "energetic": MoodSettings(0.6, 0.6, 118, 0.62, (0.0, 0.25, 0.75), 1.2, 0.05, (100, 185)),
    "dark": MoodSettings(0.02, 0.08, 96, 0.9, (0.35, 0.4, 0.25), 0.9, 0.3, (55, 135)),
    "dreamy": MoodSettings(0.85, 0.82, 66, 0.98, (0.5, 0.47, 0.03), 0.7, 1.0, (55, 130)),
}


@dataclass(frozen=True)
class StyleSettings:
    """What a style leans to; its patterns are in `composer_patterns`."""

    metres: Mapping[str, float]
    tempos: tuple[float, float]
    drums: float
    """Probability of drums."""
    swing: float
    """Probability of swung eighths (simple metres only)."""
    lean: tuple[str, ...]
    """Melody instruments heard more often in this style."""
    accompaniment: tuple[str, ...]
    bass: tuple[str, ...]
    """Usual basses; none when the style often goes without."""


STYLES: Final[dict[str, StyleSettings]] = {
    "rock": StyleSettings(
        {"4/4": 0.8, "6/8": 0.15, "3/4": 0.05},
        (85, 180),
        0.98,
        0.05,
        ("electric guitar", "organ", "saxophone", "synth"),
        ("electric guitar", "organ", "piano"),
        ("electric bass",),
    ),
    "pop": StyleSettings(
        {"4/4": 0.85, "6/8": 0.1, "3/4": 0.05},
        (75, 140),
        0.93,
        0.06,
        ("piano", "synth", "acoustic guitar", "choir"),
        ("piano", "acoustic guitar", "strings", "vibraphone"),
        ("electric bass", "synth bass"),
    ),
    "jazz": StyleSettings(
        {"4/4": 0.72, "3/4": 0.28},
        (70, 185),
        0.88,
        0.85,
        ("saxophone", "trumpet", "vibraphone", "piano", "trombone", "clarinet"),
        ("piano", "vibraphone", "acoustic guitar", "organ"),
        ("acoustic bass",),
    ),
    "blues": StyleSettings(
        {"4/4": 0.65, "6/8": 0.35},
        (55, 140),
        0.9,
        0.75,
        ("electric guitar", "saxophone", "piano", "organ"),
        ("piano", "organ", "electric guitar"),
        ("electric bass", "acoustic bass"),
    ),
    "waltz": StyleSettings(
        {"3/4": 1.0},
        (80, 185),
        0.65,
        0.0,
        ("violin", "accordion", "clarinet", "strings"),
        ("accordion", "piano", "strings"),
        ("acoustic bass",),
    ),
    "lullaby": StyleSettings(
        {"3/4": 0.35, "6/8": 0.4, "4/4": 0.25},
        (55, 100),
        0.4,
        0.0,
        ("music box", "flute", "choir", "vibraphone", "acoustic guitar"),
        ("piano", "acoustic guitar", "music box", "strings"),
        (),
    ),
    "techno": StyleSettings(
        {"4/4": 1.0},
        (100, 160),
        1.0,
        0.0,
        ("synth", "organ", "piano"),
        ("organ", "strings", "piano"),
        ("synth bass",),
    ),
    "folk": StyleSettings(
        {"4/4": 0.45, "3/4": 0.2, "6/8": 0.35},
        (60, 165),
        0.7,
        0.06,
        ("banjo", "violin", "flute", "accordion", "acoustic guitar"),
        ("acoustic guitar", "banjo", "accordion"),
        ("acoustic bass",),
    ),
    "march": StyleSettings(
        {"4/4": 0.72, "6/8": 0.28},
        (80, 135),
        0.95,
        0.0,
        ("trumpet", "trombone", "clarinet", "flute"),
        ("strings", "accordion", "organ", "piano"),
        ("acoustic bass",),
    ),
    "classical": StyleSettings(
        {"4/4": 0.42, "3/4": 0.33, "6/8": 0.25},
        (55, 170),
        0.15,
        0.0,
        ("violin", "cello", "piano", "harpsichord", "strings", "flute"),
        ("piano", "strings", "harpsichord"),
        (),
    ),
}


@dataclass(frozen=True)
class Plan:
    """Everything decided before the first note."""

    seed: int
    attributes: MusicAttributes
    accompaniment: str
    """Name of the comping instrument."""
    bass: str | None
    pad: bool
    swing: float
    """Place of the second eighth within the beat: 0.5 is straight, 2/3 a triplet."""
    seconds: float
    ends: bool
    """Whether the piece closes inside the clip, rather than being cut."""
    lead_in: float
    """Silence before the first beat, in seconds."""


def pick(rng: np.random.Generator, options: Mapping[str, float]) -> str:
    """Draw one key of a mapping by its weight."""
    weights = np.array(list(options.values()), dtype=np.float64)
    return list(options)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def choose(rng: np.random.Generator, options: Sequence[str]) -> str:
    """Draw one of several evenly."""
    return options[int(rng.integers(len(options)))]


def _inside(tempo: float, bounds: tuple[float, float], otherwise: float) -> float:
    return 1.0 if bounds[0] <= tempo <= bounds[1] else otherwise


def _energy(velocity: float, density: str, drums: bool, tempo: float) -> str:
    """Word for the energy, from loudness of playing, notes, drums and tempo."""
    score = 0.4 * (velocity - 60) / 58 + 0.15 * words.DENSITIES.index(density)
    score += 0.12 * drums + 0.18 * np.log(tempo / 55) / np.log(185 / 55)
    return "low" if score < 0.3 else "medium" if score < 0.62 else "high"


def make_plan(seed: int, seconds: float = 12.0, fixed: Mapping[str, Any] | None = None) -> Plan:
    """Draw a plan from a seed.

    Args:
        seed: the composition's seed; the same seed gives the same plan.
        seconds: mean length; lengths vary by a sixth around it.
        fixed: attributes to take as given (`instrument`, `tempo`, `key`, `mode`, `metre`, `style`,
            `mood`, `density`, `drums`), and `seconds` for an exact length.
    """
    given = dict(fixed or {})
    rng = np.random.default_rng([seed, 0])
    length = float(given.get("seconds", round(seconds * rng.uniform(10 / 12, 14 / 12), 3)))
    low, high = words.TEMPO_RANGE
    drawn = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    tempo = float(given.get("tempo", round(drawn, 2)))
    instrument = str(given.get("instrument", choose(rng, list(words.INSTRUMENTS))))
    key = str(given.get("key", choose(rng, words.KEYS)))

    weights = {
        name: (2.5 if instrument in style.lean else 1.0) * _inside(tempo, style.tempos, 0.3)
        for name, style in STYLES.items()
    }
    style_name = str(given.get("style", pick(rng, weights)))
    style = STYLES[style_name]
    mood = str(
        given.get("mood", pick(rng, {m: _inside(tempo, s.tempos, 0.2) for m, s in MOODS.items()}))
    )
    feel = MOODS[mood]
    mode = str(given.get("mode", "major" if rng.random() < feel.major else "minor"))
    metres = {m: w for m, w in style.metres.items() if m != "6/8" or tempo <= 130}
    metre = str(given.get("metre", pick(rng, metres)))
    density = str(
        given.get("density", pick(rng, dict(zip(words.DENSITIES, feel.densities, strict=True))))
    )
    drums = bool(given.get("drums", rng.random() < style.drums * feel.drums))
    swings = metre != "6/8" and rng.random() < style.swing
    swing = 0.5 if not swings else float(2 / 3 - 0.05 * max(0.0, (tempo - 120) / 65))

    # The accompaniment is another instrument than the melody's, unless a chordal one with clear
    # onsets plays alone.
    voice = words.INSTRUMENTS[instrument]
    alone = voice.chords and voice.family != "ensemble" and not drums and rng.random() < 0.4
    pool = style.accompaniment if rng.random() < 0.65 else _chordal()
    others = [name for name in pool if name != instrument] or ["piano"]
    accompaniment = instrument if alone else choose(rng, others)
    bass = choose(rng, style.bass or ("acoustic bass",))
    has_bass = not alone and rng.random() < (0.95 if style.bass else 0.3)
    pad = not alone and rng.random() < feel.pad

    names = [instrument, accompaniment]
    names += [bass] if has_bass else []
    names += [words.PAD] if pad else []
    names += [words.DRUMS] if drums else []
    attributes = MusicAttributes(
        instrument=instrument,
        family=words.INSTRUMENTS[instrument].family,
        instruments=list(dict.fromkeys(names)),
        tempo=tempo,
        key=key,
        mode=mode,
        metre=metre,
        style=style_name,
        mood=mood,
        density=density,
        energy=_energy(feel.velocity, density, drums, tempo),
        drums=drums,
        swing=swings,
    )
    return Plan(
        seed=seed,
        attributes=attributes,
        accompaniment=accompaniment,
        bass=bass if has_bass else None,
        pad=pad,
        swing=swing,
        seconds=length,
        ends=bool(rng.random() < 0.5),
        lead_in=float(round(rng.uniform(0.0, 0.3), 3)),
    )


def _chordal() -> list[str]:
    return [i.name for i in words.INSTRUMENTS.values() if i.chords]
