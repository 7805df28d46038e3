"""Supervised heads for the encoders' stage 0: one label each, thrown away after training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from mumu_training.models.adapters import attention_pool

UNKNOWN = -100


class Heads(nn.Module):
    """Attention pooling and a linear layer per label."""

    def __init__(self, width: int, classes: Mapping[str, int]) -> None:
        super().__init__()
        self.names = list(classes)
        self.scores = nn.ModuleDict({name: nn.Linear(width, 1) for name in classes})
        self.layers = nn.ModuleDict({name: nn.Linear(width, n) for name, n in classes.items()})
        for score in self.scores.values():
            nn.init.zeros_(score.weight)  # type: ignore[arg-type]

    def forward(self, states: Tensor) -> dict[str, Tensor]:
        """`[batch, positions, width]` to logits `[batch, classes]` by label."""
        return {
            name: self.layers[name](attention_pool(states, self.scores[name]))  # type: ignore[arg-type]
            for name in self.names
        }


class SupervisedEncoder(nn.Module):
    """An encoder under training with its heads."""

    def __init__(self, encoder: nn.Module, heads: Heads) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = heads


class Labels:
    """Turns attribute words into class numbers. Words not in the space are unknown (ignored)."""

    def __init__(self, spaces: Mapping[str, Sequence[str]]) -> None:
        self.spaces = {name: list(words) for name, words in spaces.items()}
        self._index = {
            name: {word: number for number, word in enumerate(words)}
            for name, words in self.spaces.items()
        }

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, object]]) -> Labels:
        """Every attribute whose values are words, with the words that occur."""
        words: dict[str, set[str]] = {}
        for row in rows:
            for name, value in row.items():
                if isinstance(value, str):
                    words.setdefault(name, set()).add(value)
        return cls({name: sorted(values) for name, values in words.items() if len(values) > 1})

    def sizes(self) -> dict[str, int]:
        """Number of classes by label."""
        return {name: len(words) for name, words in self.spaces.items()}

    def encode(self, row: Mapping[str, object]) -> dict[str, int]:
        """Class numbers of one row."""
        return {name: index.get(str(row.get(name)), UNKNOWN) for name, index in self._index.items()}


def collate(rows: Sequence[Mapping[str, int]]) -> dict[str, Tensor]:
    """Class numbers `[batch]` by label."""
    return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}


def head_loss(
    logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], weights: Mapping[str, float]
) -> tuple[Tensor, dict[str, float]]:
    """Weighted mean of cross-entropies and the accuracy of each head; unknown labels are ignored."""
    total = torch.zeros(())
    figures: dict[str, float] = {}
    for name, target in targets.items():
        known = target != UNKNOWN
        if not bool(known.any()):
            continue
        loss = functional.cross_entropy(logits[name][known], target[known], label_smoothing=0.05)
        total = total + weights.get(name, 1.0) * loss
        hits = logits[name][known].argmax(-1) == target[known]
        figures[name] = float(hits.float().mean())
    return total, figures


def accuracy(
    batches: Iterable[tuple[Mapping[str, Tensor], Mapping[str, Tensor]]],
) -> dict[str, float]:
    """Accuracy by label over (logits, targets) batches."""
    hits: dict[str, list[float]] = {}
    for logits, targets in batches:
        for name, target in targets.items():
            known = target != UNKNOWN
            right = logits[name][known].argmax(-1) == target[known]
            hits.setdefault(name, []).extend(right.float().tolist())
    return {name: float(np.mean(values)) for name, values in hits.items() if values}
