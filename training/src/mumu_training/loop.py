"""The one training loop: resumable, bounded by steps and by minutes, loud when loss breaks.

The same in one process and in several (`distributed`). What depends on chance depends on the seed
and the step only, so a run that was killed and goes on ends in the same weights.
"""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mumu_training import sharding
from mumu_training.distributed import Team, alone, main_first, team
from mumu_training.footprint import Footprint, count_saved, footprint, require_disk
from mumu_training.hardware import (
    autocast_for,
    checkpoint_language_model,
    count_recomputed,
    pick_device,
)
from mumu_training.inputs import inputs_now, remembered, require_inputs, say_changed_settings
from mumu_training.journal import Journal
from mumu_training.optimizer import build_optimizer, schedule_factor
from mumu_training.recipe import JobSettings
from mumu_training.runs import (
    TrainingError,
    describe,
    half_where_it_fits,
    is_done,
    load_run,
    load_start,
    load_weights,
    restore_model,
    save_run,
    trainable_state,
    write_final,
)

__all__ = [
    "Measured",
    "TrainingError",
    "TrainingJob",
    "autocast_for",
    "build_optimizer",
    "checkpoint_language_model",
    "is_done",
    "load_run",
    "measuring",
    "pick_device",
    "restore_model",
    "run_training",
    "schedule_factor",
    "trainable_state",
]

Loss = Callable[[nn.Module, Any], tuple[Tensor, Mapping[str, float]]]


@dataclass
class TrainingJob:
    """What `run_training` needs.

    `batch(rng)` makes one micro-batch from a generator seeded by (seed, step, micro step), so the
    data's state is the step number and a resumed run sees what an uninterrupted one would.
    `batch_part(rng, (index, parts))` makes one process's part of the same micro-batch; the losses
    and figures of the parts add up to the whole's (`distributed.total`). A job without it is
    divided by micro-batches.
    `loss(model, batch)` returns the scalar to minimise and figures to log. Only parameters with
    `requires_grad` are optimised and saved (and every persistent buffer: a codec's codebooks).
    `evaluate(model)` returns figures to log; it runs every `evaluate_every` steps and at the end.
    `sample(model)` returns text that shows what the model does; it runs when `evaluate` does.
    `after_step(model, step)` may update buffers or report progress.
    """

    name: str
    folder: Path
    model: nn.Module
    settings: JobSettings
    batch: Callable[[np.random.Generator], Any]
    loss: Loss
    seed: int = 0
    device: str = "cpu"
    evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None
    after_step: Callable[[nn.Module, int], None] | None = None
    clock: Callable[[], float] = time.monotonic
    stop_at_step: int | None = None
    """Leave early with a checkpoint, as a pre-empted run does; the schedule is unaffected."""
    batch_part: Callable[[np.random.Generator, tuple[int, int]], Any] | None = None
    sample: Callable[[nn.Module], str] | None = None


class Measured(Exception):
    """Raised out of a job that was only to be measured, with what was found."""

    def __init__(self, found: Footprint) -> None:
        super().__init__("measured")
        self.found = found


_measuring: ContextVar[tuple[str, int] | None] = ContextVar("measuring", default=None)


@contextlib.contextmanager
def measuring(name: str, steps: int) -> Iterator[None]:
    """Within it the job `name` runs `steps` steps, writes nothing and raises Measured; other jobs
    return at once."""
    token = _measuring.set((name, steps))
    try:
        yield
    finally:
        _measuring.reset(token)


class _LossModule(nn.Module):
    """Model and loss as one module, because gradients are synchronised by a module's forward."""

    def __init__(self, model: nn.Module, loss: Loss, device: str, precision: str) -> None:
        super().__init__()
        self.model = model
        self._loss, self._device, self._precision = loss, device, precision

    def forward(self, batch: Any) -> tuple[Tensor, Mapping[str, float]]:
        half = self._precision == "auto"
        with autocast_for(self._device) if half else contextlib.nullcontext():
            return self._loss(self.model, batch)


def run_training(job: TrainingJob, resume: bool = True) -> dict[str, float]:
    """Train until `steps` or `max_minutes` is reached; returns the last figures.

    With `resume`, goes on from `folder/last.pt` if there is one, with the optimiser and the clock as
    they were; a finished run returns at once. Ends in `folder/final.safetensors`. Raises
    TrainingError when the loss or the gradient is not finite, the disk is too small, the checkpoint
    is damaged or of another optimiser, or what the run was trained on has changed since (`inputs`).
    """
    wanted = _measuring.get()
    if wanted is not None:
        if wanted[0] != job.name:
            return {}
        raise Measured(_measure(job, wanted[1]))
    return _Run(job, resume).go()


def _prepare(job: TrainingJob) -> torch.optim.Optimizer:
    job.model.to(job.device)
    if job.settings.gradient_checkpointing:
        checkpoint_language_model(job.model, job.name)
    return build_optimizer(job.model, job.settings)


