"""A run remembers what it was trained on: results of other jobs, and its own settings."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from mumu_training import inputs
from mumu_training.__main__ import main
from mumu_training.inputs import UNFINISHED, fingerprint, require_inputs
from mumu_training.recipe import Recipe, load_recipe
from mumu_training.runs import FINAL, START, TrainingError, load_run, save_run, write_tensors
from mumu_training.start import begin
from stages_support import copy_with

STAGES = ("stage1", "stage2", "stage3")


@pytest.fixture(scope="module")
def trained(stage0: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny recipe with its stages run."""
    path = copy_with(stage0, tmp_path_factory.mktemp("trained"), {})
    assert main([*STAGES, "--recipe", str(path)]) == 0
    return path


def _change(folder: Path, prefix: str = "") -> None:
    """Another result: a little added to the weights whose names start so."""
    path = folder / FINAL
    tensors = {n: v + 0.5 if n.startswith(prefix) else v for n, v in load_file(path).items()}
    write_tensors(path, tensors, {})


def _forget(folder: Path) -> None:
    """Make a run one of before there were fingerprints."""
    state = load_run(folder)
    assert state is not None
    for key in ("inputs", "settings"):
        state.pop(key, None)
    save_run(folder, state)


def test_export_and_stages_refuse_an_encoder_that_was_trained_again(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the command line: the encoder is trained over with another rate."""
    path = copy_with(trained, tmp_path / "t", {"audio": {"lr": 0.05}})
    words = ["--recipe", str(path)]
    assert main(["export", *words]) == 0
    assert main(["stage0", "--only", "audio", "--fresh", *words]) == 0
    capsys.readouterr()
    for command in ("export", "evaluate", "stage3"):
        assert main([command, *words]) == 2
        said = capsys.readouterr().err
        assert "was trained on another audio encoder (the run audio has changed since): run" in said
        assert "again with --fresh, or put back what it was trained on" in said
    published = ["export", "--format", "published", "--out", str(tmp_path / "p"), *words]
    assert main(published) == 2
    assert not (tmp_path / "p").exists()
    assert main(["stage1", "--fresh", *words]) == 0
    assert main(["stage1", *words]) == 0


def test_an_encoder_that_is_being_trained_again_is_another_too(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy_with(trained, tmp_path / "t", {})
    (load_recipe(path).run_folder("image") / FINAL).unlink()
    folder = load_recipe(path).run_folder("image")
    before = fingerprint(folder)
    # Without its result it is known by its last checkpoint, which has the same weights.
    assert main(["export", "--recipe", str(path)]) == 0
    state = load_run(folder)
    assert state is not None
    name = next(name for name in state["model"] if name.startswith("encoder."))
    state["model"][name] = state["model"][name] + 0.5
    save_run(folder, {**state, "done": False})
    assert fingerprint(folder) != before
    assert main(["export", "--recipe", str(path)]) == 2
    assert "another image encoder" in capsys.readouterr().err


def test_a_codec_that_has_no_result_yet_is_said_to_be_unfinished(tmp_path: Path) -> None:
    folder = tmp_path / "codec"
    folder.mkdir()
    assert fingerprint(folder) is None
    save_run(folder, {"done": False, "model": {"codec.encoder.weight": torch.ones(2)}})
    assert fingerprint(folder) == UNFINISHED


def test_stages_in_another_order_are_not_put_together() -> None:
    state = {"inputs": {"audio": "a", "stage1": "b"}}
    require_inputs("stage2", state, {"audio": "a", "stage1": "b"})
    with pytest.raises(TrainingError, match=r"after stage1, and .* after stage1, stage3"):
        require_inputs("stage2", state, {"audio": "a", "stage1": "b", "stage3": "c"})
    with pytest.raises(TrainingError, match=r"after stage1, and .* after no stage"):
        require_inputs("stage2", state, {"audio": "a"})
    require_inputs("stage2", {}, {"audio": "a", "stage1": "b", "stage3": "c"})  # from before


def test_a_run_under_way_does_not_go_on_with_another_language_model(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy_with(trained, tmp_path / "t", {})
    recipe = load_recipe(path)
    state = load_run(recipe.run_folder("stage2"))
    assert state is not None
    save_run(recipe.run_folder("stage2"), {**state, "done": False, "step": 1})
    _change(recipe.run_folder("language"))
    assert main(["stage2", "--recipe", str(path)]) == 2
    said = capsys.readouterr().err
    assert "stage2 was trained on another language model" in said
    assert "run stage2 again with --fresh" in said


def test_runs_of_before_go_on(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy_with(trained, tmp_path / "t", {"stage3": {"lr": 0.5}})
    recipe = load_recipe(path)
    for job in ("language", "stage1_adapters", *STAGES):
        _forget(recipe.run_folder(job))
    _change(recipe.run_folder("audio"), "encoder.")
    capsys.readouterr()
    assert main([*STAGES, "export", "--recipe", str(path)]) == 0
    assert "settings" not in capsys.readouterr().out


def test_other_settings_are_named_in_a_line(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy_with(trained, tmp_path / "t", {})
    words = ["stage3", "--recipe", str(path)]
    capsys.readouterr()
    assert main(words) == 0
    assert "settings" not in capsys.readouterr().out
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    job: dict[str, Any] = raw["jobs"]["stage3"]
    job |= {"steps": 3, "log_every": 1}  # how often it says something makes no other run
    job["options"] = {**job["options"], "seeds": [0]}
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    assert main(words) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "settings" in line]
    assert said == [
        "stage3: was finished with other settings, and --fresh starts it over with these: "
        "steps 2, now 3; options.seeds not set, now [0]"
    ]
    recipe = load_recipe(path)
    state = load_run(recipe.run_folder("stage3"))
    assert state is not None
    save_run(recipe.run_folder("stage3"), {**state, "done": False})
    assert main(words) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "settings" in line]
    assert len(said) == 1
    assert said[0].startswith("stage3: goes on with other settings than it had: steps 2, now 3")
    assert main(words) == 0  # they are its own now
    assert "settings" not in capsys.readouterr().out


def test_a_finished_codec_says_it_too(
    stage0: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does not come to the training loop."""
    path = copy_with(stage0, tmp_path / "t", {})
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    for start in ("transform", "vocoder"):
        raw["jobs"]["codec"] = {"options": {"start": start}}
        path.write_text(yaml.safe_dump(raw), encoding="utf-8")
        recipe = load_recipe(path)
        if start == "transform":
            own = inputs.remembered(recipe.job("codec"))
            run = {"done": True, "step": 1, "figures": {}, "model": {}, "settings": own}
            recipe.run_folder("codec").mkdir()
            save_run(recipe.run_folder("codec"), run)
            (recipe.run_folder("codec") / "config.json").write_text("{}")
    capsys.readouterr()
    assert main(["stage0", "--only", "codec", "--recipe", str(path)]) == 0
    assert "options.start transform, now vocoder" in capsys.readouterr().out


def test_a_fingerprint_is_of_what_others_read(tmp_path: Path) -> None:
    """Heads, the codec's decoder and the minutes in the metadata are nobody's business; nor is precision
    that half precision holds."""
    one = torch.ones(3)
    parts = {
        "audio": ("encoder.a", "heads.a"),
        "codec": ("audio_encoder.encoder.a", "audio_encoder.decoder.a"),
        "music": ("text_encoder.a", "decoder.a"),
    }
    for job, (read, other) in parts.items():
        folder = tmp_path / job
        folder.mkdir()

        def mark(a: torch.Tensor, b: torch.Tensor, minutes: str) -> str | None:
            tensors = {read: a.clone(), other: b.clone()}  # noqa: B023
            write_tensors(folder / FINAL, tensors, {"minutes": minutes})  # noqa: B023
            return fingerprint(folder)  # noqa: B023

        first = mark(one, one, "1")
        assert first == mark(one.half(), 2 * one, "2")
        assert first != mark(2 * one, one, "1")
    assert fingerprint(tmp_path / "nowhere") is None


def test_a_result_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"a": torch.ones(3)}, tmp_path / FINAL)
    first = fingerprint(tmp_path)
    monkeypatch.setattr(inputs, "_hash", lambda *_: "again")
    assert fingerprint(tmp_path) == first
    _change(tmp_path)
    assert fingerprint(tmp_path) == "again"
    (tmp_path / FINAL).write_bytes(b"not a file of tensors")
    monkeypatch.undo()
    with pytest.raises(TrainingError, match="is damaged"):
        fingerprint(tmp_path)


