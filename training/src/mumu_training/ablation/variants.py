"""The five audio adapters of the ablation: each row of the paper's Table 4 is one, not cumulative.

All mix the encoder's layers by a kernel-1 convolution and L2-normalise the frames, as the whole
adapter does; they differ in how frames become one vector, and in whether gated blocks follow the
projection.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from mumu_training.models.adapters import OPEN_GAIN, AudioAdapter, attention_pool


class Variant(AudioAdapter):
    """The audio adapter with parts left out: `pooling` is mean, last or attention (the last two
    after the RNN), `dense` keeps the gated blocks. What is left out has no weights."""

    def __init__(self, layers: int, width: int, dim: int, pooling: str, dense: bool) -> None:
        super().__init__(layers, width, dim)
        self.pooling, self.dense = pooling, dense
        unused = ["rnn", "attention"] if pooling == "mean" else []
        unused += ["attention"] if pooling == "last" else []
        if not dense:
            unused += [name for name, _ in self.named_children() if name.startswith(("f", "norm"))]
        for name in unused:
            delattr(self, name)
        if pooling == "mean":
            # As loud at the start as what passes the RNN, or it would only be slower to learn.
            self.proj.weight.data.mul_(OPEN_GAIN * width**0.5)

    def forward(self, hidden: Tensor) -> Tensor:
        """`[batch, layers + 1, frames, width] -> [batch, dim]`."""
        batch, layers, frames, width = hidden.shape
        mixed = self.agg(hidden.reshape(batch, layers, frames * width))
        states = self.hide(functional.normalize(mixed.view(batch, frames, width), dim=-1))
        if self.pooling == "mean":
            pooled = states.mean(1)
        else:
            states, last = self.rnn(states)
            pooled = last[0] if self.pooling == "last" else attention_pool(states, self.attention)
        return self.project(pooled) if self.dense else self.proj(pooled)


Maker = Callable[[int, int, int], nn.Module]


def _maker(pooling: str, dense: bool) -> Maker:
    return lambda layers, width, dim: Variant(layers, width, dim, pooling, dense)


VARIANTS: dict[str, Maker] = {
    "projection only": _maker("mean", False),
    "with dense network": _maker("mean", True),
    "with RNN": _maker("last", False),
    "with attention RNN": _maker("attention", False),
    "all": _maker("attention", True),
}
"""Makers of the rows by the paper's names, called with layers, width and dim."""
PAPER_BLEU = dict(zip(VARIANTS, (0.277, 0.303, 0.313, 0.336, 0.341), strict=True))
"""The paper's own figures (its BLEU, its data), for comparison of the order only."""


def weights(model: nn.Module) -> int:
    """How many weights a variant has."""
    return sum(parameter.numel() for parameter in model.parameters())


def seeded(name: str, seed: int, sizes: tuple[int, int, int]) -> nn.Module:
    """A variant with weights that depend on the seed only."""
    torch.manual_seed(seed)
    return VARIANTS[name](*sizes)
