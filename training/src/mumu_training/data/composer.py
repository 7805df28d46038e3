"""Composes a piece from a plan and writes it as a standard MIDI file, in memory.

The MIDI bytes are the score: rendering reads nothing else, and the same seed gives the same bytes.
Channels: 0 melody, 1 accompaniment, 2 bass, 3 pad, 9 drums.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import mido
import numpy as np

from mumu_training.data import vocabulary as words
from mumu_training.data.composer_harmony import make_harmony
from mumu_training.data.composer_melody import Note, make_melody
from mumu_training.data.composer_patterns import (
    BASS,
    BEATS_A_BAR,
    COMP,
    CRASH,
    DRUMS,
    FILLS,
    KICK,
    STEPS_A_BEAT,
    beat_pattern,
    sounds_on_every_beat,
)
from mumu_training.data.composer_plan import MOODS, Plan, make_plan
from mumu_training.data.theory import Chord, key_pitch_class, voice_chord

MELODY, COMPING, BASS_LINE, PAD, PERCUSSION = 0, 1, 2, 3, 9
_TICKS: Final[int] = 480


@dataclass(frozen=True)
class Piece:
    """A composed piece."""

    plan: Plan
    midi: bytes
    """Standard MIDI file, format 1."""
    beats: list[float]
    """Times of the beats inside the clip, in seconds."""


def compose(seed: int, seconds: float = 12.0, fixed: Mapping[str, Any] | None = None) -> Piece:
    """Compose a piece from a seed; arguments as in `make_plan`."""
    plan = make_plan(seed, seconds, fixed)
    attributes = plan.attributes
    rng = np.random.default_rng([seed, 1])
    beats_a_bar = BEATS_A_BAR[attributes.metre]
    beat = 60.0 / attributes.tempo
    room = (plan.seconds - plan.lead_in) / (beat * beats_a_bar)
    # A closing piece ends with a held bar that may be cut short; the others run past the end.
    bars = max(2, round(room)) if plan.ends else int(np.ceil(room)) + 1
    tonic = key_pitch_class(attributes.key)
    harmony = make_harmony(rng, attributes.style, attributes.mode, tonic, bars, plan.ends)
    tracks = {MELODY: make_melody(rng, plan, harmony)}
    tracks[COMPING] = _comping(rng, plan, harmony)
    if plan.bass:
        tracks[BASS_LINE] = _bass_line(rng, plan, harmony)
    if plan.pad:
        tracks[PAD] = [
            Note(
                bar * beats_a_bar + part * beats_a_bar / len(chords),
                beats_a_bar / len(chords),
                pitch,
                70,
            )
            for bar, chords in enumerate(harmony)
            for part, chord in enumerate(chords)
            for pitch in voice_chord(chord, 60, 4)
        ]
    if attributes.drums:
        tracks[PERCUSSION] = _drums(rng, plan, bars)
    played = {c: [_swung(note, plan.swing) for note in notes] for c, notes in tracks.items()}
    midi = _write_midi(rng, plan, played)
    count = bars * beats_a_bar
    times = [round(plan.lead_in + number * beat, 4) for number in range(count)]
    return Piece(plan, midi, [time for time in times if time < plan.seconds - 0.05])


def _one_of(rng: np.random.Generator, patterns: tuple[Any, ...]) -> Any:
    return patterns[int(rng.integers(len(patterns)))]


def _chord_at(harmony: list[list[Chord]], bar: int, part: float) -> Chord:
    chords = harmony[min(bar, len(harmony) - 1)]
    return chords[min(int(part * len(chords)), len(chords) - 1)]


def _comping(rng: np.random.Generator, plan: Plan, harmony: list[list[Chord]]) -> list[Note]:
    """Chords or broken chords, below the melody of a high instrument and around middle C."""
    attributes = plan.attributes
    metre = attributes.metre
    steps, beats = STEPS_A_BEAT[metre], BEATS_A_BAR[metre]
    options = COMP[attributes.style][metre]
    if not attributes.drums:
        options = tuple(p for p in options if sounds_on_every_beat(p, metre)) or (
            beat_pattern(metre),
        )
    pattern: str = _one_of(rng, options)
    chance = 0.0 if attributes.density == "dense" else 0.5
    other: str = _one_of(rng, options) if rng.random() < chance else pattern
    voice = words.INSTRUMENTS[plan.accompaniment]
    centre = int(np.clip(rng.integers(53, 63), voice.low + 2, voice.high - 10))
    hard = 12 if attributes.energy == "high" else -8 if attributes.energy == "low" else 0
    notes: list[Note] = []
    for bar in range(len(harmony)):
        row = other if bar % 8 in range(4, 8) else pattern
        if plan.ends and bar == len(harmony) - 1:
            row = "x" + "." * (len(row) - 1)
        onsets = [step for step, mark in enumerate(row) if mark != "."]
        for place, step in enumerate(onsets):
            following = onsets[place + 1] if place + 1 < len(onsets) else len(row)
            chord = _chord_at(harmony, bar, step / len(row))
            tones = voice_chord(chord, centre)
            mark = row[step]
            gate = 0.6 if attributes.style in ("waltz", "march", "folk") and mark == "x" else 0.95
            length = (following - step) / steps * gate
            velocity = 82 + hard + (6 if step % steps == 0 else 0) + int(rng.integers(-4, 5))
            chosen = tones if mark == "x" else [tones[int(mark) % len(tones)]]
            start = bar * beats + step / steps
            notes += [Note(start, length, pitch, velocity) for pitch in chosen]
    return notes


def _bass_line(rng: np.random.Generator, plan: Plan, harmony: list[list[Chord]]) -> list[Note]:
    """A bass line of the style's pattern, between E1 and G2."""
    attributes = plan.attributes
    steps, beats = STEPS_A_BEAT[attributes.metre], BEATS_A_BAR[attributes.metre]
    pattern: str = _one_of(rng, BASS[attributes.style][attributes.metre])
    notes: list[Note] = []
    for bar in range(len(harmony)):
        row = pattern
        if plan.ends and bar == len(harmony) - 1:
            row = "r" + "." * (len(row) - 1)
        onsets = [step for step, mark in enumerate(row) if mark != "."]
        for place, step in enumerate(onsets):
            chord = _chord_at(harmony, bar, step / len(row))
            root = 28 + (chord.root - 4) % 12
            target = 28 + (_chord_at(harmony, bar + 1, 0.0).root - 4) % 12
            pitch = {
                "r": root,
                "f": root + chord.intervals[-1 if len(chord.intervals) == 2 else 2],
                "t": root + chord.intervals[1],
                "o": root + 12,
                "a": target + (1 if root > target else -1),
            }[row[step]]
            following = onsets[place + 1] if place + 1 < len(onsets) else len(row)
            velocity = 92 + (6 if step == 0 else 0) + int(rng.integers(-5, 6))
            start = bar * beats + step / steps
            notes.append(Note(start, (following - step) / steps * 0.9, pitch, velocity))
    return notes


