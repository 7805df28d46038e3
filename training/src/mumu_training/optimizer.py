"""AdamW with decay on matrices only, and the learning rate's schedules."""

from __future__ import annotations

import math

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


def build_optimizer(model: nn.Module, settings: JobSettings) -> torch.optim.AdamW:
    """AdamW over the trainable parameters, weight decay only on matrices.

    Norm weights, biases, gates and learned queries (`prefix_query`, `query_embs`) do not decay,
    nor does a parameter marked `no_decay` (one of which only some rows train).
    """
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
        (plain if exempt else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=settings.lr, betas=settings.betas
    )
