"""The one training loop: resumable, bounded by steps and by minutes, loud when loss breaks."""

from __future__ import annotations

import csv
import functools
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mumu_training.recipe import JobSettings


class TrainingError(RuntimeError):
    """Training can't go on (a loss that is not finite, a checkpoint of another model)."""


@dataclass
class TrainingJob:
    """What `run_training` needs.

    `batch(rng)` makes one micro-batch from a generator seeded by (seed, step, micro step), so the
    data's state is the step number and a resumed run sees what an uninterrupted one would.
    `loss(model, batch)` returns the scalar to minimise and figures to log. Only parameters with
    `requires_grad` are optimised and saved (and every persistent buffer: a codec's codebooks).
    `evaluate(model)` returns figures to log; it runs every `evaluate_every` steps and at the end.
    `after_step(model, step)` may update buffers or report progress.
    """

    name: str
    folder: Path
    model: nn.Module
    settings: JobSettings
    batch: Callable[[np.random.Generator], Any]
    loss: Callable[[nn.Module, Any], tuple[Tensor, Mapping[str, float]]]
    seed: int = 0
    device: str = "cpu"
    evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None
    after_step: Callable[[nn.Module, int], None] | None = None
    clock: Callable[[], float] = time.monotonic
    stop_at_step: int | None = None
    """Leave early with a checkpoint, as a pre-empted run does; the schedule is unaffected."""


