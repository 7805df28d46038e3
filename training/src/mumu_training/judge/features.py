"""What the judge looks at: a log-mel spectrogram, periodicities of the onsets, and a note profile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import librosa
import numpy as np
import soundfile
import soxr
from librosa.filters import mel as mel_filters
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RATE = 24_000
HOP = 256
MELS = 64
FRAMES_A_SECOND = RATE / HOP
BANDS = 8
"""Parts of the spectrum whose onsets are looked at apart."""
LAG_TEMPI = 30.0 * 1.02 ** np.arange(126)
"""Periodicities looked at, in a minute: 30 to 356."""
NOTES = np.arange(36, 96)
"""MIDI notes of the note profile."""
_LONG_WINDOW = 8192


@dataclass(frozen=True)
class Features:
    """Features of one piece."""

    mel: Floats
    """Log-mel spectrogram `[frames, 64]`, zero mean over the piece, in units of 20 dB or so."""
    rhythm: Floats
    """Autocorrelation of the onsets `[8, 126]` at the periods of LAG_TEMPI, 1 at lag zero."""
    notes: Floats
    """How strongly each of NOTES sounds, mean over time `[60]`, summing to 1."""


@cache
def _filters() -> Floats:
    return mel_filters(sr=RATE, n_fft=1024, n_mels=MELS, fmin=40, fmax=11_000)


@cache
def _note_filters() -> Floats:
    """Triangles a semitone wide at each note `[60, bins]`."""
    bins = np.fft.rfftfreq(_LONG_WINDOW, 1 / RATE)
    with np.errstate(divide="ignore"):
        place = 69 + 12 * np.log2(bins / 440)
    rows = np.maximum(0, 1 - np.abs(place[None] - NOTES[:, None]))
    total = rows.sum(axis=1, keepdims=True)
    return (rows / np.maximum(total, 1e-9)).astype(np.float32)


def read_audio(path: Path) -> Floats:
    """A sound file as `[samples]` mono at 24 kHz."""
    data, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = data.mean(axis=1)
    return mono if rate == RATE else soxr.resample(mono, rate, RATE).astype(np.float32)


def extract(audio: Floats) -> Features:
    """Features of `[samples]` at 24 kHz, at least a second.

    Raises:
        ValueError: the audio is shorter.
    """
    if len(audio) < RATE:
        raise ValueError("A piece of at least a second is needed.")
    power = np.abs(librosa.stft(audio, n_fft=1024, hop_length=HOP)) ** 2
    loudest = float(power.max()) + 1e-9
    mel = np.log10(_filters() @ power / loudest + 1e-7).T
    mel = (mel - mel.mean()) / 2
    long = np.abs(librosa.stft(audio, n_fft=_LONG_WINDOW, hop_length=_LONG_WINDOW // 2))
    notes = _note_filters() @ np.sqrt(long)
    # What sounds in every neighbour alike is noise, not a note.
    floor = np.minimum(np.roll(notes, 1, axis=0), np.roll(notes, -1, axis=0))
    profile = np.maximum(notes - floor, 0).sum(axis=1) + 1e-6
    return Features(
        mel.astype(np.float32),
        periodicities(mel.astype(np.float32)),
        (profile / profile.sum()).astype(np.float32),
    )


def periodicities(mel: Floats) -> Floats:
    """Autocorrelation of the onsets in each band `[8, 126]` of a spectrogram `[frames, 64]`."""
    rise = np.maximum(np.diff(mel, axis=0), 0).reshape(-1, BANDS, MELS // BANDS).mean(axis=2)
    rise = rise - rise.mean(axis=0)
    count = len(rise)
    spectrum = np.fft.rfft(rise, 2 * count, axis=0)
    same = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:count]
    # Later lags rest on fewer frames.
    same /= np.maximum(count - np.arange(count), count // 4)[:, None]
    same /= same[0] + 1e-9
    lags = FRAMES_A_SECOND * 60 / LAG_TEMPI
    grid = np.arange(count)
    rows = [np.interp(lags, grid, same[:, band], right=0.0) for band in range(BANDS)]
    return np.stack(rows).astype(np.float32)
