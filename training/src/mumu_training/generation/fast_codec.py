"""EnCodec's encoder and decoder (SEANet) as matrix products over channels-last activations.

The narrow, long convolutions of a small codec run several times slower in torch's convolution
kernels on one CPU core than as matrix products, and training spends all its time there. These
functions read the weights of transformers' own modules and give the same values; only the layout
inside differs: `[batch, time, channels]`, so that a window of time is a row.

    stride 1, kernel k:      x [T+k-1, C] @ [C, k*C'] -> k partial products, summed with shifts
    kernel 2s, stride s:     blocks of s steps as rows [T/s+1, s*C] @ [s*C, 2*C'], summed with shifts
    transposed, 2s over s:   x [T, C] @ [C, 2*s*C'] -> blocks of s steps, overlapped and added
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.encodec.modeling_encodec import (
    EncodecConv1d,
    EncodecConvTranspose1d,
    EncodecLSTM,
    EncodecResnetBlock,
)


class _GatherShifts(torch.autograd.Function):
    """y[t] = sum over j of part j of P at t + j: `[B, T+k-1, k*C]` -> `[B, T, C]`."""

    @staticmethod
    def forward(ctx: Any, parts: Tensor, count: int) -> Tensor:
        length = parts.shape[1] - count + 1
        width = parts.shape[2] // count
        ctx.shape, ctx.count = parts.shape, count
        total = parts[:, :length, :width].clone(memory_format=torch.contiguous_format)
        for j in range(1, count):
            total += parts[:, j : j + length, j * width : (j + 1) * width]
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        length, width = gradient.shape[1:]
        whole = gradient.new_zeros(ctx.shape)
        for j in range(ctx.count):
            whole[:, j : j + length, j * width : (j + 1) * width] = gradient
        return whole, None


class _ScatterShifts(torch.autograd.Function):
    """The adjoint layout: part j of P at t adds to y[t + j]: `[B, T, k*C]` -> `[B, T+k-1, C]`."""

    @staticmethod
    def forward(ctx: Any, parts: Tensor, count: int) -> Tensor:
        batch, length, wide = parts.shape
        width = wide // count
        ctx.count = count
        total = parts.new_zeros(batch, length + count - 1, width)
        for j in range(count):
            total[:, j : j + length] += parts[:, :, j * width : (j + 1) * width]
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        length = gradient.shape[1] - ctx.count + 1
        return torch.cat([gradient[:, j : j + length] for j in range(ctx.count)], dim=2), None


def _reflect(x: Tensor, left: int, right: int) -> Tensor:
    """Reflection padding of time in `[B, T, C]`."""
    if left == 0 and right == 0:
        return x
    length = x.shape[1]
    parts = [x[:, 1 : left + 1].flip(1), x, x[:, length - right - 1 : length - 1].flip(1)]
    return torch.cat(parts, dim=1)


def _convolution(module: EncodecConv1d, x: Tensor) -> Tensor:
    """EncodecConv1d on `[B, T, C]` -> `[B, T / stride, C']`; T a multiple of the stride."""
    convolution = module.conv
    weight, bias = convolution.weight, convolution.bias  # [C', C, k]
    out, channels, kernel = weight.shape
    stride = convolution.stride[0]
    if kernel == 1:
        return functional.linear(x, weight[:, :, 0], bias)
    right = (kernel - stride) // 2
    x = _reflect(x, kernel - stride - right, right)
    if stride == 1 and channels < out:
        windows = x.unfold(1, kernel, 1).flatten(2)  # [B, T, C * k]
        return functional.linear(windows, weight.flatten(1), bias)
    if stride == 1:
        return _GatherShifts.apply(x @ weight.permute(1, 2, 0).flatten(1), kernel) + bias
    rows = x.reshape(len(x), -1, stride * channels)
    halves = weight.reshape(out, channels, 2, stride).permute(3, 1, 2, 0)  # [s, C, 2, C']
    return _GatherShifts.apply(rows @ halves.reshape(stride * channels, 2 * out), 2) + bias


def _transposed(module: EncodecConvTranspose1d, x: Tensor) -> Tensor:
    """EncodecConvTranspose1d (kernel twice the stride) on `[B, T, C]` -> `[B, T * stride, C']`."""
    convolution = module.conv
    weight, stride = convolution.weight, convolution.stride[0]  # [C, C', 2s]
    channels, out, _ = weight.shape
    halves = weight.reshape(channels, out, 2, stride).permute(0, 2, 3, 1)  # [C, 2, s, C']
    blocks = _ScatterShifts.apply(x @ halves.reshape(channels, -1), 2)  # [B, T+1, s * C']
    wave = blocks.reshape(len(x), -1, out) + convolution.bias
    right = stride // 2
    return wave[:, stride - right : wave.shape[1] - right]


def _recurrent(module: EncodecLSTM, x: Tensor) -> Tensor:
    steps = x.transpose(0, 1)
    return (module.lstm(steps)[0] + steps).transpose(0, 1)


def _residual(module: EncodecResnetBlock, x: Tensor) -> Tensor:
    y = x
    for layer in module.block:
        y = _convolution(layer, y) if isinstance(layer, EncodecConv1d) else layer(y)
    shortcut = module.shortcut
    return (_convolution(shortcut, x) if isinstance(shortcut, EncodecConv1d) else x) + y


def run_layers(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """Run an EncodecEncoder's or EncodecDecoder's `layers` on `[B, C, T]`; same values, faster.

    Only what a non-causal, weight-normed codec of dilation 1 uses is covered: `supported` says.
    """
    x = x.transpose(1, 2)
    for layer in layers:
        if isinstance(layer, EncodecConv1d):
            x = _convolution(layer, x)
        elif isinstance(layer, EncodecConvTranspose1d):
            x = _transposed(layer, x)
        elif isinstance(layer, EncodecLSTM):
            x = _recurrent(layer, x)
        elif isinstance(layer, EncodecResnetBlock):
            x = _residual(layer, x)
        else:
            x = layer(x)
    return x.transpose(1, 2)


def supported(config: Any) -> bool:
    """Whether `run_layers` covers a codec of this EncodecConfig."""
    return (
        not config.use_causal_conv
        and config.norm_type == "weight_norm"
        and config.num_residual_layers == 1
        and config.pad_mode == "reflect"
    )
