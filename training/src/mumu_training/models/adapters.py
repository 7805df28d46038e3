"""The three modality adapters of MuMu-LLaMA: encoder states in, one feature of LLaMA's width out.

Audio: a kernel-1 convolution mixes the layers, frames are L2-normalised, run through a tanh RNN and
pooled by attention (MuMu-LLaMA's "attention RNN"). Image: the convolution mixes ViT's tokens. Video:
the published code declares an RNN that can't run (1024 wide on 768-wide states, and no time axis
left); ours averages the spatial positions of each tubelet, which keeps time, then does as audio.
All end in a projection and three gated blocks `x + f2(silu(f1(n(x))) * f3(n(x)))`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from mumu_training.models.llama import RMSNorm

GATED_BLOCKS = 3


class GatedBlocks(nn.Module):
    """Base of the adapters: the projection and the gated blocks, with the published flat names."""

    def __init__(self, width: int, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.dropout = 0.0
        """Share of the encoder's states hidden in training."""
        self.proj = nn.Linear(width, dim)
        for index in range(1, GATED_BLOCKS + 1):
            self.add_module(f"norm_{index}", RMSNorm(dim, eps))
            for part in (1, 2, 3):
                self.add_module(f"f{part}_{index}", nn.Linear(dim, dim, bias=False))

    def hide(self, states: Tensor) -> Tensor:
        """States `[batch, ..., width]` with some channels of each item at zero, in training: the same
        ones at all times, so that what is missing can't be read off the next frame."""
        if not (self.training and self.dropout):
            return states
        shape = (len(states), *[1] * (states.ndim - 2), states.shape[-1])
        return states * functional.dropout(states.new_ones(shape), self.dropout)

    def project(self, x: Tensor) -> Tensor:
        """`[batch, width] -> [batch, dim]`."""
        x = self.proj(x)
        for index in range(1, GATED_BLOCKS + 1):
            normed = self.get_submodule(f"norm_{index}")(x)
            gate = functional.silu(self.get_submodule(f"f1_{index}")(normed))
            x = x + self.get_submodule(f"f2_{index}")(
                gate * self.get_submodule(f"f3_{index}")(normed)
            )
        return x


def attention_pool(states: Tensor, score: nn.Linear) -> Tensor:
    """Softmax-weighted sum over time: `[batch, time, width] -> [batch, width]`."""
    weights = torch.softmax(score(states), dim=1)
    return (weights * states).sum(1)


OPEN_GAIN = 0.7


@torch.no_grad()
def start_open(rnn: nn.RNN) -> None:
    """Let an RNN begin as what passes L2-normalised states `[..., width]` on, one by one.

    At torch's own start such states come out a twentieth as loud and mixed at random, and thousands
    of steps pass before anything is heard through them. `OPEN_GAIN` is what their entries' root mean
    square becomes before the tanh.
    """
    width = rnn.input_size
    rnn.get_parameter("weight_ih_l0").copy_(torch.eye(width) * OPEN_GAIN * width**0.5)
    nn.init.normal_(rnn.get_parameter("weight_hh_l0"), std=0.1 * width**-0.5)
    nn.init.zeros_(rnn.get_parameter("bias_ih_l0"))
    nn.init.zeros_(rnn.get_parameter("bias_hh_l0"))


class AudioAdapter(GatedBlocks):
    """`mu_mert_*`: hidden states of every encoder layer to one feature."""

    def __init__(self, layers: int, width: int, dim: int) -> None:
        super().__init__(width, dim)
        self.agg = nn.Conv1d(layers, 1, 1)
        self.rnn = nn.RNN(width, width, batch_first=True)
        self.attention = nn.Linear(width, 1)
        # Start from the last layer: it is what the encoder's own heads heard through.
        nn.init.zeros_(self.agg.weight)
        nn.init.ones_(self.agg.weight[:, -1:])
        nn.init.zeros_(self.agg.bias)  # type: ignore[arg-type]
        start_open(self.rnn)

    def forward(self, hidden: Tensor) -> Tensor:
        """`[batch, layers + 1, frames, width] -> [batch, dim]`."""
        batch, layers, frames, width = hidden.shape
        mixed = self.agg(hidden.reshape(batch, layers, frames * width))
        states = functional.normalize(mixed.view(batch, frames, width), dim=-1)
        states, _ = self.rnn(self.hide(states))
        return self.project(attention_pool(states, self.attention))


class ImageAdapter(GatedBlocks):
    """`iu_vit_*`: ViT's last hidden states to one feature."""

    def __init__(self, tokens: int, width: int, dim: int) -> None:
        super().__init__(width, dim)
        self.agg = nn.Conv1d(tokens, 1, 1)
        nn.init.constant_(self.agg.weight, 1 / tokens)
        nn.init.zeros_(self.agg.bias)  # type: ignore[arg-type]

    def forward(self, states: Tensor) -> Tensor:
        """`[batch, tokens, width] -> [batch, dim]`."""
        return self.project(self.hide(functional.normalize(self.agg(states)[:, 0], dim=-1)))


class VideoAdapter(GatedBlocks):
    """`iu_vivit_*`: ViViT's last hidden states to one feature."""

    def __init__(self, tubelets: int, width: int, dim: int) -> None:
        super().__init__(width, dim)
        self.tubelets = tubelets
        self.rnn = nn.RNN(width, width, batch_first=True)
        self.attention = nn.Linear(width, 1)
        start_open(self.rnn)

    def forward(self, states: Tensor) -> Tensor:
        """`[batch, 1 + tubelets * positions, width] -> [batch, dim]` (class token first, unused)."""
        batch, tokens, width = states.shape
        if (tokens - 1) % self.tubelets:
            raise ValueError(f"{tokens - 1} video tokens do not divide into {self.tubelets} steps")
        steps = states[:, 1:].reshape(batch, self.tubelets, -1, width).mean(2)
        steps, _ = self.rnn(self.hide(functional.normalize(steps, dim=-1)))
        return self.project(attention_pool(steps, self.attention))
