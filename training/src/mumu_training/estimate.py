"""What a recipe's jobs will take: weights, memory, disk, and time by a few measured steps."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
from collections.abc import Callable, Mapping

import torch
from soundfile import LibsndfileError
from torch import nn

from mumu_training.data.manifest import SAMPLE_RATE, MusicRecord, made_by, read_manifest
from mumu_training.footprint import Footprint, footprint, size
from mumu_training.generation.codec import CodecForTraining, codec_config
from mumu_training.loop import Measured, TrainingError, measuring
from mumu_training.models.audio_encoder import build_audio_encoder
from mumu_training.models.image_encoder import build_image_encoder
from mumu_training.models.mumu import Mumu
from mumu_training.models.video_encoder import build_video_encoder
from mumu_training.recipe import JobSettings, Recipe, RecipeError
from mumu_training.stage0.language import LanguageTeacher
from mumu_training.stage0.media import DataError
from mumu_training.stage0.music_decoder import build_model
from mumu_training.stage0.text_encoder import reader_of
from mumu_training.stages.common import train_parts, train_projector, train_understanding
from mumu_training.stages.features import cache_size

JOBS = ("language", "audio", "image", "video", "codec", "text", "music")
_WARM = "stage1_adapters"
_STOPPED = (
    TrainingError,
    DataError,
    RecipeError,
    FileNotFoundError,
    ValueError,
    LibsndfileError,
)
"""What says that a job can't run yet."""


def _stage(recipe: Recipe, job: str) -> nn.Module:
    mumu = Mumu(recipe.components)
    options = recipe.job(job).options
    if job == "stage3" and (only := tuple(options.get("only", ()))):
        train_parts(mumu, only)
        return mumu
    if job == "stage2":
        train_projector(mumu)
        rows = bool(options.get("token_rows", True))
    else:
        train_understanding(mumu)
        rows = job == "stage3"
        if rows:
            mumu.output_projector.requires_grad_(float(options.get("condition_weight", 1.0)) > 0)
    if rows:
        for name in ("tok_embeddings.weight", "output.weight"):
            mumu.llama.get_parameter(name).requires_grad_(True)
    return mumu


def _adapters(recipe: Recipe) -> nn.Module:
    mumu = Mumu(recipe.components)
    train_parts(mumu, ("mu_mert", "iu_vit", "iu_vivit"))
    return mumu


def _builders(recipe: Recipe) -> Mapping[str, Callable[[], nn.Module]]:
    return {
        "language": lambda: LanguageTeacher(recipe),
        "audio": lambda: build_audio_encoder(recipe.component("audio_encoder")),
        "image": lambda: build_image_encoder(recipe.component("image_encoder")),
        "video": lambda: build_video_encoder(recipe.component("video_encoder")),
        # What it starts as takes songs; its size does not.
        "codec": lambda: CodecForTraining(
            codec_config(recipe.component("codec")), start=lambda codec: None
        ),
        "text": lambda: reader_of(recipe),
        "music": lambda: build_model(recipe),
        _WARM: lambda: _adapters(recipe),
        "stage1": lambda: _stage(recipe, "stage1"),
        "stage2": lambda: _stage(recipe, "stage2"),
        "stage3": lambda: _stage(recipe, "stage3"),
    }


def count(recipe: Recipe, job: str) -> Footprint:
    """A job's weights and what they take, without data or earlier jobs. Heads that only train
    encoders are not counted.

    The model is built on torch's `meta` device, without memory."""
    with torch.device("meta"):
        return footprint(job, _builders(recipe)[job]())


def measure(recipe: Recipe, job: str, module: str, steps: int) -> tuple[Footprint, str]:
    """The same with activations and seconds a step, by running `steps` steps that leave nothing
    behind; else what could be counted, and why no more."""
    settings = recipe.job(job)
    patient = {**settings.options, "patience": 0}  # don't wait for data
    here = dataclasses.replace(
        recipe, jobs={**recipe.jobs, job: dataclasses.replace(settings, options=patient)}
    )
    try:
        with contextlib.redirect_stdout(io.StringIO()), measuring(job, steps):
            importlib.import_module(module).run(here, False)
    except Measured as measured:
        return measured.found, ""
    except _STOPPED as error:
        return count(recipe, job), str(error)
    return count(recipe, job), "it has nothing to train"


