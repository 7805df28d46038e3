"""The judge's network: timbre, rhythm and harmony are looked at apart and read by small heads.

About 290,000 parameters. Instrument and mood come from a convolutional network over the log-mel
spectrogram with rhythm and harmony beside it; tempo from the periodicities of the onsets; mode from
a profile of notes that is compared with learned ones in all twelve keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from mumu_training.data.vocabulary import INSTRUMENTS, KEYS, MODES, MOODS
from mumu_training.judge.features import BANDS, LAG_TEMPI, MELS, NOTES

TEMPI = 50.0 * 1.0225 ** torch.arange(64)
"""Tempi told apart, in beats a minute: 50 to 203."""
INSTRUMENT_NAMES = tuple(INSTRUMENTS)


@dataclass(frozen=True)
class Judgement:
    """Logits for a batch."""

    instrument: Tensor
    """`[batch, 20]`, in the order of INSTRUMENT_NAMES."""
    mood: Tensor
    """`[batch, 6]`, in the order of MOODS."""
    tempo: Tensor
    """`[batch, 64]`, in the order of TEMPI."""
    key: Tensor
    """`[batch, 24]`: the twelve major keys from C, then the minor ones."""
    embedding: Tensor
    """`[batch, 96]`: what instrument and mood are read from."""


class Judge(nn.Module):
    """See the module. `width` is the number of channels of the first convolution."""

    def __init__(self, width: int = 20) -> None:
        super().__init__()
        channels = [1, width, 2 * width, 3 * width, 4 * width]
        blocks: list[nn.Module] = []
        for before, after in pairwise(channels):
            blocks += [
                nn.Conv2d(before, after, 3, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.timbre = nn.Sequential(*blocks)
        # Pooled over time (mean and peak), not over the four bands left: register is a cue of mood.
        self.pooled = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * 4 * 4 * width, 96), nn.ReLU())
        self.rhythm = nn.Sequential(
            nn.Conv1d(BANDS, 16, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(16, 16, 5, padding=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(16 * len(LAG_TEMPI), 64),
            nn.ReLU(),
        )
        self.tempo = nn.Linear(64, len(TEMPI))
        # Two octave ranges (below and from C4) of twelve pitch classes, for major and minor.
        self.profiles = nn.Parameter(torch.zeros(2, 2, 12))
        self.sharpness = nn.Parameter(torch.tensor(10.0))
        self.fused = nn.Sequential(nn.Linear(96 + 64 + 2, 96), nn.ReLU())
        self.instrument = nn.Linear(96, len(INSTRUMENT_NAMES))
        self.mood = nn.Linear(96, len(MOODS))

    def forward(self, mel: Tensor, rhythm: Tensor, notes: Tensor) -> Judgement:
        """Judge `mel` [batch, frames, 64], `rhythm` [batch, 8, 126], `notes` [batch, 60]."""
        seen = self.timbre(mel[:, None])  # -> [batch, channels, frames / 16, 4]
        pooled = torch.cat([seen.mean(dim=2), seen.amax(dim=2)], dim=1).flatten(1)
        timbre = self.pooled(pooled)
        felt = self.rhythm(rhythm)
        key = self._key(notes)
        modes = torch.stack([key[:, :12].logsumexp(1), key[:, 12:].logsumexp(1)], dim=1)
        embedding = self.fused(torch.cat([timbre, felt, modes.log_softmax(1)], dim=1))
        return Judgement(
            self.instrument(embedding), self.mood(embedding), self.tempo(felt), key, embedding
        )

    def _key(self, notes: Tensor) -> Tensor:
        ranges = torch.stack([_folded(notes[:, :24]), _folded(notes[:, 24:])], dim=1)
        ranges = ranges / ranges.norm(dim=2, keepdim=True).clamp_min(1e-6)
        # [batch, 2, 12] against profiles turned to each of twelve tonics.
        turned = torch.stack([torch.roll(self.profiles, tonic, dims=2) for tonic in range(12)], 1)
        scores = torch.einsum("brp,mtrp->bmt", ranges, turned)
        return (self.sharpness * scores).flatten(1)


def _folded(notes: Tensor) -> Tensor:
    """Octaves added up: [batch, 12 n] from a C on -> [batch, 12]."""
    return notes.unflatten(1, (-1, 12)).sum(1)


def key_index(key: str, mode: str) -> int:
    """Place of a key among the 24."""
    return KEYS.index(key) + 12 * MODES.index(mode)


def tempo_target(bpm: Tensor) -> Tensor:
    """Soft target over TEMPI for tempi `[batch]`: a bell of one step around the true one."""
    steps = (torch.log(bpm[:, None]) - torch.log(TEMPI)) / torch.log(TEMPI[1] / TEMPI[0])
    weights = torch.exp(-0.5 * steps**2)
    return weights / weights.sum(dim=1, keepdim=True)


def read_tempo_logits(logits: Tensor) -> Tensor:
    """Tempi `[batch]` of logits: the mean over the two steps either side of the best one."""
    best = logits.argmax(dim=1, keepdim=True)
    near = (torch.arange(len(TEMPI))[None] - best).abs() <= 2
    weights = logits.softmax(dim=1) * near
    return (weights * TEMPI).sum(1) / weights.sum(1)


assert len(NOTES) % 12 == 0
assert NOTES[0] % 12 == 0
assert MELS == 64
