"""The ablation: its variants are what they are called, and the study runs whole and goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mumu_training.ablation.__main__ import main
from mumu_training.ablation.study import Settings, recipe_mark, run_study
from mumu_training.ablation.variants import VARIANTS, seeded, weights
from mumu_training.inputs import fingerprint
from mumu_training.models.adapters import AudioAdapter
from mumu_training.recipe import load_recipe
from mumu_training.runs import TrainingError
from stages_support import copy_with

SIZES = (3, 8, 16)


def test_all_is_the_adapter_of_the_model() -> None:
    ours = seeded("all", 1, SIZES)
    torch.manual_seed(1)
    theirs = AudioAdapter(*SIZES)
    states = torch.randn(2, 3, 10, 8)
    assert torch.equal(ours(states), theirs(states))
    assert weights(ours) == weights(theirs)


def test_variants_differ_in_the_parts_they_have() -> None:
    parts = {
        name: {child.split("_")[0] for child, _ in seeded(name, 0, SIZES).named_children()}
        for name in VARIANTS
    }
    dense, rnn = {"norm", "f1", "f2", "f3"}, {"rnn"}
    assert parts["projection only"] == {"agg", "proj"}
    assert parts["with dense network"] == {"agg", "proj", *dense}
    assert parts["with RNN"] == {"agg", "proj", *rnn}
    assert parts["with attention RNN"] == {"agg", "proj", *rnn, "attention"}
    assert parts["all"] == {"agg", "proj", *rnn, "attention", *dense}
    for name in VARIANTS:
        model = seeded(name, 0, SIZES)
        model(torch.randn(2, 3, 10, 8)).sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters()), name


def test_order_of_frames_matters_to_rnns_only() -> None:
    states = torch.randn(1, 3, 10, 8)
    for name in VARIANTS:
        model = seeded(name, 0, SIZES)
        same = torch.allclose(model(states), model(states.flip(2)), atol=1e-5)
        assert same == (name in ("projection only", "with dense network")), name


def test_the_study_runs_and_is_not_run_twice(
    stage0: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out = copy_with(stage0, tmp_path / "runs", {}), tmp_path / "out"
    words = ["--recipe", str(recipe), "--out", str(out), "--seeds", "2"]
    words += ["--steps", "2", "--batch", "2", "--frames", "20", "--songs", "3"]
    assert main(words) == 0
    first = capsys.readouterr()
    assert first.err.count("seed") == 10
    assert "| with attention RNN |" in first.out
    assert {file.name for file in out.iterdir()} >= {
        "ablation.json",
        "ablation.md",
        "ablation-1.png",
        "ablation-2.png",
    }
    kept = json.loads((out / "runs.json").read_text())
    del kept["runs"]["all"]["1"]
    (out / "runs.json").write_text(json.dumps(kept))
    assert main(words) == 0
    again = capsys.readouterr()
    assert again.err.count("seed") == 1
    assert again.out == first.out  # the run that was lost came out the same


def test_runs_of_another_recipe_model_or_setting_are_not_taken_nor_overwritten(
    stage0: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = copy_with(stage0, tmp_path / "runs", {}), tmp_path / "out"
    recipe, settings = load_recipe(path), Settings(steps=2)
    own = {
        "settings": vars(settings),
        "recipe": recipe_mark(recipe),
        "audio encoder": fingerprint(recipe.run_folder("audio")),
        "language model": fingerprint(recipe.run_folder("language")),
        "runs": {name: {"0": {"error": 0.5}} for name in VARIANTS},
    }
    out.mkdir()
    kept = out / "runs.json"
    kept.write_text(json.dumps(own))
    found = run_study(recipe, out, 1, settings, lambda line: None)
    assert found == {name: [{"error": 0.5}] for name in VARIANTS}
    for key in ("settings", "recipe", "audio encoder", "language model"):
        less = {name: own[name] for name in own if name != key}
        for other in ({**own, key: {}}, less):
            kept.write_text(json.dumps(other))
            if other is less and key != "settings":  # a folder of before: taken as it is
                assert run_study(recipe, out, 1, settings, lambda line: None) == found
                continue
            with pytest.raises(TrainingError, match=f"runs that differ in {key}: choose another"):
                run_study(recipe, out, 1, settings, lambda line: None)
            assert json.loads(kept.read_text()) == other
    words = ["--recipe", str(path), "--out", str(out), "--seeds", "1", "--steps", "3"]
    assert main(words) == 2
    assert "runs that differ in settings" in capsys.readouterr().err


def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--recipe", str(tmp_path / "none.yaml"), "--out", str(tmp_path)]) == 2
    assert "ablation: there is no recipe" in capsys.readouterr().err
