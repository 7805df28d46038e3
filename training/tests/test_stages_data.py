"""What the stages make of data that lacks something, was made again, or is of some seeds only."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from mumu_training.__main__ import main
from mumu_training.data.manifest import (
    ImageRecord,
    MusicRecord,
    VideoRecord,
    read_manifest,
    read_music,
)
from mumu_training.distributed import Team
from mumu_training.recipe import JobSettings, Recipe, load_recipe
from mumu_training.runs import load_run
from mumu_training.stage0 import codec, language, music_decoder, tokenizer
from mumu_training.stage0.codec import wait_for_songs
from mumu_training.stage0.language import load_teacher
from mumu_training.stage0.media import DataError, record_mark
from mumu_training.stages import features as module
from mumu_training.stages.features import Features, learnt_from
from stages_support import copy_with


def keep(folder: Path, wanted: Callable[[dict[str, Any]], bool]) -> None:
    """Leave only some rows in a dataset's manifest."""
    path = folder / "manifest.jsonl"
    rows = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(row for row in rows if wanted(json.loads(row))), encoding="utf-8")


def test_stages_run_without_songs_to_validate_on_and_without_clips(
    stage0: Path, tmp_path: Path
) -> None:
    options = {"frames": 20, "valid_songs": 2, "valid_rows": 0}
    path = copy_with(stage0, tmp_path, {"stage3": {"options": options}})
    recipe = load_recipe(path)
    keep(recipe.data, lambda row: row["kind"] != "video")
    keep(recipe.data, lambda row: (row["kind"], row["split"]) != ("music", "valid"))
    assert main(["stage1", "stage2", "stage3", "--recipe", str(path)]) == 0
    for job in ("stage1_adapters", "stage1", "stage3"):
        run = load_run(recipe.run_folder(job))
        assert run is not None
        assert run["done"]
        found = {name for name in run["figures"] if name.startswith("valid/")}
        assert found == ({"valid/image"} if job == "stage1_adapters" else set())
        if job == "stage1_adapters":
            torch.manual_seed(recipe.seed)  # what adapters start as
            before = load_teacher(recipe).state_dict()
            for name, value in run["model"].items():
                assert torch.equal(value, before[name]) == (".iu_vivit." in name), name


def song(recipe: Recipe, record: MusicRecord, seed: int, samples: int = 36000) -> None:
    """Write another sound where a record's is."""
    noise = 0.2 * np.random.default_rng(seed).standard_normal(samples)
    soundfile.write(recipe.data / record.path, noise, 24000, subtype="PCM_16")


def test_states_are_of_the_data_as_it_is(stage0: Path, tmp_path: Path) -> None:
    recipe = load_recipe(copy_with(stage0, tmp_path, {}))
    record = read_music(recipe.data)[0]
    before = np.array(Features(recipe).of(record))
    copied = recipe.data / "copy"
    shutil.copyfile(recipe.data / record.path, copied)
    copied.replace(recipe.data / record.path)  # the same, written at another time
    path = recipe.runs / recipe.name / "features" / "audio" / f"{record.id}.npy"
    written = path.stat().st_ino
    assert np.array_equal(Features(recipe).of(record), before)
    assert path.stat().st_ino == written
    song(recipe, record, 7)
    after = np.array(Features(recipe).of(record))
    assert after.shape == before.shape
    assert not np.array_equal(after, before)
    song(recipe, record, 8, 48000)
    assert Features(recipe).of(record).shape[1] > before.shape[1]
    (recipe.data / record.path).unlink()
    assert Features(recipe).of(record).shape[1] > before.shape[1], "nothing to compare with"


