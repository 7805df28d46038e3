"""What a job takes: weights, memory, disk, and (measured) activations and seconds a step."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mumu_training.recipe import JobSettings
from mumu_training.runs import TrainingError, saved_names

_SLACK = 50_000_000
"""Bytes of logs and TensorBoard events to leave room for."""


@dataclass
class Footprint:
    """Of one job; sizes in bytes. None: not measured."""

    job: str
    trained: int
    """Weights that train."""
    frozen: int
    weights: int
    """Bytes of all weights and buffers as they are held."""
    optimiser: int
    """AdamW's two moments."""
    gradients: int
    last: int
    """Size of `last.pt`: saved weights and the moments."""
    final: int
    """Size of `final.safetensors`."""
    activations: int | None = None
    """What one micro-batch keeps for the backward pass (of the batch that was measured)."""
    step_seconds: float | None = None
    data: int = 0
    """What of the dataset a process holds in memory."""

    @property
    def memory(self) -> int:
        """Weights, gradients, moments, data, and activations where they are known."""
        return sum((self.weights, self.gradients, self.optimiser, self.data, self.activations or 0))

    @property
    def disk(self) -> int:
        """The most that is on disk at once: the old `last.pt`, the new one, and the result."""
        return 2 * self.last + self.final

    def in_short(self, settings: JobSettings, step: int = 0) -> str:
        """One line for the start of a run."""
        bound = f"{settings.steps - step} steps"
        if settings.max_minutes:
            bound += f" or {settings.max_minutes:g} minutes in all"
        return (
            f"{self.job}: {self.trained:,} weights train, {self.frozen:,} are frozen; memory "
            f"{size(self.memory)} and activations and data, disk {size(self.disk)}; at most {bound}"
        )


def size(count: float) -> str:
    """Bytes for a reader: 12 MB, 3.4 GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(0.1, count / 1e6):.1f} MB"


def footprint(job: str, model: nn.Module) -> Footprint:
    """Count a model (on any device, `meta` too); nothing is measured."""
    parameters = list(model.parameters())
    trained = [p for p in parameters if p.requires_grad]
    state = model.state_dict()
    saved = [state[name] for name in saved_names(model)]
    gradients = sum(p.numel() * p.element_size() for p in trained)
    return Footprint(
        job=job,
        trained=sum(p.numel() for p in trained),
        frozen=sum(p.numel() for p in parameters if not p.requires_grad),
        weights=sum(t.numel() * t.element_size() for t in (*parameters, *model.buffers())),
        optimiser=2 * gradients,
        gradients=gradients,
        last=sum(t.numel() * t.element_size() for t in saved) + 2 * gradients,
        final=sum(t.numel() * (2 if t.is_floating_point() else t.element_size()) for t in saved),
    )


def require_disk(found: Footprint, folder: Path) -> None:
    """Raises TrainingError when the run's checkpoints would not fit on the disk."""
    there = sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
    free = shutil.disk_usage(folder).free + there
    if free < found.disk + _SLACK:
        raise TrainingError(
            f"{found.job} needs {size(found.disk + _SLACK)} of disk for its checkpoints; "
            f"{folder} has {size(free)}"
        )


@dataclass
class Saved:
    """Bytes that autograd keeps; `most` is the most of any forward pass."""

    most: int = 0
    _seen: set[int] = field(default_factory=set)


@contextlib.contextmanager
def count_saved(model: nn.Module) -> Iterator[Saved]:
    """Count the storages that autograd keeps for the backward pass, without the model's weights."""
    weights = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    saved = Saved()

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        address = storage.data_ptr()
        if address not in weights and address not in saved._seen:
            saved._seen.add(address)
            saved.most += storage.nbytes()
        return tensor

    def unpack(value: Any) -> Any:
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield saved
