"""One process or several, by accelerate: who is who, what is summed, what one process does alone.

`torchrun`, `accelerate launch` and `--processes` all set the same environment, which accelerate
reads. In one process nothing here costs anything. A training step's arithmetic does not depend on
the number of processes but for rounding: each takes a part of every batch (or every n-th
micro-batch), divides by what the whole batch has (`total`), and gradients are summed. Only dropout,
hidden states and noise are drawn by each process for itself.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from accelerate import Accelerator

_PATIENCE = timedelta(days=7)
"""How long processes wait for one that works alone (evaluating, exporting) before they give up."""


class Team:
    """The processes of a run as one of them sees them; `index` 0 writes files and log lines."""

    def __init__(self, accelerator: Accelerator | None = None) -> None:
        self._accelerator = accelerator
        self.index = accelerator.process_index if accelerator else 0
        self.count = accelerator.num_processes if accelerator else 1

    @property
    def main(self) -> bool:
        """Whether this process writes what the run writes."""
        return self.index == 0

    @property
    def sharded(self) -> bool:
        """Whether weights, gradients and optimiser are spread over the processes (FSDP)."""
        return self._accelerator is not None and str(self._accelerator.distributed_type).endswith(
            "FSDP"
        )

    @property
    def device_type(self) -> str:
        """`cuda` or `cpu`: where a job has to train for several processes to share it."""
        return self._accelerator.device.type if self._accelerator else ""

    def wrap(
        self, module: nn.Module, optimizer: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """The module whose backward sums gradients over processes, and its optimiser."""
        if self._accelerator is None:
            return module, optimizer
        if self.sharded:
            wrapped, sharded = self._accelerator.prepare(module, optimizer)
            return wrapped, sharded
        return self._accelerator.prepare(module), optimizer

    def unsynced(self, wrapped: nn.Module) -> contextlib.AbstractContextManager[Any]:
        """Within it gradients only pile up; they are summed at the first backward outside."""
        if self._accelerator is None:
            return contextlib.nullcontext()
        return self._accelerator.no_sync(wrapped)

    @contextlib.contextmanager
    def gathered(self, wrapped: nn.Module) -> Iterator[None]:
        """Within it the model's weights are whole on every process, whoever calls its parts."""
        if not self.sharded:
            yield
            return
        wrapped.unshard()  # type: ignore[operator]
        yield
        wrapped.reshard()  # type: ignore[operator]

    def clip(self, parameters: Sequence[nn.Parameter], limit: float) -> float:
        """Clip the gradients' norm; returns the norm before."""
        if self._accelerator is None or not self.sharded:
            return float(nn.utils.clip_grad_norm_(parameters, limit))
        return float(self._accelerator.clip_grad_norm_(parameters, limit))

    def add(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Figures summed over processes (a name that only some have counts there)."""
        if self.count == 1:
            return dict(figures)
        everyone: list[Any] = [None] * self.count
        torch.distributed.all_gather_object(everyone, dict(figures))
        sums: dict[str, float] = {}
        for part in everyone:
            for name, value in part.items():
                sums[name] = sums.get(name, 0.0) + value
        return sums

    def from_main(self, value: float) -> float:
        """Process 0's value, so that clocks and what hangs on them agree."""
        if self.count == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    def wait(self) -> None:
        """Until every process is here."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()

    def release(self) -> None:
        """Forget the wrapped model, before the next job wraps its own."""
        if self._accelerator is not None:
            self._accelerator.free_memory()


_ALONE = Team()
_everyone: Team | None = None
_current: ContextVar[Team | None] = ContextVar("team", default=None)


def start(fsdp: Mapping[str, Any] | None = None) -> Team:
    """Join the processes that the environment names (none: a team of one).

    `fsdp` are options of accelerate's FullyShardedDataParallelPlugin: weights are sharded as one
    unit (the injection multiplies by weights outside their module's forward). Needs GPUs.
    """
    global _everyone
    if _everyone is None:
        _everyone = (
            Team(_accelerator(fsdp)) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else _ALONE
        )
    return _everyone


def _accelerator(fsdp: Mapping[str, Any] | None) -> Accelerator:
    from accelerate import Accelerator, FullyShardedDataParallelPlugin
    from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs

    plugin = None
    if fsdp is not None:
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2, auto_wrap_policy="no_wrap", cpu_ram_efficient_loading=False, **fsdp
        )
    return Accelerator(
        cpu=not torch.cuda.is_available(),
        mixed_precision="no",  # the loop's own autocast, the same in one process
        fsdp_plugin=plugin,
        kwargs_handlers=[
            InitProcessGroupKwargs(timeout=_PATIENCE),
            # A batch without a clip leaves the video adapter without a gradient.
            DistributedDataParallelKwargs(find_unused_parameters=True),
        ],
    )


def team() -> Team:
    """The team of the code that asks: everyone, or within `alone` a team of one."""
    return _current.get() or _everyone or _ALONE


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Within it this process works on its own: nothing is divided and `total` sums nothing."""
    token = _current.set(_ALONE)
    try:
        yield
    finally:
        _current.reset(token)


@contextlib.contextmanager
def main_first() -> Iterator[None]:
    """Process 0 runs the block before the others do, for what it leaves on disk."""
    now = team()
    if not now.main:
        now.wait()
    yield
    if now.main:
        now.wait()


def total(value: Tensor | float) -> Tensor:
    """A number of this process's part of the batch, summed to the whole batch's. No gradient.

    Every process has to ask, in the same order.
    """
    summed = torch.as_tensor(value).detach().clone()
    now = team()
    if now.count > 1:
        summed = summed.to(now.device_type)
        torch.distributed.all_reduce(summed)
    return summed


def share(count: int, part: tuple[int, int]) -> slice:
    """Which of `count` rows part `(index, parts)` takes: every parts-th, so that lengths mix.

    Raises ValueError when a part would be empty.
    """
    index, parts = part
    if count < parts:
        raise ValueError(f"a batch of {count} can't be divided among {parts} processes")
    return slice(index, None, parts)


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run this package's command line in several processes on this machine; the exit code.

    By torchrun: `accelerate launch` sets the same environment, but starts a single process where
    there are no GPUs.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc_per_node", str(processes), "-m", "mumu_training", *arguments]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    return subprocess.run(command, env=environment, check=False).returncode
