"""AdamW with decay on matrices only, Muon for the matrices inside, and the learning rate's schedules."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import nn

from mumu_training.recipe import JobSettings


def schedule_factor(settings: JobSettings, step: int, progress: float) -> float:
    """Learning rate as a fraction of `lr` at `step`, with `progress` of the run (0 to 1) done.

    Warm-up is linear in steps. `wsd` stays at 1 until the last `decay_fraction` of the run and
    then falls linearly; `cosine` falls over the whole run. Both end at `min_lr`.
    """
    floor = settings.min_lr / settings.lr if settings.lr else 0.0
    warm = min(1.0, (step + 1) / max(1, settings.warmup_steps))
    progress = min(1.0, max(0.0, progress))
    if settings.schedule == "cosine":
        shape = 0.5 * (1 + math.cos(math.pi * progress))
    elif settings.schedule == "wsd":
        shape = min(1.0, (1 - progress) / max(1e-9, settings.decay_fraction))
    else:
        shape = 1.0
    return warm * (floor + (1 - floor) * shape)


_LEADS_OUT = re.compile(r"(^|\.)(lm_heads?|heads?|output)(\.\w+)*\.weight$")
"""Names of matrices that lead to symbols: like tables of symbols, no job for Muon."""


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon for the matrices between layers, AdamW for all the rest, as one optimiser.

    Muon makes every direction of a matrix's step equally long (K. Jordan et al., 2024; torch's own
    implementation), scaled so that learning rate and decay mean what they mean for AdamW (J. Liu et
    al., "Muon is scalable for LLM training", 2025, section 2.2).
    """

    def __init__(
        self, inner: list[nn.Parameter], groups: list[dict[str, Any]], settings: JobSettings
    ) -> None:
        muon = torch.optim.Muon(
            inner,
            lr=settings.lr,
            weight_decay=settings.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )
        adamw = torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas)
        self.both = (muon, adamw)
        super().__init__([*muon.param_groups, *adamw.param_groups], {})
        self._share()

    def _share(self) -> None:
        """The loop sets learning rates in our groups: they are those of the two."""
        muon, adamw = self.both
        self.param_groups = [*muon.param_groups, *adamw.param_groups]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step of both."""
        for optimizer in self.both:
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """The states of both."""
        return {"both": [optimizer.state_dict() for optimizer in self.both]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for optimizer, state in zip(self.both, state_dict["both"], strict=True):
            optimizer.load_state_dict(state)
        self._share()


def build_optimizer(model: nn.Module, settings: JobSettings) -> torch.optim.Optimizer:
    """The settings' optimiser over the trainable parameters, weight decay only on matrices.

    Norm weights, biases, gates and learned queries (`prefix_query`, `query_embs`) do not decay,
    nor does a parameter marked `no_decay` (one of which only some rows train).
    """
    tables = {id(part.weight) for part in model.modules() if isinstance(part, nn.Embedding)}
    inner: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        exempt = (
            parameter.ndim < 2
            or name.endswith((".gate", ".bias", "prefix_query.weight", "query_embs"))
            or getattr(parameter, "no_decay", False)
        )
        if exempt:
            plain.append(parameter)
        elif (
            settings.optimizer == "muon"
            and parameter.ndim == 2
            and id(parameter) not in tables
            and not _LEADS_OUT.search(name)
        ):
            inner.append(parameter)
        else:
            decayed.append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if inner:
        return MuonWithAdamW(inner, groups, settings)
    return torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas)
