"""Asks the judge about a piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mumu_training.data.vocabulary import MODES, MOODS
from mumu_training.judge.features import Features, Floats, extract
from mumu_training.judge.model import INSTRUMENT_NAMES, Judge, read_tempo_logits

_WINDOW = 256


@dataclass(frozen=True)
class Tags:
    """What the judge takes a piece for."""

    instrument: str
    mood: str
    mode: str
    tempo: float
    """Beats a minute."""
    moods: dict[str, float] = field(default_factory=dict)
    """Log-probability of each mood."""
    instruments: dict[str, float] = field(default_factory=dict)
    """Probability of each instrument."""


class Tagger:
    """A trained judge; `measures` says how often it is right on true renderings of its own."""

    def __init__(self, model: Judge, measures: dict[str, Any] | None = None) -> None:
        self.model = model.eval()
        self.measures = measures or {}

    def _windows(self, mel: Floats) -> Tensor:
        """Windows that cover a spectrogram: [windows, 256, 64]."""
        if len(mel) < _WINDOW:
            mel = np.pad(mel, ((0, _WINDOW - len(mel)), (0, 0)), mode="wrap")
        count = -(-len(mel) // _WINDOW)
        starts = np.linspace(0, len(mel) - _WINDOW, count).round().astype(int)
        return torch.from_numpy(np.stack([mel[start : start + _WINDOW] for start in starts]))

    @torch.inference_mode()
    def tags(self, features: Features) -> Tags:
        """Judge a piece by its features; windows vote by their mean log-probabilities."""
        mel = self._windows(features.mel)
        rhythm = torch.from_numpy(features.rhythm)[None].expand(len(mel), -1, -1)
        notes = torch.from_numpy(features.notes)[None].expand(len(mel), -1)
        judged = self.model(mel, rhythm, notes)
        instrument = judged.instrument.log_softmax(1).mean(0).softmax(0)
        mood = judged.mood.log_softmax(1).mean(0).log_softmax(0)
        key = judged.key[0]
        return Tags(
            INSTRUMENT_NAMES[int(instrument.argmax())],
            MOODS[int(mood.argmax())],
            MODES[int(key[12:].logsumexp(0) > key[:12].logsumexp(0))],
            float(read_tempo_logits(judged.tempo[:1])[0]),
            dict(zip(MOODS, mood.tolist(), strict=True)),
            dict(zip(INSTRUMENT_NAMES, instrument.tolist(), strict=True)),
        )

    @torch.inference_mode()
    def embed(self, features: Features) -> NDArray[np.float64]:
        """The network's last layer for a piece, mean over its windows: `[96]`."""
        mel = self._windows(features.mel)
        rhythm = torch.from_numpy(features.rhythm)[None].expand(len(mel), -1, -1)
        notes = torch.from_numpy(features.notes)[None].expand(len(mel), -1)
        return self.model(mel, rhythm, notes).embedding.mean(0).numpy().astype(np.float64)

    def listen(self, audio: Floats) -> Tags:
        """Judge `[samples]` at 24 kHz."""
        return self.tags(extract(audio))
