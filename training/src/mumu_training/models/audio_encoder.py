"""The audio encoder: transformers' HubertModel (MERT's shape), and a start that already hears.

The first convolution can start as a bank of windowed sinusoids (Gabor filters), on the mel scale or
a semitone apart, in four phases, so that a rectifier and the next convolution give band energies at
once, and the grouped positional convolution as a modulation filter bank, so that pulse is visible
before training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import HubertConfig, HubertModel

from mumu_training.runs import hold

PHASES = 4
# Channels without a filter, only a bias: after the layer norm they tell how loud the frame was,
# which the norm would otherwise remove.
LEVEL_CHANNELS = 8
MODULATION_GAIN = 1.0
C3 = 130.8128
"""Hertz."""
SEMITONES = 60


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
        # The fused kernel's backward is slow on a CPU, for heads as small as a small pack's.
        attn_implementation="eager" if dims["hidden_size"] < 512 else "sdpa",
    )
    model = HubertModel(config)
    # In training transformers asks for the gradient of the samples themselves (for checkpointing),
    # which through a first kernel of 128 ms takes longer than all the rest together.
    model.feature_extractor._requires_grad = False
    return model


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


def band_centres(bands: int, rate: int, low: float = 60.0) -> np.ndarray:
    """`[bands]`: mel-spaced frequencies in hertz up to 0.45 of the rate."""
    mels = np.linspace(_mel(low), _mel(0.45 * rate), bands)
    return np.asarray(700 * (10 ** (mels / 2595) - 1))


def band_plan(bands: int, kernel: int, rate: int) -> list[tuple[float, int]]:
    """Centre (hertz) and window length (samples) of every band.

    A short kernel gets mel-spaced bands. One of 80 ms or more can tell semitones apart: 60 of its
    bands (as far as there are so many) are a semitone each from C3 on, with 34 cycles to a window
    where the kernel is long enough for that (a constant-Q bank, Brown 1991), so that harmony is
    visible; the rest are a few short windows below, for bass and drums, and mel-spaced ones above.
    """
    if kernel < 0.08 * rate:
        return [
            # Low bands use the whole window; high ones a shorter one, for sharper timing.
            (hertz, min(kernel, max(kernel // 2, int(16 * rate / hertz))))
            for hertz in band_centres(bands, rate)
        ]
    tones = min(SEMITONES, bands * 3 // 4)
    low = (bands - tones) // 3
    high = bands - tones - low
    plan = [(hertz, round(0.04 * rate)) for hertz in np.geomspace(45, 120, low)]
    for step in range(tones):
        hertz = C3 * 2 ** (step / 12)
        plan.append((hertz, max(round(0.02 * rate), min(kernel, int(34 * rate / hertz)))))
    top = C3 * 2 ** (tones / 12)
    mels = np.linspace(_mel(top), _mel(0.45 * rate), high)
    plan += [(700 * (10 ** (mel / 2595) - 1), round(0.02 * rate)) for mel in mels]
    return plan


def gabor_bank(bands: int, kernel: int, rate: int) -> np.ndarray:
    """`[4 * bands, kernel]`: Hann-windowed cosines in four phases at the bands' centres."""
    time = (np.arange(kernel) - kernel / 2) / rate
    rows = []
    for frequency, length in band_plan(bands, kernel, rate):
        window = np.zeros(kernel)
        start = (kernel - length) // 2
        window[start : start + length] = np.hanning(length)
        window /= np.linalg.norm(window)
        for phase in range(PHASES):
            rows.append(window * np.cos(2 * math.pi * frequency * time + phase * math.pi / 2))
    return np.stack(rows).astype(np.float32)


