"""Rendered songs as waveforms at the codec's sampling rate, read once and kept in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from mumu_training.data.manifest import MusicRecord

FloatArray = NDArray[np.float32]


def load_song(path: Path, rate: int) -> FloatArray:
    """Mono samples `[samples]` in [-1, 1] of an audio file, resampled to `rate` Hz.

    Raises soundfile.LibsndfileError when the file is missing or is not audio.
    """
    samples, source_rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    if source_rate != rate:
        mono = soxr.resample(mono, source_rate, rate)
    return np.asarray(mono, dtype=np.float32)


class SongBank:
    """Songs of a dataset folder, decoded on first use and kept as 16 bit samples.

    3,000 songs of 12 s at 16 kHz take about 1.2 GB; reading them at every step would cost more
    than the training step itself.
    """

    def __init__(self, folder: Path, records: Sequence[MusicRecord], rate: int) -> None:
        if not records:
            raise ValueError(f"there are no songs in {folder}: generate the data first")
        self.records = list(records)
        self.rate = rate
        self._folder = folder
        self._kept: dict[int, NDArray[np.int16]] = {}

    def __len__(self) -> int:
        return len(self.records)

    def song(self, index: int) -> FloatArray:
        """Samples `[samples]` of one song, in [-1, 1]."""
        if index not in self._kept:
            samples = load_song(self._folder / self.records[index].path, self.rate)
            self._kept[index] = np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)
        return (self._kept[index] / np.float32(32767)).astype(np.float32)

    def first(self, count: int) -> Iterator[FloatArray]:
        """The first `count` songs, or all where there are fewer, one after another."""
        return (self.song(index) for index in range(min(count, len(self))))

    def crop(self, rng: np.random.Generator, length: int) -> FloatArray:
        """A random stretch `[length]` of a random song; a shorter song is padded with silence."""
        samples = self.song(int(rng.integers(len(self.records))))
        start = int(rng.integers(max(1, len(samples) - length + 1)))
        piece = samples[start : start + length]
        return np.pad(piece, (0, length - len(piece)))

    def crops(
        self, rng: np.random.Generator, count: int, length: int, gain_db: tuple[float, float]
    ) -> FloatArray:
        """Random stretches `[count, 1, length]` at random levels (dB, uniform), never clipping."""
        batch = np.stack([self.crop(rng, length) for _ in range(count)])
        gain = 10 ** (rng.uniform(*gain_db, size=(count, 1)) / 20)
        peak = np.abs(batch).max(axis=1, keepdims=True)
        gain = np.minimum(gain, 0.99 / np.maximum(peak, 1e-3))
        return (batch * gain).astype(np.float32)[:, None]
