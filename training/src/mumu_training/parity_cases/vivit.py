"""The video encoder: transformers' VivitModel and the video adapter of training."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from transformers import VivitConfig, VivitModel

from mumu_training.models.adapters import ImageAdapter, VideoAdapter
from mumu_training.parity_cases import Case, randomise, state_of
from mumu_training.parity_cases.vit import renamed

DIM = 36
STEPS, POSITIONS = 4, 16


@torch.no_grad()
def _case(seed: int, *, old: bool = False) -> Case:
    """`old`: names of transformers 4, and M2UGen's adapter, which mixes all tokens like ViT's."""
    config = {
        "image_size": 32,
        "num_frames": 8,
        "tubelet_size": [2, 8, 8],
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "hidden_act": "gelu_fast",
        "layer_norm_eps": 1e-6,
    }
    model = VivitModel(VivitConfig(**config, attn_implementation="eager"), add_pooling_layer=False)
    adapter: nn.Module = VideoAdapter(STEPS, 24, DIM)
    if old:
        adapter = ImageAdapter(1 + STEPS * POSITIONS, 24, DIM)
    for part in (model, adapter):
        part.eval()
        randomise(part, seed)
    pixels = torch.rand(1, 8, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    feature = adapter(model(pixels).last_hidden_state)
    weights = {
        f"vivit_model.{renamed(name) if old else name}": value
        for name, value in state_of(model).items()
    }
    weights |= {f"iu_vivit_{name}": value for name, value in state_of(adapter).items()}
    return Case(
        config={**config, "dim": DIM},
        weights=weights,
        inputs={"pixels": pixels},
        outputs={"feature": feature},
    )


CASES = {"vivit": partial(_case, 33), "vivit-m2ugen": partial(_case, 34, old=True)}
