"""Recipes: one YAML file says every dimension and every training setting of a checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml

from mumu_training import recipe_fields
from mumu_training.recipe_fields import NEEDS, OPTIONS, RECIPE, SETTINGS, STAGES, Kind

CHANGES: Final[tuple[str, ...]] = ("add", "replace", "remove", "style")
"""Kinds of change of a song that a model can be trained to make (MODEL_CHANGES in models/checkpoint)."""


class RecipeError(ValueError):
    """A recipe says something this package does not understand."""


@dataclass(frozen=True)
class JobSettings:
    """Optimisation settings of one job; every field may be set in the recipe under `jobs.NAME`.

    `steps` and `max_minutes` bound the run together: it ends when either is reached, and the
    learning rate's schedule follows whichever is further on. `options` is the job's own.
    """

    steps: int = 1000
    max_minutes: float | None = None
    batch_size: int = 16
    accumulate: int = 1
    lr: float = 3e-4
    min_lr: float = 0.0
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    warmup_steps: int = 50
    schedule: str = "wsd"
    decay_fraction: float = 0.25
    clip: float = 1.0
    log_every: int = 20
    save_every_steps: int | None = None
    save_every_minutes: float = 5.0
    evaluate_every: int | None = None
    gradient_checkpointing: bool = False
    """Compute the language model's layers again going backward: less memory, a third more time."""

    optimizer: str = "adamw"
    """`adamw`, or `muon` for the matrices inside the model (AdamW has the rest)."""

    precision: str = "auto"
    """`auto`: products in bf16 where the hardware really has it; `float32`: nowhere."""

    options: Mapping[str, Any] = field(default_factory=dict)
    recipe_sha256: str = ""
    """Of the recipe these settings came from. Not for recipes: `load_recipe` fills it in."""

    inputs: tuple[str, ...] = ()
    """Jobs whose results this one starts from or learns by. Not for recipes either."""

    def __post_init__(self) -> None:
        if self.schedule not in ("wsd", "cosine", "constant"):
            raise RecipeError(f"schedule is {self.schedule!r}; it can be wsd, cosine or constant")
        if self.optimizer not in ("adamw", "muon"):
            raise RecipeError(f"optimizer is {self.optimizer!r}; it can be adamw or muon")
        if self.precision not in ("auto", "float32"):
            raise RecipeError(f"precision is {self.precision!r}; it can be auto or float32")
        if self.steps < 0 or self.accumulate < 1 or self.batch_size < 1:
            raise RecipeError(
                "accumulate and batch_size must be at least 1, steps 0 (the start is the end) or more"
            )
        if self.log_every < 1:
            raise RecipeError("log_every must be at least 1")


@dataclass(frozen=True)
class Recipe:
    """A whole recipe. `components` uses the names and fields of checkpoint.json's components."""

    name: str
    variant: str
    seed: int
    threads: int
    data: Path
    runs: Path
    checkpoint: Path
    components: Mapping[str, Mapping[str, Any]]
    jobs: Mapping[str, JobSettings]
    prompt: Mapping[str, Any]
    sampling: Mapping[str, Any]
    conditioning: str
    licence: str
    order: tuple[str, ...] = ("stage1", "stage2", "stage3")
    """The paper's stages in the order they are run; each starts from the result of those before."""

    fsdp: Mapping[str, Any] | None = None
    """Shard weights and optimiser over GPUs: options of accelerate's FSDP plugin ({} for none)."""

    sha256: str = ""
    """Of what the recipe says, whatever its comments and order."""

    changes: tuple[str, ...] = CHANGES
    """Kinds of change of a song that its conversations teach; mumu refuses the others."""

    notes: str = ""
    """What a reader of the checkpoint should know about how it came about."""

    def __post_init__(self) -> None:
        if unknown := set(self.changes) - set(CHANGES):
            raise RecipeError(
                f"changes has {', '.join(sorted(unknown))}; it can have {', '.join(CHANGES)}"
            )
        if set(self.order) - set(STAGES) or len(set(self.order)) < len(self.order):
            raise RecipeError(
                f"order is {', '.join(self.order)}; it can have {', '.join(STAGES)}, each once"
            )

    def component(self, name: str) -> dict[str, Any]:
        """Dimensions of one component; raises RecipeError when the recipe has none."""
        if name not in self.components:
            raise RecipeError(f"the recipe has no component {name!r}")
        return dict(self.components[name])

    def job(self, name: str) -> JobSettings:
        """Settings of one job; raises RecipeError when the recipe has none."""
        if name not in self.jobs:
            raise RecipeError(f"the recipe has no job {name!r}")
        return self.jobs[name]

    def before(self, stage: str) -> tuple[str, ...]:
        """The stages that come before this one; raises RecipeError when the recipe leaves it out."""
        if stage not in self.order:
            raise RecipeError(f"{stage} is not in the recipe's order ({', '.join(self.order)})")
        return self.order[: self.order.index(stage)]

    def run_folder(self, job: str) -> Path:
        """Where a job keeps its checkpoints and logs: `<runs>/<name>/<job>`."""
        return self.runs / self.name / job


