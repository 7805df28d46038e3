"""A finished music side in smaller shapes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import EncodecModel

from mumu_training.checkpoint import read_checkpoint
from mumu_training.generation.codec import codec_config, decode_codes, encode_latents
from mumu_training.generation.codec_start import later_steps
from mumu_training.generation.resize import narrower, other_strides
from mumu_training.generation.sample import DEFAULT_RECIPE
from mumu_training.generation.vocoder_start import start_as_vocoder
from mumu_training.recipe import Recipe, load_recipe
from mumu_training.runs import TrainingError
from mumu_training.stage0.music_decoder import build_model
from mumu_training.start import fitted
from vocoder_support import BANDS, RATE, VOCODER

MINI = Path(__file__).resolve().parents[2] / "models" / "mini"
WIDE = VOCODER
LONG = WIDE | {
    "num_filters": 8,
    "upsampling_ratios": [5, 2, 4, 4, 4],
    "compress": 4,
    "last_kernel_size": 1,
}


@pytest.fixture(scope="module")
def codec() -> EncodecModel:
    torch.manual_seed(3)
    model = EncodecModel(codec_config(WIDE)).eval()
    start_as_vocoder(model, np.full(BANDS, 0.02))
    for layer in model.quantizer.layers:
        layer.codebook.embed.copy_(torch.randn_like(layer.codebook.embed) * 0.4)
    return model


def size(codec: EncodecModel) -> int:
    return sum(parameter.numel() for parameter in codec.parameters())


def chord(seconds: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Three decaying notes, struck one after another."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = np.zeros(len(time))
    for place, hertz in enumerate((220.0, 440.0, 1318.5)):
        after = np.maximum(time - 0.3 * place, 0)
        wave += 0.1 * np.sin(2 * np.pi * hertz * after) * np.exp(-2 * after) * (after > 0)
    return wave.astype(np.float32)


def test_other_strides_hear_and_play_the_same(codec: EncodecModel) -> None:
    made = other_strides(codec, codec_config(LONG))
    assert size(made) < 0.9 * size(codec)
    song = chord(3)
    before, after = encode_latents(codec, song), encode_latents(made, song)
    inside = slice(2, -2)  # the edges are reflected at other places
    error = (before - after)[..., inside].square().mean() / before.var()
    assert float(error) < 1e-3
    codes = np.random.default_rng(0).integers(0, 64, (2, 40)).astype(np.uint16)
    played, again = decode_codes(codec, codes), decode_codes(made, codes)
    assert played.shape == again.shape
    middle = slice(2 * 640, -2 * 640)
    difference = np.square(played - again)[middle].mean() / np.square(played)[middle].mean()
    assert difference < 1e-3  # -30 dB


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"hidden_size": 80}, "another hidden_size"),
        ({"codebook_size": 32}, "another codebook_size"),
        ({"upsampling_ratios": [4, 4, 5, 2, 4]}, "128 channels can't carry 160 samples"),
        ({"num_filters": 9}, "288 channels instead of 256"),
        ({"upsampling_ratios": [5, 2, 4, 4]}, "another hop_length"),
        ({"kernel_size": 3}, "another kernel_size"),
    ],
)
def test_what_another_shape_can_not_be(
    codec: EncodecModel, changes: dict[str, Any], what: str
) -> None:
    with pytest.raises(ValueError, match=what):
        other_strides(codec, codec_config(LONG | changes))


def test_taps_that_are_used_are_not_cut(codec: EncodecModel) -> None:
    made = other_strides(codec, codec_config(LONG | {"last_kernel_size": 7}))
    with torch.no_grad():
        last = made.encoder.layers[-1].conv
        last.weight = last.weight + 0.1
    with pytest.raises(ValueError, match="7 taps that say something don't fit 1"):
        other_strides(made, codec_config(LONG))


def test_later_steps_add_up() -> None:
    assert later_steps([4, 4, 4, 2], 64) == [0, 0, 0, 1]
    for samples in range(-60, 61):
        steps = later_steps([4, 4, 4, 2], samples)
        assert sum(a * b for a, b in zip(steps, (1, 4, 16, 64), strict=True)) == samples
    with pytest.raises(ValueError, match="can't look 1000 samples later"):
        later_steps([4, 4, 4, 2], 1000)


def test_the_weakest_neurons_go() -> None:
    """A decoder whose first and last neurons add nothing plays the same without them."""
    recipe = load_recipe(DEFAULT_RECIPE)
    recipe = replace(recipe, components=resized(recipe, 24))
    torch.manual_seed(0)
    wide = build_model(recipe)
    for name, parameter in wide.named_parameters():
        torch.nn.init.normal_(parameter, std=0.3 if "norm" not in name else 1.0)
        if name.endswith("fc2.weight"):
            with torch.no_grad():
                parameter[:, [0, 23]] = 1e-9
    state = narrower(wide.state_dict(), 22)
    narrow = build_model(replace(recipe, components=resized(recipe, 22)))
    narrow.load_state_dict(state)
    codes = torch.randint(0, 512, (1, 6, 12))
    ids = torch.randint(3, 1000, (1, 7))
    mask = torch.ones_like(ids)
    with torch.no_grad():
        theirs = wide.eval().losses(codes, ids, mask, None, None)
        ours = narrow.eval().losses(codes, ids, mask, None, None)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="22 neurons, not 24"):
        narrower(state, 24)


def test_a_checkpoint_is_fitted_to_a_smaller_recipe() -> None:
    checkpoint = read_checkpoint(MINI)
    recipe = load_recipe(DEFAULT_RECIPE)
    own = checkpoint.metadata["components"]
    width = own["music_decoder"]["ffn_dim"]
    same = fitted(checkpoint, replace(recipe, components=own))
    assert all(torch.equal(same.tensors[n], t) for n, t in checkpoint.tensors.items())
    less = dict(own) | {"music_decoder": own["music_decoder"] | {"ffn_dim": width - 8}}
    cut = fitted(checkpoint, replace(recipe, components=less)).part("generation_model.decoder.")
    assert cut["model.decoder.layers.0.fc1.weight"].shape[0] == width - 8
    more = dict(own) | {"music_decoder": own["music_decoder"] | {"ffn_dim": width + 8}}
    with pytest.raises(TrainingError, match=f"has {width} neurons, not {width + 8}"):
        fitted(checkpoint, replace(recipe, components=more))
    other = dict(own) | {"codec": own["codec"] | {"hidden_size": 48}}
    with pytest.raises(TrainingError, match="another hidden_size"):
        fitted(checkpoint, replace(recipe, components=other))


def resized(recipe: Recipe, width: int) -> dict[str, Any]:
    """A recipe's components with a small music decoder of so many neurons."""
    music = dict(recipe.components["music_decoder"])
    return dict(recipe.components) | {
        "music_decoder": music | {"hidden_size": 16, "num_attention_heads": 2, "ffn_dim": width}
    }