@torch.no_grad()
def start_as_filter_bank(model: HubertModel, rate: int, samples: Tensor | None = None) -> None:
    """Set the convolutions so that an untrained encoder already has a spectrum, onsets and a pulse.

    First convolution: the Gabor bank and the level channels. Second: the four rectified phases of a
    band summed (its level) and that sum's rise (its onsets), half of the channels each. Later ones:
    a mean over their kernel. Projection: some channels of every group carry the onsets of all, low
    and high bands. Positional convolution: modulation filters over those. With `samples
    [songs, samples]`, bands are scaled to be equally strong on them.
    """
    layers = [layer.conv for layer in model.feature_extractor.conv_layers]
    first = layers[0]
    channels, _, kernel = first.weight.shape
    level = LEVEL_CHANNELS if first.bias is not None else 0
    bands = (channels - level) // PHASES
    bank = torch.from_numpy(gabor_bank(bands, kernel, rate))
    nn.init.zeros_(first.weight)
    first.weight[: len(bank), 0] = bank
    if kernel >= 0.08 * rate:
        # A bank this selective is only blurred by training, and its gradient is dear. It is kept
        # with what was trained, since its bands were balanced on songs.
        hold(first.parameters())
    if first.bias is not None:
        nn.init.zeros_(first.bias)
    if samples is not None:
        strength = first(normalise(samples)[:, None])[:, : len(bank)].abs().mean((0, 2))
        strength = strength.view(bands, PHASES).mean(1).clamp_min(1e-4)
        first.weight[: len(bank)] *= 0.5 / strength.repeat_interleave(PHASES)[:, None, None]
    if first.bias is not None:
        first.bias[len(bank) :] = torch.logspace(-1.0, 1.0, channels - len(bank))
    if len(layers) > 1:
        _levels_and_onsets(layers[1], bands)
    for layer in layers[2:]:
        _averages(layer)
    _onset_channels(model, bands)
    _modulation_bank(model, rate / math.prod(model.config.conv_stride))


def _levels_and_onsets(conv: nn.Conv1d, bands: int) -> None:
    """Half of the outputs the levels of bands (neighbours merged to fit), half their rise."""
    out, _, kernel = conv.weight.shape
    half = out // 2
    conv.weight.mul_(0.1)
    rise = torch.where(torch.arange(kernel) < kernel // 2, -1.0, 1.0) * 2
    for index in range(half):
        low = index * bands // half
        high = max(low + 1, (index + 1) * bands // half)
        inputs = slice(PHASES * low, PHASES * high)
        scale = 1 / (PHASES * (high - low) * kernel)
        conv.weight[index, inputs] += scale
        conv.weight[half + index, inputs] += scale * rise


def _averages(conv: nn.Conv1d) -> None:
    """Each output the mean of its own input over the kernel, plus a little of everything."""
    out, inner, kernel = conv.weight.shape
    conv.weight.mul_(0.2)
    for index in range(min(out, inner)):
        conv.weight[index, index] += 1 / kernel


def _onset_channels(model: HubertModel, bands: int) -> None:
    """In every group of the positional convolution: onsets of all, of low and of high bands."""
    projection = model.feature_projection.projection
    groups = model.config.num_conv_pos_embedding_groups
    width, inner = projection.weight.shape
    half = inner // 2
    size = width // groups
    for group in range(groups):
        for place, (low, high) in enumerate(((0, half), (0, half // 4), (half // 2, half))):
            if place < size:
                row = projection.weight[group * size + place]
                row.zero_()
                row[half + low : half + high] = 3 / (high - low)


def _modulation_bank(model: HubertModel, frame_rate: float) -> None:
    """Positional convolution: cosine and sine pairs between 0.7 and 9 Hz, mostly over the onsets."""
    conv = model.encoder.pos_conv_embed.conv
    direction = conv.parametrizations.weight.original1
    out, inner, kernel = direction.shape
    generator = torch.Generator().manual_seed(7)
    time = (torch.arange(kernel) - kernel / 2) / frame_rate
    # Nowhere zero: Hubert's weight norm divides by each tap's norm over the channels.
    window = torch.hann_window(kernel + 2, periodic=False)[1:-1] ** 0.5
    hertz = torch.logspace(math.log10(0.7), math.log10(9.0), out // 2)
    # Neighbouring channels share a group; spread each group over the whole range.
    groups = model.config.num_conv_pos_embedding_groups
    order = torch.arange(out // 2).reshape(-1, groups).T.reshape(-1)
    weight = torch.empty(out, inner, kernel)
    for index, position in enumerate(order.tolist()):
        angle = 2 * math.pi * hertz[position] * time
        mix = 0.1 * torch.randn(inner, 1, generator=generator)
        mix[: min(3, inner)] += 1.0
        for part, wave in enumerate((angle.cos(), angle.sin())):
            shape = window * wave
            shape = shape - window * (shape.sum() / window.sum())  # blind to a constant level
            weight[2 * index + part] = MODULATION_GAIN * mix * shape / shape.norm()
    conv.weight = weight  # through the weight-norm parametrisation