def _digest(raw: Any) -> str:
    text = json.dumps(raw, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _take(place: str, kind: Kind, value: Any) -> Any:
    """A value as its kind reads it. Raises RecipeError that says where it is."""
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{place} {error}") from error


def _known(place: str, given: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    _take(place, lambda names: recipe_fields.require_known(names, known, what), given)


def _options(name: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """A job's own options; one without a value is as if it wasn't there."""
    place = f"jobs.{name}.options"
    _known(place, raw, OPTIONS[name], "options")
    made = {
        key: _take(f"{place}.{key}", OPTIONS[name][key], value)
        for key, value in raw.items()
        if value is not None
    }
    if made.get("short_share") and "short_frames" not in made:
        raise RecipeError(f"{place} has short_share, which needs short_frames")
    return made


def _job(name: str, raw: Mapping[str, Any], digest: str) -> JobSettings:
    """The settings of one job, without its inputs."""
    kinds = {entry.name: str(entry.type) for entry in fields(JobSettings)}
    kinds = {key: kind for key, kind in kinds.items() if key not in ("recipe_sha256", "inputs")}
    _known(f"jobs.{name}", raw, kinds, "settings")
    values: dict[str, Any] = {}
    for key, value in raw.items():
        kind, _, optional = kinds[key].partition(" | ")
        if value is None and (optional or key == "options"):
            continue
        values[key] = _take(f"jobs.{name}.{key}", SETTINGS[kind], value)
    values["options"] = _options(name, values.get("options", {}))
    try:
        return JobSettings(**values, recipe_sha256=digest)
    except RecipeError as error:
        raise RecipeError(f"jobs.{name}: {error}") from error


def _jobs(raw: Mapping[str, Any], order: tuple[str, ...], digest: str) -> dict[str, JobSettings]:
    _known("jobs", raw, OPTIONS, "jobs")
    tables = {
        name: _take(f"jobs.{name}", recipe_fields.table, {} if job is None else job)
        for name, job in raw.items()
    }
    jobs = {name: _job(name, settings, digest) for name, settings in tables.items()}
    return {
        name: replace(job, inputs=recipe_fields.inputs_of(name, jobs, order, job.options))
        for name, job in jobs.items()
    }


def _components(raw: Mapping[str, Any], jobs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The components, and that no job lacks one."""
    made = {
        name: _take(f"components.{name}", partial(recipe_fields.component, name), dims)
        for name, dims in raw.items()
    }
    for job in jobs:
        for name in NEEDS[job]:
            if name not in made:
                raise RecipeError(f"components lacks {name!r}, which the job {job} needs")
    _fit(made)
    return made


def _fit(made: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises RecipeError where one component's output is not what the next one takes."""

    def width(component: str, field_name: str) -> Any:
        return made.get(component, {}).get(field_name)

    for one, other in (
        (("projector", "in_dim"), ("language", "dim")),
        (("projector", "out_dim"), ("text_encoder", "d_model")),
        (("music_decoder", "vocab_size"), ("codec", "codebook_size")),
    ):
        left, right = width(*one), width(*other)
        if left is not None and right is not None and left != right:
            raise RecipeError(
                f"components.{'.'.join(one)} is {left}, and {'.'.join(other)} {right}: they have to be "
                "equal"
            )
    if "language" in made:
        dim, heads = width("language", "dim"), width("language", "n_heads")
        if not isinstance(dim, int) or not isinstance(heads, int) or heads < 1 or dim % heads:
            raise RecipeError(
                f"components.language.dim is {dim!r} and n_heads {heads!r}: whole numbers, and dim a "
                "multiple of n_heads"
            )


def _prompt(raw: Mapping[str, Any]) -> dict[str, Any]:
    _known("prompt", raw, ("template", "stop"), "fields")
    if "{instruction}" not in str(raw.get("template")):
        raise RecipeError("prompt.template is missing, or has no place for the {instruction}")
    return dict(raw)


def _read(path: Path) -> dict[str, Any]:
    """What the file says, its values of their kinds but for what is in jobs and components."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    raw = _take(path.name, recipe_fields.table, raw)
    _known("the recipe", raw, RECIPE, "settings")
    defaults = {entry.name for entry in fields(Recipe) if entry.default is not MISSING}
    optional = defaults | {"seed", "threads", "conditioning", "licence"}
    return {
        key: _take(key, RECIPE[key], value)
        for key, value in raw.items()
        if value is not None or key not in optional
    }


def load_recipe(path: Path) -> Recipe:
    """Read a recipe. Relative folders in it are taken from the `training/` folder it lives in.

    Raises RecipeError for a missing file, a missing field, an unknown setting or a value of another
    kind, with its place in the file.
    """
    if not path.is_file():
        raise RecipeError(f"there is no recipe at {path}")
    raw = _read(path)
    root = path.resolve().parent.parent
    digest = _digest(raw)
    order = tuple(raw.get("order", STAGES))
    try:
        folders = {key: (root / raw[key]).resolve() for key in ("data", "runs", "checkpoint")}
        jobs = _jobs(raw["jobs"], order, digest)
        return Recipe(
            name=raw["name"],
            variant=raw["variant"],
            seed=raw.get("seed", 0),
            threads=max(1, raw.get("threads", 1)),
            components=_components(raw["components"], jobs),
            jobs=jobs,
            prompt=_prompt(raw["prompt"]),
            sampling=recipe_fields.numbers_inside(raw["sampling"]),
            conditioning=raw.get("conditioning", "caption"),
            licence=raw.get("licence", "MIT"),
            notes=" ".join(str(raw.get("notes") or "").split()),
            changes=tuple(raw.get("changes", CHANGES)),
            fsdp=raw.get("fsdp"),
            sha256=digest,
            order=order,
            **folders,
        )
    except KeyError as error:
        raise RecipeError(f"the recipe lacks {error.args[0]!r}") from error
