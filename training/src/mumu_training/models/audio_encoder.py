"""The audio encoder: transformers' HubertModel (MERT's shape), and a start that already hears.

The first convolution can start as a bank of windowed sinusoids (Gabor filters) on the mel scale in
four phases, so that a rectifier and the next convolution give band energies at once, and the grouped
positional convolution as a modulation filter bank, so that pulse is visible before training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import HubertConfig, HubertModel

PHASES = 4
# Channels without a filter, only a bias: after the layer norm they tell how loud the frame was,
# which the norm would otherwise remove.
LEVEL_CHANNELS = 8


def build_audio_encoder(dims: Mapping[str, Any]) -> HubertModel:
    """A HubertModel from checkpoint.json's `audio_encoder` (fields that are not Hubert's ignored)."""
    own = {"sampling_rate", "do_normalize", "chunk_seconds", "architecture"}
    config = HubertConfig(
        **{key: value for key, value in dims.items() if key not in own},
        hidden_dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
        layerdrop=0.0,
        apply_spec_augment=False,
        num_feat_extract_layers=len(dims["conv_dim"]),
        attn_implementation="sdpa",
    )
    return HubertModel(config)


def normalise(samples: Tensor) -> Tensor:
    """Zero mean and unit variance per row `[batch, samples]`, as Wav2Vec2FeatureExtractor does."""
    mean = samples.mean(-1, keepdim=True)
    variance = samples.var(-1, unbiased=False, keepdim=True)
    return (samples - mean) / torch.sqrt(variance + 1e-7)


def frames_of(dims: Mapping[str, Any], samples: int) -> int:
    """How many frames the encoder makes of that many samples (no padding in the convolutions)."""
    for kernel, stride in zip(dims["conv_kernel"], dims["conv_stride"], strict=True):
        samples = (samples - kernel) // stride + 1
    return samples


def hidden_states(model: HubertModel, samples: Tensor) -> Tensor:
    """`[batch, samples]` (raw) to all hidden states `[batch, layers + 1, frames, width]`."""
    states = model(normalise(samples), output_hidden_states=True).hidden_states
    return torch.stack(states, 1)


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def gabor_bank(channels: int, kernel: int, rate: int, low: float = 60.0) -> np.ndarray:
    """`[channels, kernel]`: Hann-windowed cosines in four phases at mel-spaced frequencies (Hz)."""
    bands = channels // PHASES
    mels = np.linspace(_mel(low), _mel(0.45 * rate), bands)
    hertz = 700 * (10 ** (mels / 2595) - 1)
    time = (np.arange(kernel) - kernel / 2) / rate
    # Low bands use the whole window; high ones a shorter one, for sharper timing.
    rows = []
    for frequency in hertz:
        length = min(kernel, max(kernel // 4, int(12 * rate / frequency)))
        window = np.zeros(kernel)
        start = (kernel - length) // 2
        window[start : start + length] = np.hanning(length)
        window /= np.linalg.norm(window)
        for phase in range(PHASES):
            rows.append(window * np.cos(2 * math.pi * frequency * time + phase * math.pi / 2))
    return np.stack(rows).astype(np.float32)


@torch.no_grad()
def start_as_filter_bank(model: HubertModel, rate: int) -> None:
    """Set the first convolution to a Gabor bank and the positional one to modulation filters."""
    first = model.feature_extractor.conv_layers[0].conv
    channels, _, kernel = first.weight.shape
    level = LEVEL_CHANNELS if first.bias is not None else 0
    nn.init.zeros_(first.weight)
    bank = torch.from_numpy(gabor_bank(channels - level, kernel, rate))
    first.weight[: len(bank), 0] = bank
    if first.bias is not None:
        nn.init.zeros_(first.bias)
        first.bias[len(bank) :] = torch.logspace(-1.5, 1.0, channels - len(bank))
    hop = math.prod(model.config.conv_stride)
    _modulation_bank(model, rate / hop)


def _modulation_bank(model: HubertModel, frame_rate: float) -> None:
    """Positional convolution: cosine and sine pairs between 0.7 and 9 Hz over random channel mixes."""
    conv = model.encoder.pos_conv_embed.conv
    direction = conv.parametrizations.weight.original1
    out, inner, kernel = direction.shape
    generator = torch.Generator().manual_seed(7)
    time = (torch.arange(kernel) - kernel / 2) / frame_rate
    window = torch.hann_window(kernel, periodic=False) ** 0.5
    hertz = torch.logspace(math.log10(0.7), math.log10(9.0), out // 2)
    # Neighbouring channels share a group; spread each group over the whole range.
    groups = model.config.num_conv_pos_embedding_groups
    order = torch.arange(out // 2).reshape(-1, groups).T.reshape(-1)
    weight = torch.empty(out, inner, kernel)
    for index, position in enumerate(order.tolist()):
        angle = 2 * math.pi * hertz[position] * time
        mix = torch.randn(inner, 1, generator=generator) / inner**0.5
        for part, wave in enumerate((angle.cos(), angle.sin())):
            shape = window * wave
            shape = shape - window * (shape.sum() / window.sum())  # blind to a constant level
            weight[2 * index + part] = mix * shape / shape.norm()
    conv.weight = weight  # through the weight-norm parametrisation
