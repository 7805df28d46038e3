"""Measures of music by librosa and NumPy, without any model."""

from __future__ import annotations

import librosa
import librosa.feature
import numpy as np
import soundfile
from librosa.onset import onset_detect, onset_strength
from numpy.typing import NDArray

from mumu_training.evaluation.statistics import FloatArray as Doubles

Floats = NDArray[np.float32]

SILENT_RMS = 10 ** (-50 / 20)
_CENTS = 20
"""Resolution at which a shift of pitch is found, in cents."""


def onset_rate(samples: Floats, rate: int) -> float:
    """Onsets a second by librosa's detector (spectral flux, default peak picking)."""
    onsets = onset_detect(y=samples, sr=rate, units="time")
    return len(onsets) / (len(samples) / rate)


def beat_tempo(samples: Floats, rate: int) -> float:
    """Tempo in beats a minute by librosa's estimator (autocorrelation of onset strength, with its
    own prior around 120). It often finds twice or half of what people would tap."""
    strength = onset_strength(y=samples, sr=rate)
    return float(librosa.feature.tempo(onset_envelope=strength, sr=rate)[0])


def spectral(samples: Floats, rate: int) -> dict[str, float]:
    """Means over time: centroid, bandwidth and 85 % roll-off in Hz, flatness 0 to 1."""
    magnitude = np.abs(librosa.stft(samples))
    return {
        "centroid": float(librosa.feature.spectral_centroid(S=magnitude, sr=rate).mean()),
        "bandwidth": float(librosa.feature.spectral_bandwidth(S=magnitude, sr=rate).mean()),
        "rolloff": float(librosa.feature.spectral_rolloff(S=magnitude, sr=rate).mean()),
        "flatness": float(librosa.feature.spectral_flatness(S=magnitude).mean()),
    }


def level(data: Floats) -> dict[str, float | bool]:
    """RMS, silence and clipping of `[samples, channels]`."""
    rms = float(np.sqrt(np.mean(data.mean(axis=1) ** 2)))
    # Clipped: several samples in a row at full scale.
    full = np.abs(data).max(axis=1) >= 0.999
    longest = np.convolve(full.astype(np.int8), np.ones(3, dtype=np.int8)).max()
    return {"rms": rms, "silent": rms < SILENT_RMS, "clipped": bool(longest >= 3)}


def log_spectral_distance(made: Floats, true: Floats, window: int = 1024) -> float:
    """Root mean square difference of log power spectra in dB, mean over frames.

    Both are cut to the shorter one; 60 dB below full scale is the floor.
    """
    count = min(len(made), len(true))

    def log_power(wave: Floats) -> Floats:
        magnitude = np.abs(librosa.stft(wave[:count], n_fft=window)) * 4 / window
        return 20 * np.log10(np.maximum(magnitude, 1e-3))

    difference = log_power(made) - log_power(true)
    return float(np.sqrt((difference**2).mean(axis=0)).mean())


def frechet_distance(made: Doubles, true: Doubles) -> float:
    """Frechet distance of two sets of embeddings `[n, dim]`, taken for normal distributions.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)); the trace of the root is the sum of the roots of
    the eigenvalues of C1 C2, which are real and not negative.

    Raises:
        ValueError: a set has fewer than two embeddings, or the widths differ.
    """
    if made.shape[1] != true.shape[1] or min(len(made), len(true)) < 2:
        raise ValueError("Two sets of at least two embeddings of one width are needed.")
    first, second = (
        np.atleast_2d(np.cov(made, rowvar=False)),
        np.atleast_2d(np.cov(true, rowvar=False)),
    )
    roots = np.sqrt(np.maximum(np.linalg.eigvals(first @ second).real, 0.0)).sum()
    apart = float(((made.mean(axis=0) - true.mean(axis=0)) ** 2).sum())
    return max(0.0, apart + float(np.trace(first) + np.trace(second) - 2 * roots))


def pitch_shift(made: Floats, true: Floats, rate: int, most: int = 400) -> float:
    """By how many cents `made` sounds higher than `true`, to 20 cents, at most `most` either way.

    The shift under which the two long-term spectra over log frequency are most alike.
    """
    steps = np.arange(round(6 * 1200 / _CENTS))
    frequencies = 65.4 * 2 ** (steps * _CENTS / 1200)

    def profile(wave: Floats) -> Floats:
        magnitude = np.abs(librosa.stft(wave, n_fft=16_384, hop_length=8_192)).mean(axis=1)
        bins = frequencies * 16_384 / rate
        logs = np.log(np.interp(bins, np.arange(len(magnitude)), magnitude) + 1e-6)
        # Peaks are what moves; the outline stays where the instrument has it.
        return logs - np.convolve(logs, np.ones(31) / 31, mode="same")

    ours, theirs = profile(made), profile(true)
    reach = most // _CENTS
    inner = slice(reach, len(steps) - reach)
    scores = {
        shift: float(np.corrcoef(np.roll(theirs, shift)[inner], ours[inner])[0, 1])
        for shift in range(-reach, reach + 1)
    }
    return float(max(scores, key=lambda shift: scores[shift]) * _CENTS)


def read(path: str) -> tuple[Floats, int]:
    """A sound file as `[samples, channels]` and its rate."""
    data, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return data, rate
