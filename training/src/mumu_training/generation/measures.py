"""Objective measures of a codec: waveform match, spectral distance, onsets kept."""

from __future__ import annotations

import librosa
import numpy as np
from librosa.onset import onset_detect
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def si_sdr(made: FloatArray, true: FloatArray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB of `[samples]` (Le Roux et al. 2019)."""
    true = true - true.mean()
    made = made - made.mean()
    target = float(np.dot(made, true)) / (float(np.dot(true, true)) + 1e-9) * true
    noise = made - target
    return float(10 * np.log10((np.sum(target**2) + 1e-9) / (np.sum(noise**2) + 1e-9)))


def log_spectral_distance(made: FloatArray, true: FloatArray, window: int = 1024) -> float:
    """Root mean square difference of log power spectra in dB, mean over frames, floor -60 dBFS."""

    def log_power(wave: FloatArray) -> NDArray[np.float32]:
        magnitude = np.abs(librosa.stft(wave, n_fft=window, hop_length=window // 4)) * 4 / window
        return 20 * np.log10(np.maximum(magnitude, 1e-3))

    difference = log_power(made) - log_power(true)
    return float(np.sqrt((difference**2).mean(axis=0)).mean())


def onset_times(wave: FloatArray, rate: int) -> NDArray[np.float64]:
    """Onset times in seconds of `[samples]`, by spectral flux (librosa's detector)."""
    return onset_detect(y=wave, sr=rate, hop_length=256, units="time")


def onset_f1(made: FloatArray, true: FloatArray, rate: int, tolerance: float = 0.05) -> float:
    """F measure of onsets found in both within `tolerance` seconds, each matched once."""
    ours, theirs = onset_times(made, rate), onset_times(true, rate)
    if len(ours) == 0 or len(theirs) == 0:
        return float(len(ours) == len(theirs))
    free = list(theirs)
    hits = 0
    for time in ours:
        nearest = min(free, key=lambda other: abs(other - time), default=None)
        if nearest is not None and abs(nearest - time) <= tolerance:
            free.remove(nearest)
            hits += 1
    return 2 * hits / (len(ours) + len(theirs))
