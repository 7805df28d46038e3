"""The training loop: resume, bounds in steps and minutes, schedule, refusals."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mumu_training.loop import (
    TrainingError,
    TrainingJob,
    build_optimizer,
    is_done,
    restore_model,
    run_training,
    schedule_factor,
)
from mumu_training.models.mumu import RowMask
from mumu_training.recipe import JobSettings, RecipeError


def model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.LayerNorm(8), nn.Linear(8, 1))


def job(folder: Path, **changes: object) -> TrainingJob:
    settings = JobSettings(steps=20, lr=1e-2, accumulate=2, log_every=10)
    made = TrainingJob(
        name="t",
        folder=folder,
        model=model(),
        settings=settings,
        batch=lambda rng: torch.from_numpy(rng.normal(size=(8, 4)).astype(np.float32)),
        loss=lambda m, b: ((m(b) - b.sum(1, keepdim=True)).square().mean(), {}),
        seed=5,
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def weights(made: TrainingJob) -> list[Tensor]:
    return [p.detach() for p in made.model.parameters()]


def test_resumed_run_equals_uninterrupted_run(tmp_path: Path) -> None:
    """Dropout, optimiser state, schedule and data all go on where they were: bitwise."""
    whole = job(tmp_path / "whole")
    run_training(whole)
    run_training(job(tmp_path / "parts", stop_at_step=7))
    assert not is_done(tmp_path / "parts")
    rest = job(tmp_path / "parts")
    run_training(rest)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(rest), strict=True))
    assert is_done(tmp_path / "parts")


def test_evaluation_does_not_change_the_run(tmp_path: Path) -> None:
    plain = job(tmp_path / "plain")
    run_training(plain)
    settings = JobSettings(steps=20, lr=1e-2, accumulate=2, log_every=10, evaluate_every=3)
    watched = job(
        tmp_path / "watched", settings=settings, evaluate=lambda m: {"x": float(torch.rand(()))}
    )
    figures = run_training(watched)
    assert "valid/x" in figures
    assert all(torch.equal(a, b) for a, b in zip(weights(plain), weights(watched), strict=True))


def test_minutes_bound_the_run_and_the_rate_falls_in_time(tmp_path: Path) -> None:
    """A clock of our own: each look takes a tenth of a minute."""
    ticks = iter(range(10**6))
    settings = JobSettings(steps=10**6, max_minutes=3, lr=1e-2, decay_fraction=0.5, log_every=1)
    made = job(tmp_path, settings=settings, clock=lambda: next(ticks) * 6.0)
    run_training(made)
    rows = (tmp_path / "log.csv").read_text().splitlines()[1:]
    rates = [float(row.split(",")[3]) for row in rows if ",lr," in row]
    assert 3 < len(rates) < 40
    assert rates[-1] < max(rates) / 2
    assert is_done(tmp_path)


def test_schedule() -> None:
    settings = JobSettings(lr=1.0, min_lr=0.1, warmup_steps=10, decay_fraction=0.5)
    assert schedule_factor(settings, 0, 0.0) == pytest.approx(0.1)
    assert schedule_factor(settings, 100, 0.5) == pytest.approx(1.0)
    assert schedule_factor(settings, 100, 0.75) == pytest.approx(0.55)
    assert schedule_factor(settings, 100, 1.0) == pytest.approx(0.1)
    cosine = JobSettings(lr=1.0, schedule="cosine", warmup_steps=1)
    assert schedule_factor(cosine, 100, 0.5) == pytest.approx(0.5)
    with pytest.raises(RecipeError, match="wsd, cosine or constant"):
        JobSettings(schedule="linear")


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="became nan at step 0"):
        run_training(job(tmp_path, loss=lambda m, b: (m(b).sum() * math.nan, {})))


def test_decay_spares_norms_and_biases() -> None:
    groups = build_optimizer(model(), JobSettings()).param_groups
    assert [len(group["params"]) for group in groups] == [2, 4]
    assert [group["weight_decay"] for group in groups] == [0.05, 0.0]


def test_only_masked_rows_train(tmp_path: Path) -> None:
    """The others stay bit for bit, weight decay or not."""
    embedding = nn.Embedding(6, 3)
    before = embedding.weight.detach().clone()
    RowMask(embedding.weight, [2, 5])
    run_training(
        job(
            tmp_path,
            model=embedding,
            batch=lambda rng: torch.arange(6),
            loss=lambda m, b: (m(b).square().sum(), {}),
        )
    )
    changed = (embedding.weight != before).any(1)
    assert changed.tolist() == [False, False, True, False, False, True]


def test_another_models_checkpoint_is_refused(tmp_path: Path) -> None:
    run_training(job(tmp_path))
    with pytest.raises(TrainingError, match=r"another model|other shapes"):
        restore_model(nn.Linear(3, 3), tmp_path)
    with pytest.raises(TrainingError, match="no checkpoint"):
        restore_model(nn.Linear(3, 3), tmp_path / "nowhere")
