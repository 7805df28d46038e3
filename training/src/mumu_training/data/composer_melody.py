"""Melodies built from a motif: stated, repeated, moved with the harmony, and closed by a cadence.

Rhythm is drawn from cells of one beat, so that the wanted number of notes a second is met; pitch is
a contour of scale steps that is laid onto the scale of each chord, with chord tones on the beats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from mumu_training.data import vocabulary as words
from mumu_training.data.composer_patterns import BEATS_A_BAR, STEPS_A_BEAT
from mumu_training.data.composer_plan import MOODS, Plan
from mumu_training.data.theory import Chord, key_pitch_class, scale_notes


@dataclass(frozen=True)
class Note:
    """A note, in beats from the start of the piece."""

    start: float
    length: float
    pitch: int
    velocity: int


NOTES_A_SECOND: Final[dict[str, float]] = {"sparse": 1.2, "medium": 2.3, "dense": 4.2}
"""What each density means for the melody."""

# Cells of one beat in steps (start, ...); the empty cell prolongs the note before.
_CELLS: Final[dict[int, tuple[tuple[int, ...], ...]]] = {
    4: ((), (0,), (0, 2), (0, 3), (0, 1, 2), (0, 2, 3), (0, 1, 2, 3)),
    6: ((), (0,), (0, 4), (0, 2, 4), (0, 3, 4), (0, 2, 3, 4), (0, 1, 2, 4), (0, 1, 2, 3, 4, 5)),
}
_FORMS: Final[tuple[str, ...]] = ("AABC", "ABAC", "AAAC", "ABBC")


def _rhythm(rng: np.random.Generator, metre: str, a_beat: float, off_beats: bool) -> list[int]:
    """Onset steps of one bar with about `a_beat` notes a beat."""
    steps, beats = STEPS_A_BEAT[metre], BEATS_A_BAR[metre]
    cells = [c for c in _CELLS[steps] if off_beats or not any(step % 2 for step in c)]
    onsets: list[int] = []
    debt = 0.0
    for beat in range(beats):
        wanted = a_beat + debt
        usable = [c for c in cells if c or beat > 0]
        costs = np.array([abs(len(c) - wanted) for c in usable])
        weights = np.exp(-2.5 * costs)
        cell = usable[int(rng.choice(len(usable), p=weights / weights.sum()))]
        debt = float(np.clip(wanted - len(cell), -1.5, 1.5))
        onsets += [beat * steps + step for step in cell]
    return onsets


def _contour(rng: np.random.Generator, count: int) -> list[int]:
    """Scale steps relative to the first note: mostly stepwise, gently returning."""
    moves = [-4, -3, -2, -1, 0, 1, 2, 3, 4]
    weights = np.array([0.03, 0.05, 0.13, 0.26, 0.08, 0.26, 0.13, 0.05, 0.03])
    contour = [0]
    for _ in range(count - 1):
        lean = np.exp(-0.06 * np.sign(contour[-1]) * np.array(moves) * abs(contour[-1]))
        chances = weights * lean
        contour.append(contour[-1] + moves[int(rng.choice(9, p=chances / chances.sum()))])
    return contour


def _nearest(notes: list[int], target: float) -> int:
    """Index of the note closest to a target."""
    return int(np.argmin([abs(note - target) for note in notes]))


def _range(plan: Plan) -> tuple[int, int, float]:
    """Lowest, highest and central MIDI note of the melody, from instrument and mood."""
    voice = words.INSTRUMENTS[plan.attributes.instrument]
    span = voice.high - voice.low
    centre = voice.low + span * (0.2 + 0.6 * MOODS[plan.attributes.mood].register)
    return max(voice.low, round(centre - 10)), min(voice.high, round(centre + 10)), centre


def make_melody(rng: np.random.Generator, plan: Plan, harmony: list[list[Chord]]) -> list[Note]:
    """The melody of a whole piece (not yet swung), one bar for each bar of harmony."""
    attributes = plan.attributes
    metre, tempo = attributes.metre, attributes.tempo
    steps, beats = STEPS_A_BEAT[metre], BEATS_A_BAR[metre]
    a_beat = NOTES_A_SECOND[attributes.density] * 60 / tempo
    # Sixteenths would blur above this tempo, and a swung piece swings its eighths.
    fine = tempo < 132 and not attributes.swing
    form = _FORMS[int(rng.integers(len(_FORMS)))]
    rhythms = {name: _rhythm(rng, metre, a_beat, fine) for name in "ABCD"}
    contours = {name: _contour(rng, len(rhythms[name])) for name in "ABCD"}
    low, high, centre = _range(plan)
    tonic = key_pitch_class(attributes.key)
    feel = MOODS[attributes.mood]
    notes: list[Note] = []
    last = centre
    for bar, chords in enumerate(harmony):
        closing = plan.ends and bar == len(harmony) - 1
        name = form[bar % 4]
        if bar % 16 in range(8, 12) and bar % 4 == 0:
            name = "D"  # the contrasting phrase of A A B A
        onsets = [0] if closing else rhythms[name]
        contour = contours[name]
        # Start from a chord tone near the centre, or near the last note: motifs come back.
        anchor = 0.55 * centre + 0.45 * last
        base: int | None = None
        for place, onset in enumerate(onsets):
            chord = chords[onset * len(chords) // (steps * beats)]
            ladder = scale_notes(tonic, attributes.mode, low, high, chord)
            if base is None:
                tones = [n for n in ladder if n % 12 in chord.pitch_classes]
                base = tones[_nearest(tones, anchor)]
            index = _nearest(ladder, base) + contour[place]
            span = 2 * (len(ladder) - 1)
            index = abs(index) % span
            pitch = ladder[min(index, span - index)]
            if onset % steps == 0:
                tones = [n for n in ladder if n % 12 in chord.pitch_classes]
                pitch = tones[_nearest(tones, pitch)]
            if closing:
                roots = [n for n in range(low, high + 1) if n % 12 == chord.root] or [pitch]
                pitch = roots[_nearest(roots, last)]
            following = onsets[place + 1] if place + 1 < len(onsets) else steps * beats
            length = (following - onset) / steps
            accent = 8 if onset == 0 else 4 if onset % steps == 0 else -4
            velocity = int(np.clip(feel.velocity + accent + rng.normal(0, 4), 30, 127))
            sounding = length * (0.97 if closing else feel.gate)
            notes.append(Note(bar * beats + onset / steps, sounding, pitch, velocity))
            last = pitch
    if words.INSTRUMENTS[attributes.instrument].chords and rng.random() < 0.35:
        notes += _second_voice(notes, harmony, beats, low)
    return notes


def _second_voice(
    notes: list[Note], harmony: list[list[Chord]], beats: int, low: int
) -> list[Note]:
    """A lower chord tone under each melody note on a beat, three to nine semitones below."""
    voice: list[Note] = []
    for note in notes:
        bar, within = divmod(note.start, beats)
        chords = harmony[int(bar)]
        chord = chords[int(within * len(chords) / beats)]
        below = [
            pitch
            for pitch in range(note.pitch - 3, max(low, note.pitch - 9) - 1, -1)
            if pitch % 12 in chord.pitch_classes
        ]
        if within == int(within) and below:
            voice.append(Note(note.start, note.length, below[0], note.velocity - 10))
    return voice
