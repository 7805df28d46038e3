"""A codec that starts as a lapped transform instead of noise.

A randomly initialised SEANet needs tens of thousands of steps before its output has any phase in
common with its input. Here encoder and decoder start as the lowest coefficients of an MDCT
(Princen and Bradley 1986): window of two hops, one hop apart, sine window. Each stage of the
encoder first carries its samples on as channels, `[T, c] -> [T/s, s*c]`, until the last one holds
two hops of them and projects. What is quantised is then a spectrum, and an error of the codes is
an error of the waveform. Training goes on from there, with every other channel random as usual.

    wave -> 1 -> 4 -> 16 -> 80 channels of samples -> `latent` MDCT coefficients
    `latent` coefficients -> 80 channels of samples -> 16 -> 4 -> 1 -> wave

ELU is close to the identity for small values, so samples are carried small. Coefficients are
larger and go as pairs +c and -c, whose ELUs' difference is odd and close to 2c.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from transformers import EncodecModel
from transformers.models.encodec.modeling_encodec import (
    EncodecConv1d,
    EncodecConvTranspose1d,
    EncodecLSTM,
    EncodecResnetBlock,
)

_SAMPLE_SCALE = 0.2
_LATENT_SCALE = 0.5
"""Latents are this times the coefficients."""
_PAIR_SCALE = 0.125
"""Coefficients pass ELU as this times a latent."""


def mdct_basis(hop: int, count: int) -> Tensor:
    """The `count` lowest basis functions `[count, 2 * hop]`, orthonormal under overlap."""
    n = torch.arange(2 * hop, dtype=torch.float64)
    k = torch.arange(count, dtype=torch.float64)[:, None]
    window = torch.sin(torch.pi * (n + 0.5) / (2 * hop))
    phase = torch.pi / hop * (n + 0.5 + hop / 2) * (k + 0.5)
    return ((2 / hop) ** 0.5 * window * torch.cos(phase)).float()


def _inner(layer: nn.Module) -> _ConvNd:
    """The torch convolution inside one of transformers' padded ones."""
    convolution = layer.conv
    assert isinstance(convolution, _ConvNd)
    return convolution


def _set(convolution: _ConvNd, weight: Tensor, bias: Tensor) -> None:
    # Through the weight norm's inverse, as plain assignment of a parametrised tensor does.
    convolution.weight = weight  # type: ignore[assignment]
    _bias(convolution).copy_(bias)


def _bias(convolution: _ConvNd) -> Tensor:
    assert convolution.bias is not None
    return convolution.bias.data


def _quiet_residuals(module: nn.Module) -> None:
    """Residual branches start almost silent."""
    for part in module.modules():
        if isinstance(part, EncodecResnetBlock):
            convolutions = [
                _inner(layer) for layer in part.block if isinstance(layer, EncodecConv1d)
            ]
            _set(convolutions[-1], 0.02 * convolutions[-1].weight, _bias(convolutions[-1]))
            for convolution in convolutions:
                _bias(convolution).zero_()


def _quiet(module: nn.Module) -> None:
    """Residual branches and LSTMs start almost silent."""
    _quiet_residuals(module)
    for part in module.modules():
        if isinstance(part, EncodecLSTM):
            for parameter in part.parameters():
                parameter.data.mul_(0.1 if parameter.ndim > 1 else 0.0)


def later_steps(strides: list[int], samples: int) -> list[int]:
    """How many of its own steps later each of these stages (the widest steps last) has to look for
    all to look `samples` later (earlier where negative).

    Raises ValueError when their kernels of two strides don't reach that far.
    """
    sizes = [math.prod(strides[:place]) for place in range(len(strides))]
    steps, left = [], samples
    for stride, size in zip(reversed(strides), reversed(sizes), strict=True):
        most_late, most_early = stride // 2, stride - stride // 2
        step = max(-most_early, min(most_late, round(left / size)))
        steps.append(step)
        left -= step * size
    if left:
        raise ValueError(f"stages of strides {strides} can't look {samples} samples later")
    return steps[::-1]


