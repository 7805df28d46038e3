"""Recipes: one YAML file says every dimension and every training setting of a checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import yaml

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
        """The stages that come before this one."""
        return self.order[: self.order.index(stage)]

    def run_folder(self, job: str) -> Path:
        """Where a job keeps its checkpoints and logs: `<runs>/<name>/<job>`."""
        return self.runs / self.name / job


def _digest(raw: Any) -> str:
    text = json.dumps(raw, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _job(name: str, raw: Mapping[str, Any], digest: str) -> JobSettings:
    known = {entry.name for entry in fields(JobSettings)} - {"recipe_sha256"}
    unknown = set(raw) - known
    if unknown:
        raise RecipeError(f"job {name!r} has unknown settings: {', '.join(sorted(unknown))}")
    values = dict(raw)
    if "betas" in values:
        values["betas"] = tuple(float(beta) for beta in values["betas"])
    for key in ("lr", "min_lr", "weight_decay", "clip"):
        if key in values:  # YAML reads 1e-4 as a string
            values[key] = float(values[key])
    return JobSettings(**values, recipe_sha256=digest)


def load_recipe(path: Path) -> Recipe:
    """Read a recipe. Relative folders in it are taken from the `training/` folder it lives in.

    Raises RecipeError for a missing file, a missing field or an unknown setting.
    """
    if not path.is_file():
        raise RecipeError(f"there is no recipe at {path}")
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    root = path.resolve().parent.parent
    digest = _digest(raw)
    try:
        folders = {key: (root / raw[key]).resolve() for key in ("data", "runs", "checkpoint")}
        return Recipe(
            name=raw["name"],
            variant=raw["variant"],
            seed=int(raw.get("seed", 0)),
            threads=int(raw.get("threads", 1)),
            components=raw["components"],
            jobs={name: _job(name, job or {}, digest) for name, job in raw["jobs"].items()},
            prompt=raw["prompt"],
            sampling=raw["sampling"],
            conditioning=raw.get("conditioning", "caption"),
            licence=raw.get("licence", "MIT"),
            notes=" ".join(str(raw.get("notes", "")).split()),
            changes=tuple(raw.get("changes", CHANGES)),
            fsdp=raw.get("fsdp"),
            sha256=digest,
            order=tuple(raw.get("order", ("stage1", "stage2", "stage3"))),
            **folders,
        )
    except KeyError as error:
        raise RecipeError(f"the recipe lacks {error.args[0]!r}") from error