def _measure(job: TrainingJob, steps: int) -> Footprint:
    """What activations take, and seconds a step after one that warms up."""
    optimizer = _prepare(job)
    stepper = _Stepper(job, Team(), optimizer)
    found = footprint(job.name, job.model)
    batch = stepper.batches(0)[0]()
    with count_saved(job.model) as saved:
        stepper.wrapped(batch)
    found.activations = saved.most
    if job.settings.gradient_checkpointing:
        found.activations += count_recomputed(job.model, lambda: stepper.wrapped(batch))
    stepper.step(0)
    started = time.monotonic()
    for step in range(1, steps + 1):
        stepper.step(step)
    found.step_seconds = (time.monotonic() - started) / max(1, steps)
    return found


class _Stepper:
    """Makes optimiser steps of a job, in this process's part of the team."""

    def __init__(self, job: TrainingJob, crew: Team, optimizer: torch.optim.Optimizer) -> None:
        self.job, self.crew = job, crew
        if crew.count > 1:
            self._check()
        module = _LossModule(job.model, job.loss, job.device, job.settings.precision)
        self.wrapped, self.optimizer = crew.wrap(module, optimizer)

    def _check(self) -> None:
        job, count = self.job, self.crew.count
        if not job.device.startswith(self.crew.device_type):
            raise TrainingError(f"{job.name} trains on the {job.device}: run it in one process")
        if job.batch_part is not None and job.settings.batch_size < count:
            raise TrainingError(f"{job.name}: batch_size is less than the {count} processes")
        if job.batch_part is None and job.settings.accumulate % count:
            raise TrainingError(
                f"{job.name} is divided by micro-batches: accumulate "
                f"({job.settings.accumulate}) has to be a multiple of the {count} processes"
            )
        if self.crew.sharded and job.settings.optimizer == "muon":
            raise TrainingError(
                f"{job.name}: muon needs whole matrices; leave fsdp out or use adamw"
            )
        if self.crew.sharded and any(hasattr(p, "no_decay") for p in job.model.parameters()):
            raise TrainingError(
                f"{job.name} trains single rows of the token matrices, which can't be sharded: "
                "leave fsdp out of the recipe for this job"
            )

    def batches(self, step: int) -> list[Callable[[], Any]]:
        """What makes this process's micro-batches of a step, in order."""
        job, crew, accumulate = self.job, self.crew, self.job.settings.accumulate

        def make(micro: int) -> Any:
            rng = np.random.default_rng([job.seed, step, micro])
            if crew.count > 1 and job.batch_part is not None:
                return job.batch_part(rng, (crew.index, crew.count))
            return job.batch(rng)

        ours = range(accumulate)
        if crew.count > 1 and job.batch_part is None:
            ours = range(crew.index, accumulate, crew.count)
        return [functools.partial(make, micro) for micro in ours]

    def step(self, step: int) -> dict[str, float]:
        """One optimiser step over `accumulate` micro-batches; returns the figures of all of them."""
        job, crew = self.job, self.crew
        job.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        chance = np.random.SeedSequence([job.seed, step, crew.index])
        torch.manual_seed(int(chance.generate_state(1, np.uint64)[0] >> 1))
        accumulate = job.settings.accumulate
        sums: dict[str, float] = {}
        batches = self.batches(step)
        for number, make in enumerate(batches, start=1):
            last = number == len(batches)
            batch = make()
            with contextlib.nullcontext() if last else crew.unsynced(self.wrapped):
                loss, figures = self.wrapped(batch)
                # Gradients are averaged over processes, of which each has a part of the sum.
                (loss * (crew.count / accumulate)).backward()
            for key, figure in {"loss": float(loss.detach()), **figures}.items():
                sums[key] = sums.get(key, 0.0) + float(figure) / accumulate
        sums = crew.add(sums)
        if not math.isfinite(sums["loss"]):
            raise TrainingError(
                f"{job.name}: the loss became {sums['loss']} at step {step}; stopped"
            )
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        sums["grad_norm"] = crew.clip(parameters, job.settings.clip)
        if not math.isfinite(sums["grad_norm"]):
            raise TrainingError(
                f"{job.name}: the gradient's norm became {sums['grad_norm']} at step {step}; stopped"
            )
        self.optimizer.step()
        return sums


