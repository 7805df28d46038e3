"""The video encoder: transformers' VivitModel without its pooler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import VivitConfig, VivitModel


def build_video_encoder(dims: Mapping[str, Any]) -> VivitModel:
    """A VivitModel from checkpoint.json's `video_encoder`."""
    config = VivitConfig(
        **{key: value for key, value in dims.items() if key != "architecture"},
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="sdpa",
    )
    return VivitModel(config, add_pooling_layer=False)


def tubelets(dims: Mapping[str, Any]) -> int:
    """Steps in time after the tubelet embedding."""
    return int(dims["num_frames"]) // int(dims["tubelet_size"][0])


def frames_to_tensor(frames: np.ndarray) -> Tensor:
    """`[batch, frames, height, width, 3]` of 0 to 255 to `[batch, frames, 3, h, w]` in [-1, 1]."""
    values = torch.from_numpy(np.array(frames)).float().permute(0, 1, 4, 2, 3)
    return values / 127.5 - 1


def sample_evenly(count: int, wanted: int) -> list[int]:
    """`wanted` frame numbers spread evenly over `count` frames: the middle of each equal part."""
    return [min(count - 1, int((index + 0.5) * count / wanted)) for index in range(wanted)]


def video_states(model: VivitModel, frames: Tensor) -> Tensor:
    """`[batch, frames, 3, h, w]` to the normed last hidden states `[batch, 1 + tokens, width]`."""
    return model(pixel_values=frames).last_hidden_state