def test_what_a_checkpoint_gave_is_no_other_input(trained: Path, tmp_path: Path) -> None:
    """Kept jobs complain of nothing, and those trained on top remember them."""
    source = copy_with(trained, tmp_path / "source", {})
    assert main(["export", "--recipe", str(source)]) == 0
    path = copy_with(trained, tmp_path / "t", {})
    recipe = load_recipe(path)
    for job in ("audio", "language", "stage1_adapters", *STAGES):
        shutil.rmtree(recipe.run_folder(job))
    begin(recipe, load_recipe(source).checkpoint, ("stage2",), ("language", "audio", "stage1"))
    begin(recipe, load_recipe(source).checkpoint, (), ("stage3",))
    assert (recipe.run_folder("stage2") / START).is_file()
    words = ["--recipe", str(path)]
    assert main([*STAGES, "export", *words]) == 0
    kept = load_run(recipe.run_folder("stage2"))
    assert kept is not None
    assert kept["inputs"]["audio"] == fingerprint(recipe.run_folder("audio"))
    _change(recipe.run_folder("audio"), "encoder.")
    assert main(["export", *words]) == 2


def _music_run(recipe: Recipe, marks: dict[str, str]) -> None:
    for job in ("codec", "text"):
        folder = recipe.run_folder(job)
        folder.mkdir()
        save_file({"audio_encoder.encoder.a": torch.ones(2)}, folder / FINAL)
    save_run(recipe.run_folder("music"), {"done": True, "model": {}, "inputs": marks})


def test_export_minds_the_codec_but_not_what_music_only_began_with(
    stage0: Path, tmp_path: Path
) -> None:
    path = copy_with(stage0, tmp_path / "t", {})
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    raw["jobs"] |= {"music": {}, "text": {}}
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    recipe = load_recipe(path)
    _music_run(recipe, {"text": "another"})
    inputs.require_matching(recipe, ("music",))
    save_run(recipe.run_folder("music"), {"done": True, "model": {}, "inputs": {"codec": "x"}})
    with pytest.raises(TrainingError, match=r"another codec .*: run stage0 --only music again"):
        inputs.require_matching(recipe, ("music",))
