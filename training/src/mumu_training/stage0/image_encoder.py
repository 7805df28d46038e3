"""Stage 0, image encoder: ViT trained with supervised heads on the drawn scenes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import ViTModel

from mumu_training.data.manifest import ImageRecord, VideoRecord
from mumu_training.loop import TrainingError, load_run
from mumu_training.models.image_encoder import build_image_encoder, image_states, pixels_to_tensor
from mumu_training.recipe import Recipe
from mumu_training.stage0 import media
from mumu_training.stage0.vision import Pixels, encoder_state, load_scenes, train_scenes

JOB = "image"


def run(recipe: Recipe, resume: bool) -> None:
    """Train the image encoder; the result is in the run folder of the job `image`."""
    dims = recipe.component("image_encoder")
    torch.manual_seed(recipe.seed)
    encoder = build_image_encoder(dims)

    def read(record: ImageRecord | VideoRecord) -> Pixels:
        assert isinstance(record, ImageRecord)
        return media.read_pixels(recipe.data, record, dims["image_size"])

    def states(model: nn.Module, pixels: Pixels, device: str) -> Tensor:
        assert isinstance(model, ViTModel)
        return image_states(model, pixels_to_tensor(pixels, dims).to(device))

    seeds = recipe.job(JOB).options.get("seeds")
    data = (
        load_scenes(media.images(recipe.data, "train", seeds), read),
        load_scenes(media.images(recipe.data, "valid"), read),
    )
    train_scenes(recipe, JOB, encoder, dims["hidden_size"], data, states, resume)


def load_encoder(recipe: Recipe) -> ViTModel:
    """The trained encoder, frozen, without its heads."""
    state = load_run(recipe.run_folder(JOB))
    if state is None:
        raise TrainingError("the image encoder is not trained yet; run stage0 --only image")
    encoder = build_image_encoder(recipe.component("image_encoder"))
    encoder.load_state_dict(encoder_state(state["model"]))
    return encoder.eval().requires_grad_(False)