def carry_down(layers: nn.ModuleList, scale: float, later: int = 0) -> int:
    """Let every stage but the last carry the samples (times `scale`) on as channels; how many. They
    are those of `later` samples on."""
    stages = [_inner(layer) for layer in layers if isinstance(layer, EncodecConv1d)]
    first, downs = stages[0], stages[1:-1]
    weight, bias = first.weight.clone(), _bias(first).clone()
    weight[0], bias[0] = 0.0, 0.0
    weight[0, 0, first.kernel_size[0] // 2] = scale
    _set(first, weight, bias)
    carried = 1
    steps = later_steps([convolution.stride[0] for convolution in downs[:-1]], later)
    for convolution, more in zip(downs[:-1], steps, strict=True):
        stride = convolution.stride[0]
        left = stride - stride // 2 + more
        weight, bias = convolution.weight.clone(), _bias(convolution).clone()
        weight[: carried * stride], bias[: carried * stride] = 0.0, 0.0
        for step in range(stride):
            for channel in range(carried):
                weight[step * carried + channel, channel, left + step] = 1.0
        carried *= stride
        _set(convolution, weight, bias)
    return carried


def _start_encoder(layers: nn.ModuleList, hop: int, latent: int) -> None:
    carried = carry_down(layers, _SAMPLE_SCALE)
    stages = [_inner(layer) for layer in layers if isinstance(layer, EncodecConv1d)]
    convolution, last = stages[-2], stages[-1]
    taps = convolution.kernel_size[0]
    basis = mdct_basis(hop, latent) * _LATENT_SCALE * _PAIR_SCALE / _SAMPLE_SCALE
    basis = basis.reshape(latent, taps, carried).transpose(1, 2)
    weight, bias = convolution.weight.clone(), _bias(convolution).clone()
    weight[: 2 * latent], bias[: 2 * latent] = 0.0, 0.0
    weight[:latent, :carried] = basis
    weight[latent : 2 * latent, :carried] = -basis
    _set(convolution, weight, bias)
    places, centre = torch.arange(latent), last.kernel_size[0] // 2
    weight = torch.zeros_like(last.weight)
    weight[places, places, centre] = 0.5 / _PAIR_SCALE
    weight[places, latent + places, centre] = -0.5 / _PAIR_SCALE
    _set(last, weight, torch.zeros_like(_bias(last)))


def _start_decoder(layers: nn.ModuleList, hop: int, latent: int) -> None:
    first = _inner(layers[0])
    up = next(_inner(layer) for layer in layers if isinstance(layer, EncodecConvTranspose1d))
    places = torch.arange(latent)
    weight, bias = first.weight.clone(), _bias(first).clone()
    weight[: 2 * latent], bias[: 2 * latent] = 0.0, 0.0
    weight[places, places, first.kernel_size[0] // 2] = _PAIR_SCALE
    weight[latent + places, places, first.kernel_size[0] // 2] = -_PAIR_SCALE
    _set(first, weight, bias)
    carried = hop // up.stride[0]
    taps = up.kernel_size[0]
    basis = mdct_basis(hop, latent) * _SAMPLE_SCALE / (2 * _LATENT_SCALE * _PAIR_SCALE)
    basis = basis.reshape(latent, taps, carried).transpose(1, 2)
    weight, bias = up.weight.clone(), _bias(up).clone()
    weight[:, :carried] = 0.0
    weight[:latent, :carried] = basis
    weight[latent : 2 * latent, :carried] = -basis
    bias[:carried] = 0.0
    _set(up, weight, bias)
    carry_up(layers, carried, _SAMPLE_SCALE)


def carry_up(layers: nn.ModuleList, carried: int, scale: float, later: int = 0) -> None:
    """Let every stage after the first turn its channels of samples (times `scale`) back into time,
    `later` samples later."""
    ups = [_inner(layer) for layer in layers if isinstance(layer, EncodecConvTranspose1d)]
    last = _inner(layers[-1])
    strides = [convolution.stride[0] for convolution in ups[1:]]
    steps = later_steps(strides[::-1], later)[::-1]
    for convolution, more in zip(ups[1:], steps, strict=True):
        stride = convolution.stride[0]
        left = stride - stride // 2 + more
        fewer = carried // stride
        weight, bias = convolution.weight.clone(), _bias(convolution).clone()
        weight[:, :fewer], bias[:fewer] = 0.0, 0.0
        weight[:carried] = 0.0
        for step in range(stride):
            for channel in range(fewer):
                weight[step * fewer + channel, channel, left + step] = 1.0
        carried = fewer
        _set(convolution, weight, bias)
    weight = torch.zeros_like(last.weight)
    weight[0, 0, last.kernel_size[0] // 2] = 1 / scale
    _set(last, weight, torch.zeros_like(_bias(last)))


@torch.no_grad()
def start_as_transform(codec: EncodecModel) -> None:
    """Give a non-causal, weight-normed, mono codec the weights described above.

    Raises ValueError when its channels can't hold the samples of a stage, or both signs of the
    coefficients.
    """
    config = codec.config
    width, held = config.num_filters, 1
    for stride in list(reversed(config.upsampling_ratios))[:-1]:
        width, held = 2 * width, held * stride
        if held > width:
            raise ValueError(f"{width} channels can't carry {held} samples")
    if 2 * config.hidden_size > 2 * width:
        raise ValueError(f"{2 * width} channels can't hold {config.hidden_size} pairs")
    _quiet(codec.encoder)
    _quiet(codec.decoder)
    _start_encoder(codec.encoder.layers, config.hop_length, config.hidden_size)
    _start_decoder(codec.decoder.layers, config.hop_length, config.hidden_size)
