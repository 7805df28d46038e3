"""The output projector: states of the eight audio tokens to a condition for the music decoder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ProjectorConfig:
    """The `projector` component of checkpoint.json; `scale` is what the target is multiplied by."""

    in_dim: int
    hidden_dim: int
    encoder_layers: int
    decoder_layers: int
    heads: int
    feed_forward: int
    queries: int
    out_dim: int
    scale: float = 10.0

    def to_dict(self) -> dict[str, Any]:
        """As written to checkpoint.json."""
        return asdict(self)


class OutputProjector(nn.Module):
    """Linear, torch's post-norm Transformer with learned queries, Linear (M2UGen's projector)."""

    def __init__(self, config: ProjectorConfig) -> None:
        super().__init__()
        self.config = config
        self.fc = nn.Linear(config.in_dim, config.hidden_dim)
        self.tfm = nn.Transformer(
            config.hidden_dim,
            config.heads,
            config.encoder_layers,
            config.decoder_layers,
            config.feed_forward,
            dropout=0.0,
            batch_first=True,
        )
        self.model = nn.Linear(config.hidden_dim, config.out_dim)
        self.query_embs = nn.Parameter(torch.randn(1, config.queries, config.hidden_dim))

    def forward(self, x: Tensor) -> Tensor:
        """`[batch, 8, in_dim]` (states plus embeddings) to `[batch, queries, out_dim]`, scaled."""
        queries = self.query_embs.expand(len(x), -1, -1)
        return self.model(self.tfm(self.fc(x), queries))
