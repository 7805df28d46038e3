"""Audio rebuilt from magnitudes alone: how a judge learns to listen past what codecs do to a sound."""

from __future__ import annotations

import librosa
import numpy as np
from librosa.filters import mel as mel_filters

from mumu_training.judge.features import Floats


def resynthesise(audio: Floats, rate: int, rng: np.random.Generator) -> Floats:
    """Rebuild audio from magnitudes alone, as a channel vocoder does: random phases, windows of 21
    to 85 ms, in half of the cases only the mean of 48 to 96 mel bands."""
    size = int(rate * float(rng.choice([0.0213, 0.0427, 0.0853])) / 2) * 2
    magnitudes = np.abs(librosa.stft(audio, n_fft=size, hop_length=size // 4))
    if rng.random() < 0.5:
        bands = mel_filters(
            sr=rate, n_fft=size, n_mels=int(rng.integers(48, 97)), fmin=40.0, norm=None
        )
        means = bands @ magnitudes / np.maximum(bands.sum(axis=1, keepdims=True), 1e-9)
        weight = bands.sum(axis=0)[:, None]
        spread = bands.T @ means / np.maximum(weight, 1e-9)
        magnitudes = np.where(weight > 0.05, spread, magnitudes)
    phases = np.exp(2j * np.pi * rng.random(magnitudes.shape))
    made = librosa.istft(magnitudes * phases, hop_length=size // 4, length=audio.size)
    return made.astype(np.float32)