def test_states_from_before_marks_are_kept_where_they_can_be_of_the_record(
    stage0: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(copy_with(stage0, tmp_path, {}))
    same, longer, *_ = read_music(recipe.data)
    before = [np.array(Features(recipe).of(record)) for record in (same, longer)]
    (recipe.runs / recipe.name / "features" / "audio" / "marks.txt").unlink()
    song(recipe, same, 7)
    song(recipe, longer, 7, 48000)
    after = [Features(recipe).of(record) for record in (same, longer)]
    assert np.array_equal(before[0], after[0])
    assert before[1].shape[1] < after[1].shape[1]
    song(recipe, same, 8)  # marked by now
    assert not np.array_equal(Features(recipe).of(same), before[0])


def test_a_mark_is_of_all_that_a_file_holds(stage0: Path, tmp_path: Path) -> None:
    """A change in the middle of a long file changes it, a copy doesn't."""
    rng = np.random.default_rng(0)
    recipe = load_recipe(stage0)
    chosen = {type(r): replace(r, path="file") for r in read_manifest(recipe.data)}
    noise = rng.integers(0, 255, (300, 300, 3), dtype=np.uint8)
    wave = rng.integers(-9000, 9000, 40000, dtype=np.int16)
    changed_noise, changed_wave = noise.copy(), wave.copy()
    changed_noise[150, 150] ^= 1
    changed_wave[20000] ^= 1

    def write(kind: type, changed: bool) -> None:
        with (tmp_path / "file").open("wb") as stream:
            if kind is MusicRecord:
                samples = changed_wave if changed else wave
                soundfile.write(stream, samples, 24000, format="FLAC", subtype="PCM_16")
            elif kind is ImageRecord:
                Image.fromarray(changed_noise if changed else noise).save(stream, format="PNG")
            else:
                np.savez(stream, frames=changed_noise if changed else noise)

    for kind in (MusicRecord, ImageRecord, VideoRecord):
        record = chosen[kind]
        write(kind, False)
        first = record_mark(tmp_path, record)
        os.utime(tmp_path / "file", (1, 1))
        assert record_mark(tmp_path, record) == first
        assert record_mark(tmp_path, replace(record, seed=77)) != first
        size = (tmp_path / "file").stat().st_size
        assert size > 3 * 4096
        write(kind, True)
        assert record_mark(tmp_path, record) != first, kind
    music = chosen[MusicRecord]
    assert isinstance(music, MusicRecord)
    assert record_mark(tmp_path, replace(music, beats=[0.2])) != record_mark(tmp_path, music)
    assert record_mark(tmp_path, replace(music, path="none")) is None


def test_encoders_and_what_they_read_are_on_one_device(
    stage0: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`meta` stands in for a GPU; what it would have computed is made up."""
    recipe = load_recipe(copy_with(stage0, tmp_path, {}))
    seen: list[str] = []

    def spy(model: torch.nn.Module, given: torch.Tensor) -> torch.Tensor:
        seen.extend((next(model.parameters()).device.type, given.device.type))
        return torch.zeros(1, 4, 5)

    monkeypatch.setattr(module, "pick_device", lambda: "meta")
    monkeypatch.setattr(module, "fingerprint", lambda model: "none")  # meta has no weights to read
    for name in ("hidden_states", "image_states", "video_states"):
        monkeypatch.setattr(module, name, spy)
    features = Features(recipe)
    for record in read_manifest(recipe.data)[:3]:
        assert features.of(record).shape == (4, 5)
    assert seen == ["meta"] * 6


def test_processes_divide_the_features(
    stage0: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(copy_with(stage0, tmp_path, {}))
    wanted = {record.id for record in learnt_from(recipe)}
    made: list[set[str]] = []
    for index in range(2):
        crew = Team()
        crew.index, crew.count = index, 2
        monkeypatch.setattr(module, "team", lambda crew=crew: crew)
        before = {path.stem for path in tmp_path.rglob("features/*/*.npy")}
        module.run(recipe)
        made.append({path.stem for path in tmp_path.rglob("features/*/*.npy")} - before)
    assert len(made[0]) == len(made[1]) == len(wanted) // 2
    assert made[0] | made[1] == wanted


def with_seeds(recipe: Recipe, job: str, seeds: list[int]) -> Recipe:
    """The recipe with a job that learns from these seeds only."""
    settings = recipe.jobs.get(job, JobSettings())
    asked = replace(settings, options={**settings.options, "seeds": seeds})
    return replace(recipe, jobs={**recipe.jobs, job: asked})


@pytest.mark.parametrize(
    ("job", "own"),
    [("tokenizer", tokenizer), ("language", language), ("codec", codec), ("music", music_decoder)],
)
def test_every_job_learns_from_the_seeds_it_is_told(
    stage0: Path, job: str, own: ModuleType
) -> None:
    """All of the data is of seed 0."""
    with pytest.raises(DataError, match="of seed 7"):
        own.run(with_seeds(load_recipe(stage0), job, [7]), False)


def test_songs_of_some_seeds_are_waited_for(stage0: Path, tmp_path: Path) -> None:
    recipe = load_recipe(copy_with(stage0, tmp_path, {}))
    path = recipe.data / "manifest.jsonl"
    rows = [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row["seed"] += 3_000_000 * (row["id"] in ("m1", "m2"))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert [song.id for song in wait_for_songs(recipe.data, "train", 1, seeds=[3])] == ["m1", "m2"]
    assert len(wait_for_songs(recipe.data, "train", 1)) == 4
    with pytest.raises(DataError, match="has 2 songs of seed 3 in its train split, not 3"):
        wait_for_songs(recipe.data, "train", 3, seeds=[3])
