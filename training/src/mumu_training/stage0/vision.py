"""What the image and the video encoder's stage 0 share: in-memory data and supervised training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mumu_training.data.manifest import ImageRecord, VideoRecord
from mumu_training.loop import TrainingJob, pick_device, run_training
from mumu_training.recipe import Recipe
from mumu_training.stage0.heads import (
    Heads,
    Labels,
    SupervisedEncoder,
    accuracy,
    collate,
    head_loss,
)

Pixels = NDArray[np.uint8]


@dataclass
class Scenes:
    """Pictures `[count, ...]` of a split and their attributes (music's prefixed `music_`)."""

    pixels: Pixels
    rows: list[dict[str, object]]


def scene_row(record: ImageRecord | VideoRecord) -> dict[str, object]:
    """The attributes of a scene and of the music that suits it, in one row."""
    return {**record.attributes, **{f"music_{k}": v for k, v in record.music.items()}}


def load_scenes(
    records: Sequence[ImageRecord] | Sequence[VideoRecord],
    read: Callable[[ImageRecord | VideoRecord], Pixels],
) -> Scenes:
    """Read all pictures or clips of some records."""
    return Scenes(
        np.stack([read(record) for record in records]), [scene_row(record) for record in records]
    )


def flip(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Mirror every other picture (axis -2 is across); no label of a scene depends on it."""
    mirrored = rng.random(len(pixels)) < 0.5
    result = pixels.copy()
    result[mirrored] = result[mirrored][..., ::-1, :]
    return result


def soften(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Blur every other clip by a different amount (axes -3 and -2 are down and across).

    Clips of the dataset are drawn at the encoder's own size; those that people send come as compressed
    files of another size, and lose some of their edges on the way.
    """
    chosen = rng.random(len(pixels)) < 0.5
    blurred = pixels[chosen].astype(np.float32)
    shape = (-1,) + (1,) * (pixels.ndim - 1)
    amount = rng.uniform(0.1, 0.5, len(blurred)).astype(np.float32).reshape(shape)
    for axis in (-3, -2):
        around = (np.roll(blurred, 1, axis) + np.roll(blurred, -1, axis)) / 2
        blurred += amount * (around - blurred)
    result = pixels.copy()
    result[chosen] = np.rint(blurred).astype(np.uint8)
    return result


def train_scenes(
    recipe: Recipe,
    job: str,
    encoder: nn.Module,
    width: int,
    data: tuple[Scenes, Scenes],
    states: Callable[[nn.Module, Pixels, str], Tensor],
    resume: bool,
    augment: Callable[[Pixels, np.random.Generator], Pixels] = flip,
) -> None:
    """Train `encoder` to tell every attribute of its scenes; `data` is (train, valid)."""
    seen, unseen = data
    settings = recipe.job(job)
    space = Labels.of_rows(seen.rows)
    model = SupervisedEncoder(encoder, Heads(width, space.sizes()))
    device = pick_device()
    print(f"{job} encoder: {len(seen.rows)} scenes, labels {space.sizes()}")

    def batch(rng: np.random.Generator) -> tuple[Pixels, dict[str, Tensor]]:
        chosen = rng.integers(len(seen.rows), size=settings.batch_size)
        targets = collate([space.encode(seen.rows[index]) for index in chosen])
        return augment(seen.pixels[chosen], rng), targets

    def logits(current: nn.Module, pixels: Pixels) -> dict[str, Tensor]:
        assert isinstance(current, SupervisedEncoder)
        made = current.heads(states(current.encoder, pixels, device))
        return {name: value.float().cpu() for name, value in made.items()}

    def loss(
        current: nn.Module, made: tuple[Pixels, dict[str, Tensor]]
    ) -> tuple[Tensor, dict[str, float]]:
        pixels, targets = made
        return head_loss(logits(current, pixels), targets, {})

    def evaluate(current: nn.Module) -> dict[str, float]:
        limit = min(len(unseen.rows), 128)
        return accuracy(
            (
                logits(current, unseen.pixels[start : start + 32]),
                collate([space.encode(row) for row in unseen.rows[start : start + 32]]),
            )
            for start in range(0, limit, 32)
        )

    torch.manual_seed(recipe.seed)
    run_training(
        TrainingJob(
            name=job,
            folder=recipe.run_folder(job),
            model=model,
            settings=settings,
            batch=batch,
            loss=loss,
            seed=recipe.seed,
            device=device,
            evaluate=evaluate,
        ),
        resume,
    )


def encoder_state(run: dict[str, Tensor]) -> dict[str, Tensor]:
    """The encoder's part of a supervised run's weights."""
    return {
        name.removeprefix("encoder."): value
        for name, value in run.items()
        if name.startswith("encoder.")
    }