class _Run:
    """One run of a job from its last checkpoint to its end."""

    def __init__(self, job: TrainingJob, resume: bool) -> None:
        self.job, self.settings, self.crew = job, job.settings, team()
        self.step, self.before, self.done = 0, 0.0, False
        job.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(job.seed)
        state = load_run(job.folder) if resume else None
        with main_first():  # one hashes, the others read what it found
            self.inputs = inputs_now(job.folder, job.settings)
        if state is not None:
            require_inputs(job.name, state, self.inputs)
            if self.crew.main:
                say_changed_settings(job.name, state, job.settings)
            load_weights(job.model, state["model"], job.folder)
            self.step, self.before = int(state["step"]), float(state["elapsed"])
            self.done = bool(state["done"])
        elif load_start(job.model, job.folder) and self.crew.main:
            print(f"{job.name}: begins with start.safetensors", flush=True)
        if self.done:
            return
        if self.crew.main and state is None:
            for stale in ("log.csv", "samples.md"):
                (job.folder / stale).unlink(missing_ok=True)
        self.stepper = _Stepper(job, self.crew, _prepare(job))
        if state is not None:
            self._load_optimizer(state)

    def _load_optimizer(self, state: Mapping[str, Any]) -> None:
        try:
            sharding.load_optimizer(self.crew, self.stepper, state, self.job.folder)
        except (LookupError, ValueError, TypeError) as error:  # as it finds other parts than it has
            raise TrainingError(
                f"{self.job.name} can't go on with {self.job.folder}: its optimiser, or what it trains, "
                "is another than the recipe's now; put the recipe back as it was, or start the job over "
                "with --fresh"
            ) from error

    def _elapsed(self) -> float:
        return self.before + self.job.clock() - self._start

    def _progress(self, seconds: float) -> float:
        minutes = self.settings.max_minutes
        return max(self.step / self.settings.steps, seconds / 60 / minutes if minutes else 0.0)

    def go(self) -> dict[str, float]:
        """Train to the end; returns the last figures (none where the run was finished before)."""
        job, settings, crew = self.job, self.settings, self.crew
        if self.done:
            print(f"{job.name} is finished already ({self.step} steps)", flush=True)
            return {}
        found = footprint(job.name, job.model)
        require_disk(found, job.folder)
        self._start, saved_at = job.clock(), self.before
        journal = Journal(job.name, job.folder) if crew.main else None
        figures: dict[str, float] = {}
        try:
            if journal:
                journal.say(found.in_short(settings, self.step))
            while self.step < settings.steps:
                seconds = crew.from_main(self._elapsed())
                progress = self._progress(seconds)
                if progress >= 1:
                    break
                if job.stop_at_step is not None and self.step >= job.stop_at_step:
                    self._save(seconds, figures, done=False)
                    return figures
                rate = settings.lr * schedule_factor(settings, self.step, progress)
                for group in self.stepper.optimizer.param_groups:
                    group["lr"] = rate
                figures = self.stepper.step(self.step)
                self.step += 1
                if job.after_step:
                    job.after_step(job.model, self.step)
                if journal:
                    journal.advance(self.step, progress, figures["loss"])
                    if self.step % settings.log_every == 0 or self.step == 1:
                        journal.write(self.step, self._elapsed(), {**figures, "lr": rate})
                if settings.evaluate_every and self.step % settings.evaluate_every == 0:
                    self._look(journal)
                by_steps = settings.save_every_steps and self.step % settings.save_every_steps == 0
                if by_steps or seconds - saved_at > settings.save_every_minutes * 60:
                    self._save(seconds, figures, done=False)
                    saved_at = seconds
            figures |= self._look(journal, alone_line=False)
            seconds = crew.from_main(self._elapsed())
            if journal:
                journal.write(self.step, seconds, figures)
            self._save(seconds, figures, done=True)
        finally:
            if journal:
                journal.close()
            crew.release()
        return figures

    def _look(self, journal: Journal | None, alone_line: bool = True) -> dict[str, float]:
        """Evaluate and sample. Every process does (a sharded model needs all), one writes."""
        job = self.job
        job.model.eval()
        with torch.no_grad(), self.crew.gathered(self.stepper.wrapped), alone():
            found = job.evaluate(job.model) if job.evaluate else {}
            text = job.sample(job.model) if job.sample else ""
        job.model.train()
        figures = {f"valid/{key}": float(value) for key, value in found.items()}
        if journal and text:
            journal.sample(self.step, text)
        if journal and figures and alone_line:
            journal.write(self.step, self._elapsed(), figures)
        return figures

    def _save(self, seconds: float, figures: Mapping[str, float], done: bool) -> None:
        weights = sharding.weights(self.crew, self.stepper)
        optimizer = sharding.optimizer_state(self.crew, self.stepper)
        if self.crew.main:
            state = {
                "job": self.job.name,
                "step": self.step,
                "elapsed": seconds,
                "done": done,
                "seed": self.job.seed,
                "recipe_sha256": self.settings.recipe_sha256,
                "inputs": self.inputs,
                "settings": remembered(self.settings),
                "figures": dict(figures),
                "model": weights,
                "optimizer": optimizer,
                "sharded": self.crew.sharded,
            }
            if done:  # first, so that a run marked as finished has it
                write_final(self.job.folder, half_where_it_fits(weights), describe(state))
            save_run(self.job.folder, state)
        self.crew.wait()
