"""The image encoder: transformers' ViTModel and the image adapter of training."""

from __future__ import annotations

from functools import partial

import torch
from transformers import ViTConfig, ViTModel

from mumu_training.models.adapters import ImageAdapter
from mumu_training.parity_cases import Case, randomise, state_of

# Names of transformers before version 5, which published files have.
OLD_NAMES = {
    "layers.": "encoder.layer.",
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
DIM = 36


def renamed(name: str) -> str:
    """A name of today as transformers 4 had it."""
    for new, old in OLD_NAMES.items():
        name = name.replace(new, old)
    return name


@torch.no_grad()
def _case(act: str, epsilon: float, seed: int, *, old: bool = False) -> Case:
    config = {
        "image_size": 32,
        "patch_size": 8,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "hidden_act": act,
        "layer_norm_eps": epsilon,
    }
    model = ViTModel(ViTConfig(**config, attn_implementation="eager"), add_pooling_layer=False)
    adapter = ImageAdapter(17, 24, DIM)
    for part in (model, adapter):
        part.eval()
        randomise(part, seed)
    pixels = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    feature = adapter(model(pixels).last_hidden_state)
    weights = {
        f"vit_model.{renamed(name) if old else name}": value
        for name, value in state_of(model).items()
    }
    weights |= {f"iu_vit_{name}": value for name, value in state_of(adapter).items()}
    return Case(
        config={**config, "dim": DIM},
        weights=weights,
        inputs={"pixels": pixels},
        outputs={"feature": feature},
    )


CASES = {
    "vit": partial(_case, "gelu", 1e-12, 31),
    "vit-transformers4": partial(_case, "gelu_new", 1e-3, 32, old=True),
}