def pick_device() -> str:
    """`cuda` where there is one, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def autocast_for(device: str) -> torch.autocast:
    """bf16 autocast where the hardware really multiplies in bf16; elsewhere a disabled context.

    A CPU without AVX512-BF16 or AMX emulates bf16 and runs slower than fp32.
    """
    if device.startswith("cuda"):
        return torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_bf16_supported())
    return torch.autocast("cpu", torch.bfloat16, enabled=_cpu_has_bf16())


@functools.cache
def _cpu_has_bf16() -> bool:
    path = Path("/proc/cpuinfo")
    flags = path.read_text(encoding="utf-8") if path.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


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


def trainable_state(model: nn.Module) -> dict[str, Tensor]:
    """Trainable parameters and persistent buffers, by state-dict name."""
    wanted = {name for name, p in model.named_parameters() if p.requires_grad}
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    state = model.state_dict()
    return {
        name: value.detach().cpu()
        for name, value in state.items()
        if name in wanted or name not in frozen
    }


class _Log:
    """Log lines on standard output, log.csv (long format) and TensorBoard events in the folder."""

    def __init__(self, name: str, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._name = name
        path = folder / "log.csv"
        fresh = not path.exists()
        self._file = path.open("a", newline="", encoding="utf-8")
        self._csv = csv.writer(self._file)
        if fresh:
            self._csv.writerow(["step", "seconds", "figure", "value"])
        self._board = SummaryWriter(str(folder / "tensorboard"))

    def write(self, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        parts = " ".join(f"{key} {value:.4g}" for key, value in figures.items())
        print(f"{self._name} step {step} {seconds:.0f}s {parts}", flush=True)
        for key, value in figures.items():
            self._csv.writerow([step, f"{seconds:.1f}", key, f"{value:.6g}"])
            self._board.add_scalar(key, value, step)
        self._file.flush()

    def close(self) -> None:
        self._file.close()
        self._board.close()


def _save(
    job: TrainingJob, optimizer: torch.optim.Optimizer, step: int, elapsed: float, done: bool
) -> None:
    state = {
        "job": job.name,
        "step": step,
        "elapsed": elapsed,
        "done": done,
        "seed": job.seed,
        "model": trainable_state(job.model),
        "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state(),
    }
    temporary = job.folder / "last.tmp"
    torch.save(state, temporary)
    temporary.replace(job.folder / "last.pt")  # whole or not at all


def load_run(folder: Path) -> dict[str, Any] | None:
    """The last checkpoint of a run folder, or None when it has none."""
    path = folder / "last.pt"
    if not path.is_file():
        return None
    return dict(torch.load(path, map_location="cpu", weights_only=True))


def is_done(folder: Path) -> bool:
    """Whether the run in this folder finished."""
    state = load_run(folder)
    return bool(state and state["done"])


def restore_model(model: nn.Module, folder: Path) -> None:
    """Load a run's weights into `model`; frozen weights the run did not save stay as they are.

    Raises TrainingError when the folder has no checkpoint or it is of another model.
    """
    state = load_run(folder)
    if state is None:
        raise TrainingError(f"there is no checkpoint in {folder}; run that job first")
    _load_weights(model, state["model"], folder)


def _load_weights(model: nn.Module, weights: Mapping[str, Tensor], folder: Path) -> None:
    try:
        result = model.load_state_dict(dict(weights), strict=False)
    except RuntimeError as error:
        raise TrainingError(f"the checkpoint in {folder} has other shapes: {error}") from error
    if result.unexpected_keys:
        raise TrainingError(
            f"the checkpoint in {folder} is of another model: {result.unexpected_keys[:3]}"
        )


def run_training(job: TrainingJob, resume: bool = True) -> dict[str, float]:
    """Train until `steps` or `max_minutes` is reached; returns the last figures.

    With `resume`, goes on from `folder/last.pt` if there is one, with the optimiser, the random
    state and the clock as they were; a finished run returns at once. Raises TrainingError when the
    loss is not finite.
    """
    settings = job.settings
    job.folder.mkdir(parents=True, exist_ok=True)
    job.model.to(job.device)
    optimizer = build_optimizer(job.model, settings)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    step, before = 0, 0.0
    torch.manual_seed(job.seed)
    state = load_run(job.folder) if resume else None
    if state is not None:
        _load_weights(job.model, state["model"], job.folder)
        if state["done"]:
            print(f"{job.name} is finished already ({state['step']} steps)", flush=True)
            return {}
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        step, before = int(state["step"]), float(state["elapsed"])
    elif (job.folder / "log.csv").exists():
        (job.folder / "log.csv").unlink()
    log = _Log(job.name, job.folder)
    start = job.clock()
    saved_at = 0.0
    figures: dict[str, float] = {}

    def elapsed() -> float:
        return before + job.clock() - start

    def progress() -> float:
        by_time = elapsed() / 60 / settings.max_minutes if settings.max_minutes else 0.0
        return max(step / settings.steps, by_time)

    try:
        while step < settings.steps and progress() < 1:
            if job.stop_at_step is not None and step >= job.stop_at_step:
                _save(job, optimizer, step, elapsed(), done=False)
                return figures
            factor = schedule_factor(settings, step, progress())
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * factor
            figures = _step(job, optimizer, parameters, step)
            step += 1
            if job.after_step:
                job.after_step(job.model, step)
            if step % settings.log_every == 0 or step == 1:
                log.write(step, elapsed(), {**figures, "lr": settings.lr * factor})
            if job.evaluate and settings.evaluate_every and step % settings.evaluate_every == 0:
                log.write(step, elapsed(), _evaluate(job))
            by_steps = settings.save_every_steps and step % settings.save_every_steps == 0
            if by_steps or elapsed() - before - saved_at > settings.save_every_minutes * 60:
                _save(job, optimizer, step, elapsed(), done=False)
                saved_at = elapsed() - before
        if job.evaluate:
            figures |= _evaluate(job)
        log.write(step, elapsed(), figures)
        _save(job, optimizer, step, elapsed(), done=True)
    finally:
        log.close()
    return figures


def _evaluate(job: TrainingJob) -> Mapping[str, float]:
    """Evaluation leaves the random state as it found it, so it can't change the run."""
    assert job.evaluate is not None
    rng = torch.get_rng_state()
    job.model.eval()
    with torch.no_grad():
        figures = job.evaluate(job.model)
    job.model.train()
    torch.set_rng_state(rng)
    return {f"valid/{key}": value for key, value in figures.items()}


def _step(
    job: TrainingJob,
    optimizer: torch.optim.Optimizer,
    parameters: Iterable[nn.Parameter],
    step: int,
) -> dict[str, float]:
    """One optimiser step over `accumulate` micro-batches."""
    job.model.train()
    optimizer.zero_grad(set_to_none=True)
    count = job.settings.accumulate
    sums: dict[str, float] = {}
    for micro in range(count):
        batch = job.batch(np.random.default_rng([job.seed, step, micro]))
        with autocast_for(job.device):
            loss, figures = job.loss(job.model, batch)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(f"{job.name}: the loss became {value} at step {step}; stopped")
        (loss / count).backward()
        for key, figure in {"loss": value, **figures}.items():
            sums[key] = sums.get(key, 0.0) + float(figure) / count
    norm = nn.utils.clip_grad_norm_(list(parameters), job.settings.clip)
    sums["grad_norm"] = float(norm)
    optimizer.step()
    return sums
