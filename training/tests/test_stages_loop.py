"""The training loop: resume, bounds in steps and minutes, schedule, refusals."""

from __future__ import annotations

import io
import json
import math
import shutil
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mumu_training.footprint import count_saved
from mumu_training.journal import Journal
from mumu_training.loop import (
    Measured,
    TrainingError,
    TrainingJob,
    autocast_for,
    build_optimizer,
    checkpoint_language_model,
    is_done,
    measuring,
    restore_model,
    run_training,
    schedule_factor,
)
from mumu_training.models.llama import Llama, LlamaConfig
from mumu_training.models.mumu import RowMask
from mumu_training.recipe import JobSettings, RecipeError
from mumu_training.runs import clear, sign_final


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


def talker() -> nn.Module:
    """A model with a table, an inner matrix and a head."""
    torch.manual_seed(1)
    parts = {"table": nn.Embedding(6, 4), "inner": nn.Linear(4, 8), "lm_head": nn.Linear(8, 6)}
    return nn.Sequential(OrderedDict(parts))


def talk(folder: Path, **changes: object) -> TrainingJob:
    return job(
        folder,
        model=talker(),
        settings=JobSettings(steps=20, lr=0.2, warmup_steps=2, optimizer="muon", log_every=10),
        batch=lambda rng: torch.from_numpy(rng.integers(6, size=32)),
        loss=lambda m, b: (nn.functional.cross_entropy(m(b), (b + 1) % 6), {}),
        **changes,
    )


def test_muon_has_the_inner_matrices_and_adamw_the_rest() -> None:
    made = talker()
    groups = build_optimizer(made, JobSettings(optimizer="muon")).param_groups
    names = {id(parameter): name for name, parameter in made.named_parameters()}
    assert [[names[id(p)] for p in group["params"]] for group in groups] == [
        ["inner.weight"],
        ["table.weight", "lm_head.weight"],
        ["inner.bias", "lm_head.bias"],
    ]
    with pytest.raises(RecipeError, match="adamw or muon"):
        JobSettings(optimizer="sgd")


def test_a_step_of_muon_is_as_long_in_every_direction() -> None:
    """The first step is the nearest orthogonal matrix to the gradient (an SVD's U V^T), give or take
    what five Newton-Schulz rounds leave, as long as a step of AdamW: 0.2 a weight."""
    made = talker()
    optimizer = build_optimizer(made, JobSettings(optimizer="muon", lr=0.1, weight_decay=0.0))
    weight = made.get_parameter("inner.weight")
    before = weight.detach().clone()
    made(torch.arange(6)).square().sum().backward()
    assert weight.grad is not None
    u, _, v = torch.linalg.svd(weight.grad, full_matrices=False)
    optimizer.step()
    moved = (before - weight.detach()) / 0.1
    # 0.2 * sqrt(longer side) times an orthogonal matrix.
    singular = torch.linalg.svdvals(moved) / (0.2 * 8**0.5)
    assert bool(((singular > 0.6) & (singular < 1.3)).all())
    aligned = (moved * (u @ v)).sum() / moved.norm() / (u @ v).norm()
    assert float(aligned) > 0.95


def test_a_run_with_muon_learns_and_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = talk(tmp_path / "whole")
    figures = run_training(whole)
    assert figures["loss"] < 1.0 < math.log(6)
    run_training(talk(tmp_path / "parts", stop_at_step=7))
    rest = talk(tmp_path / "parts")
    run_training(rest)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(rest), strict=True))


def test_another_optimiser_does_not_go_on(tmp_path: Path) -> None:
    """Neither way."""
    plain = JobSettings(steps=20, lr=0.2, warmup_steps=2, log_every=10)
    for first, then in (({}, {"settings": plain}), ({"settings": plain}, {})):
        folder = tmp_path / str(len(first))
        begun, goes_on = talk(folder), talk(folder)
        begun.stop_at_step = 3
        for made, changes in ((begun, first), (goes_on, then)):
            made.settings = changes.get("settings", made.settings)
        run_training(begun)
        with pytest.raises(
            TrainingError, match=r"can't go on with .*its optimiser, or what it .*--fresh"
        ):
            run_training(goes_on)


@pytest.mark.parametrize("left", [0, 30, 1000])
def test_a_damaged_checkpoint_is_said_and_can_be_started_over(tmp_path: Path, left: int) -> None:
    run_training(job(tmp_path))
    path = tmp_path / "last.pt"
    path.write_bytes(path.read_bytes()[:left])
    for look in (run_training, lambda made: is_done(made.folder)):
        with pytest.raises(TrainingError, match=r"last\.pt can't be read .*delete .* or .*--fresh"):
            look(job(tmp_path))
    clear(tmp_path)
    assert not path.exists()


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


def test_a_gradient_that_is_not_finite_stops_the_run_with_weights_whole(tmp_path: Path) -> None:
    made = job(tmp_path, loss=lambda m, b: ((m(b).sum() * 0).sqrt(), {}))
    before = [value.clone() for value in weights(made)]
    with pytest.raises(TrainingError, match="gradient's norm became nan at step 0"):
        run_training(made)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(made), strict=True))


