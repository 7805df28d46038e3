"""The sound of a song's parts, and of the changes that `edits` makes pairs of.

A part is played, balanced and put into the room by itself, so what a change leaves alone is the
same array before and after. Both songs are then brought to 16 bit by one factor, part by part:
their difference is the changed part, to the bit.
"""

from __future__ import annotations

import io
import subprocess
from collections.abc import Mapping
from typing import Final

import mido
import numpy as np
import numpy.typing as npt

from mumu_training.data import vocabulary as words
from mumu_training.data.augment import reverberate
from mumu_training.data.composer import BASS_LINE, COMPING, MELODY, PAD, PERCUSSION, Piece
from mumu_training.data.manifest import SAMPLE_RATE
from mumu_training.data.render import (
    STEMS,
    Audio,
    Renderer,
    faded,
    gains,
    loudness,
    room,
    wetness_of,
)

Pcm = npt.NDArray[np.int16]
PARTS: Final[dict[str, int]] = {
    "melody": MELODY,
    "accompaniment": COMPING,
    "bass": BASS_LINE,
    "pad": PAD,
    "drums": PERCUSSION,
}
"""Channels of the parts that a piece may have."""
_STEM_OF: Final[dict[str, str]] = {"melody": "melody", "drums": "drums"}
"""The stem whose level a part shares; the others are of the accompaniment."""
_FULL_SCALE: Final[int] = 32767


def instruments_of(piece: Piece) -> dict[str, str]:
    """Instrument by part, of the parts that a piece has."""
    plan = piece.plan
    played: dict[str, str | None] = {
        "melody": plan.attributes.instrument,
        "accompaniment": plan.accompaniment,
        "bass": plan.bass,
        "pad": words.PAD if plan.pad else None,
        "drums": words.DRUMS if plan.attributes.drums else None,
    }
    return {part: name for part, name in played.items() if name is not None}


def program_of(instrument: str) -> int:
    """General MIDI program of a melody, accompaniment or bass instrument.

    Raises:
        KeyError: there is no such instrument.
    """
    if instrument in words.BASSES:
        return words.BASSES[instrument]
    return words.INSTRUMENTS[instrument].program


def notes_of(midi: bytes, channel: int) -> list[int]:
    """MIDI notes that a channel plays, in order."""
    return [
        message.note
        for message in mido.MidiFile(file=io.BytesIO(midi))
        if message.type == "note_on" and message.velocity and message.channel == channel
    ]


class Band:
    """Plays a piece part by part.

    With a renderer that has played nothing yet, the same piece gives the same sound to the bit;
    else FluidSynth's dither and voices remember what they played, and the last bits differ.

    Raises:
        ValueError: a part renders to silence.
    """

    def __init__(self, piece: Piece, renderer: Renderer) -> None:
        self.piece = piece
        self._renderer = renderer
        dry = {part: self._render(part) for part in instruments_of(piece)}
        rng = np.random.default_rng([piece.plan.seed, 21])
        stems: dict[str, Audio] = {}
        for part, audio in dry.items():
            stem = _STEM_OF.get(part, STEMS[1])
            stems[stem] = stems[stem] + audio if stem in stems else audio
        factors = gains(stems, rng)
        self._room = room(wetness_of(piece.plan.attributes.mood), rng)
        self._dry = {
            part: (audio * factors[_STEM_OF.get(part, STEMS[1])]).astype(np.float32)
            for part, audio in dry.items()
        }
        self.parts = {part: self._placed(audio) for part, audio in self._dry.items()}
        """Audio of each part in its room, `[samples]`, at the levels of a mix but for one factor."""

    def instead(self, part: str, instrument: str) -> Audio:
        """A part played by another instrument, as loud as it was, `[samples]`.

        Raises:
            ValueError: it renders to silence.
        """
        audio = self._render(part, program_of(instrument))
        gain = 10 ** ((loudness(self._dry[part]) - loudness(audio)) / 20)
        return self._placed((audio * gain).astype(np.float32))

    def _render(self, part: str, program: int | None = None) -> Audio:
        channel, plan = PARTS[part], self.piece.plan
        programs = {} if program is None else {channel: program}
        audio = self._renderer.render(self.piece.midi, plan.seconds, {channel}, programs)
        if float(np.abs(audio).max(initial=0.0)) < 1e-4:
            raise ValueError(f"The {part} of composition {plan.seed} rendered to silence.")
        return audio

    def _placed(self, audio: Audio) -> Audio:
        # The same walls for all: the room is drawn anew from the same seed.
        walls = np.random.default_rng([self.piece.plan.seed, 22])
        return faded(reverberate(audio, SAMPLE_RATE, *self._room, walls).copy())


def mixed(parts: Mapping[str, Audio]) -> Audio:
    """The sum of parts, `[samples]`."""
    return np.sum(list(parts.values()), axis=0).astype(np.float32)


def at_one_level(
    before: Mapping[str, Audio], after: Mapping[str, Audio], peak: float
) -> tuple[Pcm, Pcm]:
    """Two songs in 16 bit, under one factor by which the louder of them peaks at `peak` (below 1).

    Parts are rounded before they are added, so a part that both songs have is the same in both.

    Args:
        before: audio by part, each `[samples]`; an array that `after` has too is the same part.
        after: the same of the other song, whose length may differ.
        peak: share of full scale, at most 0.99.
    """
    loudest = max(float(np.abs(mixed(song)).max()) for song in (before, after))

    def song(parts: Mapping[str, Audio]) -> Pcm:
        scale = peak * _FULL_SCALE / loudest
        rounded = [np.rint(audio * scale).astype(np.int32) for audio in parts.values()]
        return np.sum(rounded, axis=0).astype(np.int16)

    return song(before), song(after)


def stretched(audio: Audio, duration: float = 1.0, cents: float = 0.0) -> Audio:
    """Audio `[samples]` at 24 kHz lasting `duration` times as long and `cents` higher.

    By ffmpeg: `atempo` (WSOLA) for duration, resampling and `atempo` for pitch. The result has
    `round(duration * samples)` samples: what WSOLA's windows leave over is cut or filled with silence.

    Raises:
        FileNotFoundError: ffmpeg is not installed.
        RuntimeError: ffmpeg failed.
    """
    pitch = 2 ** (cents / 1200)
    chain = []
    if cents:
        chain += [f"asetrate={SAMPLE_RATE * pitch}", f"aresample={SAMPLE_RATE}"]
    # Playing at another rate changed the duration too: atempo brings it to what is asked for.
    speed = 1 / (duration * pitch)
    if abs(speed - 1) > 1e-6:
        chain.append(f"atempo={speed}")
    if not chain:
        return audio
    raw = ["-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1"]
    command = ["ffmpeg", "-v", "error", *raw, "-i", "pipe:0", "-af", ",".join(chain), *raw, "-"]
    sent = audio.astype("<f4").tobytes()
    try:
        done = subprocess.run(command, input=sent, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise FileNotFoundError("ffmpeg is needed to stretch music: install it.") from error
    if done.returncode != 0:
        raise RuntimeError(f"ffmpeg could not edit: {done.stderr.decode()[-300:]}")
    made = np.frombuffer(done.stdout, dtype="<f4").astype(np.float32)
    wanted = round(duration * len(audio))
    return np.pad(made[:wanted], (0, max(0, wanted - len(made))))