def held(recipe: Recipe, job: str) -> int:
    """Bytes of the dataset that a job keeps in memory in every process, by the manifest. The stages map
    theirs from disk.

    Raises FileNotFoundError when there is no manifest.
    """
    if job not in ("audio", "image", "video", "codec", "music"):
        return 0
    settings = recipe.job(job)
    options, kind = settings.options, job if job in ("image", "video") else "music"
    records = [record for record in read_manifest(recipe.data) if record.kind == kind]
    train = [r for r in records if r.split == "train" and made_by(r, options.get("seeds"))]
    valid = [r for r in records if r.split == "valid"]
    if job == "codec":  # it reads songs as it comes to them
        valid = valid[: int(options.get("valid_songs", 12))]
        if settings.steps == 0:
            first = (40, options.get("refit_songs", 0), options.get("fit_songs", 0))
            train = train[: max(map(int, first))]
    if kind != "music":
        dims = recipe.component(f"{job}_encoder")
        frames = int(dims["num_frames"]) if job == "video" else 1
        return len(train + valid) * frames * 3 * int(dims["image_size"]) ** 2
    seconds = sum(record.seconds for record in train + valid if isinstance(record, MusicRecord))
    if job == "audio":
        return round(2 * SAMPLE_RATE * seconds)
    config = codec_config(recipe.component("codec"))
    a_second = config.sampling_rate if job == "codec" else config.frame_rate * config.num_quantizers
    return round(2 * a_second * seconds)


def duration(found: Footprint, settings: JobSettings) -> str:
    """How long a job will run at most, in words."""
    bound = f"at most {settings.max_minutes:g} min" if settings.max_minutes else ""
    if found.step_seconds is None:
        return f"time unknown{f', {bound}' if bound else ''}"
    minutes = found.step_seconds * settings.steps / 60
    if settings.max_minutes and minutes > settings.max_minutes:
        share = settings.max_minutes / minutes
        return f"{bound}, enough for {share * settings.steps:.0f} of {settings.steps} steps"
    return f"about {minutes:.1f} min ({found.step_seconds:.2f} s a step)"


def lines(found: Footprint, settings: JobSettings, why: str) -> list[str]:
    """What is known about one job, for a reader."""
    kept = "unknown" if found.activations is None else f"about {size(found.activations)}"
    text = [
        f"{found.job}",
        f"  weights      {found.trained:,} train, {found.frozen:,} frozen",
        f"  memory       weights {size(found.weights)}, gradients {size(found.gradients)}, "
        f"optimiser {size(found.optimiser)}, activations {kept}"
        + (f", data {size(found.data)} in every process" if found.data else "")
        + ("" if found.activations is None else f"; {size(found.memory)} in all"),
        f"  disk         last.pt {size(found.last)}, final.safetensors {size(found.final)}, "
        f"at most {size(found.disk)} at once",
        f"  time         {duration(found, settings)}",
    ]
    return text + ([f"  not measured: {why}"] if why else [])


def run(recipe: Recipe, modules: Mapping[str, str], steps: int) -> None:
    """Print the estimate of every training job of a recipe, and of all of them together."""
    device = "GPU" if torch.cuda.is_available() else f"CPU, {recipe.threads} thread(s)"
    print(f"{recipe.name} on this machine's {device}, one process")
    disk, minutes, known = 0, 0.0, True
    for job in (*JOBS, _WARM, *recipe.order):
        if job not in recipe.jobs:
            continue
        module = modules["stage1" if job == _WARM else job]
        if steps:
            found, why = measure(recipe, job, module, steps)
        else:
            found, why = count(recipe, job), ""
        settings = recipe.job(job)
        with contextlib.suppress(FileNotFoundError):  # no data yet
            found.data = held(recipe, job)
        print("\n".join(lines(found, settings, why)), flush=True)
        disk += found.last + found.final
        bound = settings.max_minutes if settings.steps else 0.0
        if found.step_seconds is not None:
            whole = found.step_seconds * settings.steps / 60
            bound = min(whole, bound) if bound else whole
        known = known and bound is not None
        minutes += bound or 0.0
    time = f"{minutes:.0f} min at most" if known else "time of some jobs unknown"
    print(f"all jobs: {size(disk)} of disk for their checkpoints, {time}, evaluation not counted")
    with contextlib.suppress(FileNotFoundError):  # no data yet
        print(f"encoder states of the stages: {size(cache_size(recipe))} of disk, mapped as used")