def test_a_finished_run_has_a_half_precision_checkpoint_with_metadata(tmp_path: Path) -> None:
    made = job(tmp_path, sample=lambda m: "it says hello")
    made.model.register_buffer("sums", torch.tensor([1e6]))  # more than half precision holds
    run_training(made)
    with safe_open(str(tmp_path / "final.safetensors"), framework="pt") as file:
        metadata = file.metadata()
        assert torch.equal(file.get_tensor("3.weight"), weights(made)[-2].half())
        assert file.get_tensor("sums").item() == 1e6
    assert (metadata["job"], metadata["step"], metadata["seed"]) == ("t", "20", "5")
    assert json.loads(metadata["figures"])["loss"] > 0
    assert "## Step 20\n\nit says hello" in (tmp_path / "samples.md").read_text()


def test_metadata_is_given_to_what_a_job_wrote_itself(tmp_path: Path) -> None:
    run_training(job(tmp_path))
    save_file({"own.name": torch.ones(2)}, str(tmp_path / "final.safetensors"))
    sign_final(tmp_path)
    with safe_open(str(tmp_path / "final.safetensors"), framework="pt") as file:
        assert file.metadata()["job"] == "t"
        assert file.get_tensor("own.name").tolist() == [1, 1]


def test_measuring_runs_a_few_steps_and_writes_nothing(tmp_path: Path) -> None:
    other, made = job(tmp_path / "other"), job(tmp_path / "made")
    made.name = "wanted"
    with measuring("wanted", 2):
        assert run_training(other) == {}
        with pytest.raises(Measured) as raised:
            run_training(made)
    found = raised.value.found
    assert found.trained == sum(p.numel() for p in made.model.parameters())
    assert found.optimiser == 8 * found.trained
    assert found.activations is not None
    # At least the input of each linear layer, [8, 4] and [8, 8], in float32.
    assert 4 * (32 + 64) <= found.activations < 4 * 2000
    assert found.step_seconds is not None
    assert not (tmp_path / "made").exists()


def test_a_disk_too_small_is_said_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(TrainingError, match=r"t needs 50\.\d MB of disk"):
        run_training(job(tmp_path))


def test_checkpointing_the_language_model_changes_no_gradient() -> None:
    gradients: list[list[Tensor | None]] = []
    kept: list[int] = []
    for recompute in (False, True):
        torch.manual_seed(0)
        llama = Llama(
            LlamaConfig(dim=16, n_layers=3, n_heads=2, vocab_size=20, hidden_dim=24, query_layer=1)
        )
        llama.reset_base()
        if recompute:
            checkpoint_language_model(llama, "t")
        with count_saved(llama) as saved:
            hidden, _ = llama(torch.arange(40).view(2, 20) % 20)
            llama.logits(hidden).square().mean().backward()
        gradients.append([p.grad for p in llama.parameters()])
        kept.append(saved.most)
    assert kept[1] < kept[0] / 2
    for plain, recomputed in zip(*gradients, strict=True):
        assert (plain is None) == (recomputed is None)
        assert plain is None or torch.equal(plain, recomputed)
    with pytest.raises(TrainingError, match="has no language model"):
        checkpoint_language_model(model(), "t")


def test_what_is_computed_again_is_measured(tmp_path: Path) -> None:
    """The layers' inputs, and one layer at a time: half of what two layers keep without."""

    def measured(layers: int, recompute: bool) -> int:
        torch.manual_seed(0)
        dims = {"dim": 16, "n_heads": 2, "vocab_size": 20, "hidden_dim": 24, "query_layer": 1}
        settings = JobSettings(gradient_checkpointing=recompute, precision="float32")
        made = job(
            tmp_path / "none",
            model=Llama(LlamaConfig(n_layers=layers, **dims)),
            settings=settings,
            batch=lambda rng: torch.arange(40).view(2, 20) % 20,
            loss=lambda m, b: (m.logits(m(b)[0]).square().mean(), {}),
        )
        with measuring("t", 1), pytest.raises(Measured) as raised:
            run_training(made)
        assert raised.value.found.activations is not None
        return raised.value.found.activations

    one_layer = measured(5, False) - measured(4, False)
    one_input = measured(5, True) - measured(4, True)
    assert 0 < one_input < one_layer / 4
    assert measured(4, True) > 4 * one_input + 0.9 * one_layer
    assert measured(4, True) < measured(4, False)


def test_a_gpu_that_emulates_bf16_does_not_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    asked: list[bool] = []
    monkeypatch.setattr(torch, "autocast", lambda *_, enabled: asked.append(enabled))
    autocast_for("cuda:0")
    assert asked == [False]


def test_the_bar_shows_where_the_run_is(tmp_path: Path) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    journal = Journal("stage9", tmp_path, screen)
    journal.write(1, 2.0, {"loss": 3.0})
    journal.advance(7, 0.5, 0.25)
    journal.close()
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert "stage9 step 1 2s loss 3" in shown
    assert "stage9 step 7 loss 0.25" in shown
    assert "50 %" in shown
