"""Stage 0, video encoder: ViViT trained with supervised heads on the moving scenes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import VivitModel

from mumu_training.data.manifest import ImageRecord, VideoRecord
from mumu_training.loop import TrainingError, load_run
from mumu_training.models.video_encoder import (
    build_video_encoder,
    frames_to_tensor,
    sample_evenly,
    video_states,
)
from mumu_training.recipe import Recipe
from mumu_training.stage0 import media
from mumu_training.stage0.vision import (
    Pixels,
    encoder_state,
    flip,
    load_scenes,
    soften,
    train_scenes,
)

JOB = "video"


def run(recipe: Recipe, resume: bool) -> None:
    """Train the video encoder; the result is in the run folder of the job `video`."""
    dims = recipe.component("video_encoder")
    torch.manual_seed(recipe.seed)
    encoder = build_video_encoder(dims)

    def read(record: ImageRecord | VideoRecord) -> Pixels:
        assert isinstance(record, VideoRecord)
        frames = media.read_frames(recipe.data, record)
        return frames[sample_evenly(len(frames), dims["num_frames"])]

    def states(model: nn.Module, pixels: Pixels, device: str) -> Tensor:
        assert isinstance(model, VivitModel)
        return video_states(model, frames_to_tensor(pixels).to(device))

    seeds = recipe.job(JOB).options.get("seeds")
    data = (
        load_scenes(media.videos(recipe.data, "train", seeds), read),
        load_scenes(media.videos(recipe.data, "valid"), read),
    )
    train_scenes(
        recipe,
        JOB,
        encoder,
        dims["hidden_size"],
        data,
        states,
        resume,
        lambda pixels, rng: soften(flip(pixels, rng), rng),
    )


def load_encoder(recipe: Recipe) -> VivitModel:
    """The trained encoder, frozen, without its heads."""
    state = load_run(recipe.run_folder(JOB))
    if state is None:
        raise TrainingError("the video encoder is not trained yet; run stage0 --only video")
    encoder = build_video_encoder(recipe.component("video_encoder"))
    encoder.load_state_dict(encoder_state(state["model"]))
    return encoder.eval().requires_grad_(False)
