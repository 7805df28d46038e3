"""Training of EnCodec's residual vector quantiser, which transformers only runs.

Codebooks follow the latents by exponential moving averages (van den Oord et al. 2017, appendix A;
Zeghidour et al. 2021, SoundStream, sections III-C and III-D): k-means start, replacement of
unused codes, and quantiser dropout, so that the first codebooks carry the most.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.models.encodec.modeling_encodec import (
    EncodecEuclideanCodebook,
    EncodecResidualVectorQuantizer,
)


def k_means(points: Tensor, count: int, rounds: int = 10) -> tuple[Tensor, Tensor]:
    """Centres `[count, D]` of points `[N, D]` and how many points each has `[count]`.

    Starts from random points; a centre left without points moves to a random point.
    """
    order = torch.randperm(len(points), device=points.device)
    centres = points[order[torch.arange(count) % len(points)]].clone()
    sizes = torch.zeros(count, device=points.device)
    for _ in range(rounds):
        nearest = torch.cdist(points, centres).argmin(dim=1)
        sizes = torch.bincount(nearest, minlength=count).to(points.dtype)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        empty = sizes == 0
        centres = sums / sizes.clamp(min=1)[:, None]
        chosen = torch.randint(len(points), (int(empty.sum()),), device=points.device)
        centres[empty] = points[chosen]
    return centres, sizes


class QuantizerTraining(nn.Module):
    """Differentiable residual quantisation over a transformers quantiser's own codebooks.

    The quantiser is passed to each call rather than owned, so that its state-dict names stay
    those of EncodecModel. For the first `warmup_steps` training calls latents pass unquantised
    while a reservoir of them fills; then the codebooks start from its k-means.
    """

    def __init__(
        self,
        dimension: int,
        warmup_steps: int = 300,
        reservoir: int = 6144,
        decay: float = 0.98,
        full_depth: float = 0.6,
    ) -> None:
        """`decay` is of the moving averages; `full_depth` the share of items with all codebooks."""
        super().__init__()
        self.warmup_steps = warmup_steps
        self.decay = decay
        self.full_depth = full_depth
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
        self.register_buffer("reservoir", torch.zeros(reservoir, dimension))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self.calls: Tensor
        self.reservoir: Tensor
        self.filled: Tensor

    @property
    def quantizing(self) -> bool:
        """Whether the codebooks are in use (after the warm-up)."""
        return int(self.calls) >= self.warmup_steps

    def forward(
        self, quantizer: EncodecResidualVectorQuantizer, latents: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Quantise latents `[B, D, T]` -> the same shape (straight-through), commitment loss `[]`.

        The loss is the squared distance relative to the latents' own energy.
        """
        points = latents.transpose(1, 2)  # [B, T, D]
        learning = self.training
        if learning:
            self._remember(points.detach().reshape(-1, points.shape[-1]))
            self.calls += 1
            if int(self.calls) == self.warmup_steps:
                self.start_codebooks(quantizer)
        if not self.quantizing:
            return latents, latents.new_zeros(())
        depth = self._depth(learning, len(points), len(quantizer.layers), points.device)
        total = torch.zeros_like(points)
        residual = points.detach()
        energy = points.detach().pow(2).mean().clamp(min=1e-6)
        losses = []
        for level, layer in enumerate(quantizer.layers):
            codebook = layer.codebook
            codes = codebook.encode(residual)  # [B, T]
            chosen = codebook.decode(codes)  # [B, T, D]
            active = (depth > level).to(points.dtype)[:, None, None]
            distance = (points - total - chosen).pow(2).mean(dim=(1, 2)) / energy
            losses.append((distance * active[:, 0, 0]).sum() / active.sum().clamp(min=1))
            if learning:
                self._follow(codebook, residual.reshape(-1, residual.shape[-1]), codes.reshape(-1))
            total = total + chosen * active
            residual = residual - chosen
        straight = points + (total - points).detach()
        return straight.transpose(1, 2), torch.stack(losses).mean()

    def _depth(self, varied: bool, items: int, levels: int, device: torch.device) -> Tensor:
        """How many codebooks each item of the batch uses `[B]`."""
        if not varied:
            return torch.full((items,), levels, device=device)
        depth = torch.randint(1, levels + 1, (items,), device=device)
        return torch.where(torch.rand(items, device=device) < self.full_depth, levels, depth)

    @torch.no_grad()
    def _remember(self, points: Tensor) -> None:
        """Overwrite the oldest points of the reservoir."""
        size = len(self.reservoir)
        points = points[:size]
        places = (int(self.filled) + torch.arange(len(points), device=points.device)) % size
        self.reservoir[places] = points
        self.filled += len(points)

    @torch.no_grad()
    def start_codebooks(self, quantizer: EncodecResidualVectorQuantizer) -> None:
        """Set every codebook to the k-means of what the ones before it leave of the reservoir."""
        filled = max(1, min(int(self.filled), len(self.reservoir)))
        refit_codebooks(quantizer, self.reservoir[:filled], rounds=10)

    @torch.no_grad()
    def _follow(self, codebook: EncodecEuclideanCodebook, points: Tensor, codes: Tensor) -> None:
        """Move a codebook towards points `[N, D]` by moving averages; revive unused codes."""
        count = codebook.codebook_size
        sizes = torch.bincount(codes, minlength=count).to(points.dtype)
        sums = torch.zeros_like(codebook.embed).index_add_(0, codes, points)
        codebook.cluster_size.lerp_(sizes, 1 - self.decay)
        codebook.embed_avg.lerp_(sums, 1 - self.decay)
        expected = len(points) / count
        dead = codebook.cluster_size < 0.08 * expected
        if bool(dead.any()):
            chosen = points[torch.randint(len(points), (int(dead.sum()),), device=points.device)]
            codebook.cluster_size[dead] = 0.5 * expected
            codebook.embed_avg[dead] = chosen * (0.5 * expected)
        codebook.embed.copy_(codebook.embed_avg / codebook.cluster_size[:, None])


@torch.no_grad()
def fit_codebook(codebook: EncodecEuclideanCodebook, points: Tensor, rounds: int = 10) -> None:
    """Set a transformers codebook to the k-means of points `[N, D]`, with matching averages."""
    centres, sizes = k_means(points, codebook.codebook_size, rounds)
    share = sizes.clamp(min=0.25) / max(1.0, float(sizes.mean()))
    codebook.embed.copy_(centres)
    codebook.cluster_size.copy_(share)
    codebook.embed_avg.copy_(centres * share[:, None])


@torch.no_grad()
def refit_codebooks(
    quantizer: EncodecResidualVectorQuantizer, points: Tensor, rounds: int = 15
) -> float:
    """Set every codebook to the k-means of what the ones before it leave of latents `[N, D]`.

    In training codebooks follow a few hundred frames a step; this takes all at once. Returns the
    share of the latents' variance that is left in the end.
    """
    residual = points
    for layer in quantizer.layers:
        fit_codebook(layer.codebook, residual, rounds)
        residual = residual - layer.codebook.decode(layer.codebook.encode(residual))
    return float(residual.pow(2).mean() / points.var(dim=0).mean())
