"""The audio encoder: transformers' HubertModel, hidden states mixed by the audio adapter's Conv1d."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn
from transformers import HubertConfig, HubertModel

from mumu_training.parity_cases import Case, randomise, state_of

# Names that torch gave weight norm's two parts before its parametrisations.
OLD_NAMES = {"parametrizations.weight.original0": "weight_g"}
OLD_NAMES["parametrizations.weight.original1"] = "weight_v"


@torch.no_grad()
def _case(config: dict[str, Any], samples: int, seed: int, *, old: bool = False) -> Case:
    """`old`: the checkpoint names of earlier torch, and no RNN in the adapter (M2UGen): then frames
    are mixed but not normalised, because their mean over time comes first."""
    hubert = HubertConfig(
        **config,
        num_feat_extract_layers=len(config["conv_dim"]),
        hidden_dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
        layerdrop=0.0,
        apply_spec_augment=False,
        attn_implementation="eager",
    )
    model = HubertModel(hubert).eval()
    randomise(model, seed)
    mix = nn.Conv1d(config["num_hidden_layers"] + 1, 1, 1)
    generator = torch.Generator().manual_seed(seed + 1)
    mix.weight.copy_(torch.randn(mix.weight.shape, generator=generator))
    nn.init.constant_(mix.bias, 0.3)  # type: ignore[arg-type]
    waveform = torch.randn(1, samples, generator=generator)
    states = torch.stack(model(waveform, output_hidden_states=True).hidden_states, 1)
    frames = mix(states.flatten(2)).view(1, -1, config["hidden_size"])
    weights = {f"mert_model.{name}": value for name, value in state_of(model).items()}
    weights |= {f"mu_mert_agg.{name}": value for name, value in state_of(mix).items()}
    if old:
        for new, earlier in OLD_NAMES.items():
            weights = {name.replace(new, earlier): value for name, value in weights.items()}
    else:
        frames = functional.normalize(frames, dim=-1)
        weights["mu_mert_rnn.weight_ih_l0"] = torch.zeros(1)  # Its presence names the variant.
    return Case(
        config=config, weights=weights, inputs={"waveform": waveform}, outputs={"frames": frames}
    )


STABLE = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "conv_dim": [16, 20, 12],
    "conv_kernel": [10, 4, 3],
    "conv_stride": [5, 2, 2],
    "conv_bias": True,
    "feat_extract_norm": "layer",
    "feat_extract_activation": "gelu",
    "feat_proj_layer_norm": True,
    "do_stable_layer_norm": True,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
}
# What MERT-95M and HuBERT base do: norm after each part, a group norm after the first convolution.
POST_NORM = {
    **STABLE,
    "conv_bias": False,
    "feat_extract_norm": "group",
    "feat_proj_layer_norm": False,
    "do_stable_layer_norm": False,
    "num_conv_pos_embeddings": 15,
    "hidden_act": "gelu_new",
    "layer_norm_eps": 1e-3,
}

# The last hidden state after the final norm, as in transformers 4.
TIED = {**STABLE, "tie_last_hidden_states": True, "num_conv_pos_embeddings": 6}

CASES = {
    "hubert-stable": partial(_case, STABLE, 2000, 21),
    "hubert-stable-tied": partial(_case, TIED, 2003, 23),
    "hubert-post-norm": partial(_case, POST_NORM, 1999, 22, old=True),
}
