"""The image encoder: transformers' ViTModel without its pooler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import ViTConfig, ViTModel


def build_image_encoder(dims: Mapping[str, Any]) -> ViTModel:
    """A ViTModel from checkpoint.json's `image_encoder`."""
    own = {"image_mean", "image_std", "architecture"}
    config = ViTConfig(
        **{key: value for key, value in dims.items() if key not in own},
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="sdpa",
    )
    return ViTModel(config, add_pooling_layer=False)


def image_tokens(dims: Mapping[str, Any]) -> int:
    """Tokens of one picture, class token included."""
    return 1 + (int(dims["image_size"]) // int(dims["patch_size"])) ** 2


def pixels_to_tensor(pixels: np.ndarray, dims: Mapping[str, Any]) -> Tensor:
    """`[batch, height, width, 3]` of 0 to 255 to normalised `[batch, 3, height, width]`."""
    values = torch.from_numpy(np.array(pixels)).float().permute(0, 3, 1, 2) / 255
    mean = torch.tensor(dims["image_mean"]).view(1, 3, 1, 1)
    deviation = torch.tensor(dims["image_std"]).view(1, 3, 1, 1)
    return (values - mean) / deviation


def image_states(model: ViTModel, pixels: Tensor) -> Tensor:
    """`[batch, 3, height, width]` to the normed last hidden states `[batch, tokens, width]`."""
    return model(pixel_values=pixels).last_hidden_state
