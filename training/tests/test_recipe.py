"""What a recipe may say: every mistake is a sentence with its place, and nothing unknown passes."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mumu_training.__main__ import main
from mumu_training.generation.sample import DEFAULT_RECIPE
from mumu_training.recipe import RecipeError, load_recipe
from mumu_training.recipe_fields import OPTIONS, inputs_of
from mumu_training.stage0 import (
    audio_encoder,
    codec,
    image_encoder,
    language,
    music_decoder,
    text_encoder,
    tokenizer,
    video_encoder,
)
from mumu_training.stages import evaluate, stage1, stage2, stage3
from stages_support import write_recipe

# Where each job's options are read.
CODE: dict[str, Any] = {
    "tokenizer": tokenizer,
    "language": language,
    "audio": audio_encoder,
    "image": image_encoder,
    "video": video_encoder,
    "codec": codec,
    "text": text_encoder,
    "music": music_decoder,
    "stage1_adapters": stage1.warm_start,
    "stage1": stage1.run,
    "stage2": stage2,
    "stage3": stage3,
    "evaluate": evaluate,
}


def test_the_options_that_are_known_are_those_that_the_code_reads() -> None:
    assert set(CODE) == set(OPTIONS)
    for job, source in CODE.items():
        read = re.findall(r'options(?:\.get\(\s*|\[)"(\w+)"', inspect.getsource(source))
        assert set(OPTIONS[job]) == set(read), job


def test_the_shipped_recipe_is_understood_whole() -> None:
    raw = yaml.safe_load(DEFAULT_RECIPE.read_text(encoding="utf-8"))
    recipe = load_recipe(DEFAULT_RECIPE)
    assert recipe.components == raw["components"]
    for name, job in raw["jobs"].items():
        read = recipe.job(name)
        assert read.options == (job or {}).get("options", {}), name
        for key in set(job or {}) - {"options"}:
            value = getattr(read, key)
            assert (list(value) if isinstance(value, tuple) else value) == job[key], (name, key)


def _edited(folder: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    path = write_recipe(folder)
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    edit(raw)
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def _put(place: str, value: object) -> Callable[[dict[str, Any]], object]:
    """Sets, or with `...` takes out, what is at a place like `jobs.stage1.lr`."""

    def edit(raw: dict[str, Any]) -> None:
        *way, last = place.split(".")
        inner = raw
        for step in way:
            inner = inner.setdefault(step, {})
        if value is ...:
            del inner[last]
        else:
            inner[last] = value

    return edit


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("fdsp", {}, r"the recipe has unknown settings fdsp; it can have .*fsdp"),
        ("name", ..., r"lacks 'name'"),
        ("name", 5, r"name is 5, not a text"),
        ("seed", "twenty", r"seed is 'twenty', not a number"),
        ("jobs", None, r"jobs is None, not a table"),
        ("jobs.stage_1", {"steps": 3}, r"jobs has unknown jobs stage_1; it can have .*stage1"),
        ("jobs.stage1", [1], r"jobs\.stage1 is \[1\], not a table"),
        ("jobs.stage1.stepz", 1, r"jobs\.stage1 has unknown settings stepz"),
        ("jobs.stage1.recipe_sha256", "a", r"jobs\.stage1 has unknown settings recipe_sha256"),
        ("jobs.stage1.lr", "abc", r"jobs\.stage1\.lr is 'abc', not a number"),
        ("jobs.stage1.lr", None, r"jobs\.stage1\.lr is None, not a number"),
        ("jobs.stage1.lr", float("nan"), r"jobs\.stage1\.lr is nan, not a number"),
        ("jobs.stage1.lr", -1, r"jobs\.stage1\.lr is -1; it can't be negative"),
        ("jobs.stage1.steps", 2.5, r"jobs\.stage1\.steps is 2\.5, not a whole number"),
        ("jobs.stage1.steps", True, r"jobs\.stage1\.steps is True, not a number"),
        ("jobs.stage1.log_every", 0, r"jobs\.stage1: log_every must be at least 1"),
        ("jobs.stage1.schedule", "linear", r"jobs\.stage1: schedule is 'linear'"),
        ("jobs.stage1.betas", [0.9], r"jobs\.stage1\.betas is \[0\.9\], not two numbers"),
        ("jobs.stage1.gradient_checkpointing", "on", r"is 'on'; it can be true or false"),
        ("jobs.stage1.options.framez", 3, r"jobs\.stage1\.options has unknown options framez"),
        ("jobs.stage1.options.seeds", 1, r"jobs\.stage1\.options\.seeds is 1, not a list"),
        ("jobs.stage1.options.shares", {"musik": 1}, r"options\.shares has unknown kinds musik"),
        ("jobs.music", {"options": {"short_share": 0.5}}, r"short_share, which needs short_frames"),
        ("order", ["stage1", "stage4"], r"order is stage1, stage4; it can have stage1"),
        ("order", ["stage1", "stage1"], r"order is stage1, stage1; .* each once"),
        ("components.projector", ..., r"components lacks 'projector', which the job .* needs"),
        ("components.language.dim", ..., r"components\.language lacks dim"),
        ("components.language.foo", 3, r"components\.language has unknown fields foo"),
        ("components.audio_encoder.hiden_size", 3, r"audio_encoder has unknown fields hiden_size"),
        ("components.audio_encoder.conv_kernel", [480], r"audio_encoder is not understood: .*conv"),
        ("components.codec.num_filters", "many", r"components\.codec is not understood: .*many"),
        ("components.ears", {}, r"components\.ears is no component; there are language"),
        ("prompt.template", ..., r"prompt\.template is missing"),
        ("prompt.stops", [], r"prompt has unknown fields stops"),
    ],
)
def test_a_mistake_is_said_with_its_place(
    tmp_path: Path, place: str, value: object, said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe(_edited(tmp_path, _put(place, value)))


def test_numbers_that_yaml_reads_as_words_are_numbers(tmp_path: Path) -> None:
    def edit(raw: dict[str, Any]) -> None:
        raw["jobs"]["stage1"] |= {"steps": "1e4", "batch_size": "16", "max_minutes": "1e1"}
        raw["jobs"]["stage1"]["options"]["frames"] = "2e1"
        raw["components"]["language"]["norm_eps"] = "1e-6"
        raw["sampling"]["temperature"] = "6e-1"

    recipe = load_recipe(_edited(tmp_path, edit))
    job = recipe.job("stage1")
    assert (job.steps, job.batch_size, job.max_minutes) == (10_000, 16, 10.0)
    assert type(job.steps) is int
    assert job.options["frames"] == 20
    assert recipe.component("language")["norm_eps"] == 1e-6
    assert recipe.sampling["temperature"] == 0.6


def test_an_option_without_a_value_is_as_if_it_was_not_there(tmp_path: Path) -> None:
    recipe = load_recipe(_edited(tmp_path, _put("jobs.stage1.options.seeds", None)))
    assert "seeds" not in recipe.job("stage1").options


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "is None, not a table"), ("a: [1\n", "is not YAML"), ("- a\n", "not a table")],
)
def test_a_file_that_is_no_recipe_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    assert main(["stage1", "--recipe", str(path)]) == 2
    assert said in capsys.readouterr().err


def test_a_stage_that_the_order_leaves_out_is_said(tmp_path: Path) -> None:
    recipe = load_recipe(_edited(tmp_path, _put("order", ["stage1", "stage3"])))
    assert recipe.before("stage3") == ("stage1",)
    with pytest.raises(RecipeError, match="stage2 is not in the recipe's order"):
        recipe.before("stage2")


def test_a_job_depends_on_what_it_reads() -> None:
    recipe = load_recipe(DEFAULT_RECIPE)
    assert recipe.job("audio").inputs == ()
    assert recipe.job("music").inputs == ("tokenizer", "codec", "text")
    # The shipped recipe fits the projector last; its stage 3 needs no text encoder.
    assert set(recipe.job("stage2").inputs) >= {"stage1", "stage3", "music"}
    assert "music" not in recipe.job("stage3").inputs
    assert "text" not in inputs_of("music", ["music", "codec"], (), {})


def test_components_whose_widths_do_not_meet_are_refused(tmp_path: Path) -> None:
    raw = yaml.safe_load(DEFAULT_RECIPE.read_text(encoding="utf-8"))
    path = tmp_path / "recipes" / "r.yaml"
    path.parent.mkdir()
    for component, field, value, message in (
        ("projector", "in_dim", 128, "projector.in_dim is 128, and language.dim 256"),
        ("projector", "out_dim", 64, "projector.out_dim is 64, and text_encoder.d_model 128"),
        ("music_decoder", "vocab_size", 256, "music_decoder.vocab_size is 256, and codec"),
        ("language", "n_heads", 7, "a multiple of n_heads"),
        ("language", "dim", "big", "language.dim big"),
        ("text_encoder", "dropout_rate", 0.1, "dropout_rate"),
    ):
        changed = copy.deepcopy(raw)
        changed["components"][component][field] = value
        path.write_text(yaml.safe_dump(changed), encoding="utf-8")
        with pytest.raises(RecipeError, match=message):
            load_recipe(path)
    empty = {
        **raw,
        **dict.fromkeys(("licence", "threads", "seed", "order", "changes", "fsdp", "notes")),
    }
    path.write_text(yaml.safe_dump(empty), encoding="utf-8")
    assert load_recipe(path).licence == "MIT"
    raw["jobs"]["stage1"]["options"]["shares"] = {"music": 1, "edit": 1}
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(RecipeError, match="stage 1 only answers in words"):
        load_recipe(path)