def _drums(rng: np.random.Generator, plan: Plan, bars: int) -> list[Note]:
    """The style's groove, with a fill at the end of phrases and a crash where they begin."""
    attributes = plan.attributes
    metre = attributes.metre
    steps, beats = STEPS_A_BEAT[metre], BEATS_A_BAR[metre]
    groove = _one_of(rng, DRUMS[attributes.style][metre])
    loud = attributes.style in ("rock", "pop", "techno", "blues")
    loudness = MOODS[attributes.mood].velocity - 100
    notes: list[Note] = []

    def hit(key: int, start: float, velocity: int) -> None:
        level = int(np.clip(velocity + loudness // 3 + rng.integers(-5, 6), 20, 127))
        notes.append(Note(start, 0.1, key, level))

    for bar in range(bars):
        if plan.ends and bar == bars - 1:
            hit(KICK, bar * beats, 110)
            if loud:
                hit(CRASH, bar * beats, 90)
            break
        rows = list(groove.items())
        if loud and bar % 4 == 3:
            rows += list(FILLS[metre].items())
        for key, row in rows:
            for step, mark in enumerate(row):
                if mark != ".":
                    hit(key, bar * beats + step / steps, 108 if mark == "x" else 74)
        if loud and bar and bar % 4 == 0:
            hit(CRASH, bar * beats, 92)
    return notes


def _swung(note: Note, swing: float) -> Note:
    """Move a note's start by the swing: the half of each beat goes to `swing`."""
    beat, within = divmod(note.start, 1.0)
    if swing == 0.5:
        return note
    moved = within * 2 * swing if within < 0.5 else swing + (within - 0.5) * 2 * (1 - swing)
    return Note(beat + moved, note.length, note.pitch, note.velocity)


def _write_midi(rng: np.random.Generator, plan: Plan, tracks: Mapping[int, list[Note]]) -> bytes:
    """Write the tracks, a few milliseconds away from the grid as players are."""
    attributes = plan.attributes
    compound = attributes.metre == "6/8"
    a_beat = _TICKS * 3 // 2 if compound else _TICKS
    quarter = mido.bpm2tempo(attributes.tempo * (1.5 if compound else 1.0))
    second = _TICKS * 1e6 / quarter
    lead = plan.lead_in * second
    programs = {
        MELODY: words.INSTRUMENTS[attributes.instrument].program,
        COMPING: words.INSTRUMENTS[plan.accompaniment].program,
        BASS_LINE: words.BASSES[plan.bass] if plan.bass else 0,
        PAD: words.PAD_PROGRAM,
        PERCUSSION: 0,
    }
    file = mido.MidiFile(type=1, ticks_per_beat=_TICKS)
    head = mido.MidiTrack()
    top, bottom = (int(part) for part in attributes.metre.split("/"))
    head.append(mido.MetaMessage("set_tempo", tempo=quarter))
    head.append(mido.MetaMessage("time_signature", numerator=top, denominator=bottom))
    file.tracks.append(head)
    for channel, notes in tracks.items():
        events: list[tuple[int, int, mido.Message]] = []
        for note in notes:
            jitter = float(np.clip(rng.normal(0, 0.004), -0.01, 0.01)) * second
            start = max(0, round(lead + note.start * a_beat + jitter))
            end = start + max(12, round(note.length * a_beat) - 4)
            common = {"channel": channel, "note": note.pitch}
            on = mido.Message("note_on", velocity=int(np.clip(note.velocity, 1, 127)), **common)
            events.append((start, 1, on))
            events.append((end, 0, mido.Message("note_off", velocity=0, **common)))
        events.sort(key=lambda event: event[:2])
        track = mido.MidiTrack()
        track.append(mido.Message("program_change", channel=channel, program=programs[channel]))
        now = 0
        for tick, _, message in events:
            track.append(message.copy(time=tick - now))
            now = tick
        file.tracks.append(track)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()
