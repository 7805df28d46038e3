"""Renders standard MIDI with FluidSynth: one synthesizer is kept for many songs.

Melody, accompaniment and drums are rendered apart and mixed by loudness, so the melody instrument
is known to lead whatever the soundfont's own balance is. The synthesizer's reverb and chorus are
off (their tails would leak into the next song); `mix` adds a seeded reverb of its own.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import fluidsynth
import mido
import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfilt

from mumu_training.data.augment import reverberate
from mumu_training.data.composer import MELODY, PERCUSSION
from mumu_training.data.manifest import SAMPLE_RATE

Audio = npt.NDArray[np.float32]

STEMS: Final[tuple[str, ...]] = ("melody", "accompaniment", "drums")
_BLOCK_SECONDS: Final[float] = 0.1
_FLUID_BLOCK: Final[int] = 64
"""Samples that FluidSynth renders at a time; events take effect between blocks."""
_EAR: Final = butter(2, [180.0, 6000.0], btype="bandpass", fs=SAMPLE_RATE, output="sos")


class Renderer:
    """A FluidSynth synthesizer with one soundfont loaded.

    Raises:
        FileNotFoundError: the soundfont does not exist.
        ValueError: the file is not a soundfont.
    """

    def __init__(self, soundfont: Path) -> None:
        if not soundfont.is_file():
            raise FileNotFoundError(f"No soundfont at {soundfont}.")
        options = {"synth.chorus.active": 0, "synth.reverb.active": 0}
        self._synth = fluidsynth.Synth(gain=0.25, samplerate=float(SAMPLE_RATE), **options)
        self._font = self._synth.sfload(str(soundfont))
        self._drawn = 0
        if self._font < 0:
            raise ValueError(f"{soundfont.name} is not a soundfont that FluidSynth can load.")

    def stems(self, midi: bytes, seconds: float) -> dict[str, Audio]:
        """Render each stem that the score has, `[samples]` mono float32, unnormalised."""
        channels = {
            message.channel
            for message in mido.MidiFile(file=io.BytesIO(midi))
            if message.type == "note_on"
        }
        groups = {
            "melody": channels & {MELODY},
            "accompaniment": channels - {MELODY, PERCUSSION},
            "drums": channels & {PERCUSSION},
        }
        return {name: self.render(midi, seconds, group) for name, group in groups.items() if group}

    def render(
        self,
        midi: bytes,
        seconds: float,
        channels: set[int] | None = None,
        programs: Mapping[int, int] | None = None,
    ) -> Audio:
        """Render a MIDI file, or only some of its channels, as `[samples]` mono float32.

        Args:
            programs: General MIDI programs to play channels by, in place of the file's own.
        """
        synth = self._synth
        self._silence()
        synth.program_select(PERCUSSION, self._font, 128, 0)
        total = round(seconds * SAMPLE_RATE)
        blocks: list[npt.NDArray[np.int16]] = []
        done, now = 0, 0.0
        for message in mido.MidiFile(file=io.BytesIO(midi)):
            now += message.time
            until = min(total, round(now * SAMPLE_RATE))
            if until > done:
                blocks.append(self._draw(until - done))
                done = until
            if done >= total:
                break
            if message.is_meta or (channels is not None and message.channel not in channels):
                continue
            if message.type == "note_on" and message.velocity:
                synth.noteon(message.channel, message.note, message.velocity)
            elif message.type in ("note_on", "note_off"):
                synth.noteoff(message.channel, message.note)
            elif message.type == "program_change" and message.channel != PERCUSSION:
                program = (programs or {}).get(message.channel, message.program)
                synth.program_select(message.channel, self._font, 0, program)
        if done < total:
            blocks.append(self._draw(total - done))
        stereo = np.concatenate(blocks).reshape(-1, 2)
        return (stereo.astype(np.float32).mean(axis=1) / 32768.0).astype(np.float32)

    def _silence(self) -> None:
        """End what still sounds, so that a song never depends on the one before.

        Voices must be seen to end before the reset: FluidSynth's reset alone lets them fade into
        the next song. Whole blocks are drawn, as FluidSynth keeps the rest of a begun one.
        """
        for channel in range(16):
            self._synth.all_sounds_off(channel)
        self._draw(-self._drawn % _FLUID_BLOCK + 4 * _FLUID_BLOCK)
        self._synth.system_reset()
        self._draw(4 * _FLUID_BLOCK)

    def _draw(self, samples: int) -> npt.NDArray[np.int16]:
        """The next samples, `[2 * samples]`, left and right by turns."""
        self._drawn += samples
        return self._synth.get_samples(samples)

    def close(self) -> None:
        """Free the synthesizer and its soundfont."""
        self._synth.delete()


def loudness(audio: Audio) -> float:
    """Loudness in dB: level from 180 Hz to 6 kHz over the blocks that sound.

    A simple stand-in for a perceptual measure: bass and hiss count less, and silence not at all.
    """
    heard = sosfilt(_EAR, audio)
    block = int(_BLOCK_SECONDS * SAMPLE_RATE)
    usable = len(heard) // block * block
    power = np.square(heard[:usable]).reshape(-1, block).mean(axis=1)
    power = power[power > 1e-3 * power.max(initial=0.0)]
    return float(10 * np.log10(power.mean() + 1e-12)) if power.size else -120.0


def gains(stems: Mapping[str, Audio], rng: np.random.Generator) -> dict[str, float]:
    """Factors by which the melody leads: accompaniment 4 to 10 dB and drums 4 to 11 below."""
    below = {"melody": 0.0, "accompaniment": rng.uniform(4, 10), "drums": rng.uniform(4, 11)}
    return {
        name: 10 ** ((-20.0 - below[name] - loudness(audio)) / 20) for name, audio in stems.items()
    }


def balance(stems: Mapping[str, Audio], rng: np.random.Generator) -> dict[str, Audio]:
    """Scale the stems by `gains`."""
    factors = gains(stems, rng)
    return {name: (audio * factors[name]).astype(np.float32) for name, audio in stems.items()}


def room(wetness: float, rng: np.random.Generator) -> tuple[float, float]:
    """Decay in seconds and wet share of a room: the two middle arguments of `reverberate`."""
    wet = float(np.clip(wetness * rng.uniform(0.4, 1.6), 0.0, 0.6))
    return rng.uniform(0.3, 0.8) + 1.6 * wetness, wet


def wetness_of(mood: str) -> float:
    """Mean share of reverberation of a mood's rooms, 0 to 1."""
    return {"dreamy": 0.3, "dark": 0.15, "sad": 0.12, "calm": 0.12}.get(mood, 0.06)


def faded(audio: Audio) -> Audio:
    """The same, faded over its last 30 ms against a click (in place)."""
    fade = int(0.03 * SAMPLE_RATE)
    audio[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return audio


def mix(stems: Mapping[str, Audio], rng: np.random.Generator, wetness: float) -> Audio:
    """Balance, sum and reverberate stems; normalise the peak to a random level (-12 to -0.5 dB).

    Args:
        stems: audio by name of `STEMS`, each `[samples]`.
        rng: source of the balance, the room and the level.
        wetness: mean share of reverberation, 0 to 1.

    Returns:
        `[samples]` mono float32 below full scale, faded at the very end against a click.
    """
    audio = np.sum(list(balance(stems, rng).values()), axis=0).astype(np.float32)
    decay, wet = room(wetness, rng)
    audio = reverberate(audio, SAMPLE_RATE, decay, wet, rng)
    peak = float(np.abs(audio).max(initial=0.0))
    if peak < 1e-4:
        raise ValueError("The score rendered to silence.")
    audio *= 10 ** (rng.uniform(-12.0, -0.5) / 20) / peak
    return faded(audio)
