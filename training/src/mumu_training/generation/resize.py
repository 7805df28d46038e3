"""A finished music side in other shapes: what a checkpoint can lose without learning again.

A vocoder codec's strided convolutions only carry samples on as channels; in other strides (a longer
stack of narrower ones) the same bands are heard and played by fewer weights, and codes stay what they
are. A decoder's feed-forward layers lose the neurons that add least; that does need training on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from transformers import EncodecConfig, EncodecModel
from transformers.models.encodec.modeling_encodec import EncodecConv1d, EncodecConvTranspose1d

from mumu_training.generation.codec_start import _bias, _inner, _set, carry_down, carry_up
from mumu_training.generation.vocoder_start import SAMPLE_SCALE, lstm_of, settle, silence

Weights = dict[str, Tensor]
_KEPT_FIELDS = (
    "sampling_rate",
    "audio_channels",
    "hidden_size",
    "codebook_size",
    "num_lstm_layers",
    "kernel_size",
    "hop_length",
)


@torch.no_grad()
def other_strides(codec: EncodecModel, config: EncodecConfig) -> EncodecModel:
    """A vocoder codec (`vocoder_start`) with the same bands and codebooks in the strides of `config`.

    Raises ValueError when more than the strides and `num_filters` differ, or the new stages can't
    hold the samples.
    """
    old = codec.config
    for field in _KEPT_FIELDS:
        if getattr(old, field) != getattr(config, field):
            raise ValueError(f"a codec can't get another {field}")
    made = EncodecModel(config).eval()
    silence(made)
    for ours, theirs in ((made.encoder, codec.encoder), (made.decoder, codec.decoder)):
        mine, his = lstm_of(ours.layers), lstm_of(theirs.layers)
        if mine.hidden_size != his.hidden_size:
            raise ValueError(f"{mine.hidden_size} channels instead of {his.hidden_size}")
        mine.load_state_dict(his.state_dict())
    hop = config.hop_length
    _cut(_stages(made.encoder.layers)[-1], _stages(codec.encoder.layers)[-1])
    _cut(_inner(made.decoder.layers[0]), _inner(codec.decoder.layers[0]))
    down, before = _stages(made.encoder.layers)[-2], _stages(codec.encoder.layers)[-2]
    carried = _carried(down, config)
    # Where a hop's window begins is up to the last stage's padding.
    later = _before(down, hop) - _before(before, hop)
    if carry_down(made.encoder.layers, SAMPLE_SCALE, later) != carried:
        raise ValueError("the stages carry another number of samples than a hop has")
    _relay(down, before, carried, _carried(before, old), hop)
    up, earlier = _first_up(made.decoder.layers), _first_up(codec.decoder.layers)
    _relay(up, earlier, carried, hop // earlier.stride[0], hop)
    carry_up(made.decoder.layers, carried, SAMPLE_SCALE, later)
    made.quantizer.load_state_dict(codec.quantizer.state_dict())
    settle(made)
    return made


def _stages(layers: nn.ModuleList) -> list[_ConvNd]:
    return [_inner(layer) for layer in layers if isinstance(layer, EncodecConv1d)]


def _first_up(layers: nn.ModuleList) -> _ConvNd:
    return next(_inner(layer) for layer in layers if isinstance(layer, EncodecConvTranspose1d))


def _before(convolution: _ConvNd, hop: int) -> int:
    """Samples by which the window of a stage of two strides begins before its hop."""
    stride = convolution.stride[0]
    return (stride - stride // 2) * (hop // stride)


def _carried(convolution: _ConvNd, config: EncodecConfig) -> int:
    """Samples that the stage next to the LSTM has as channels; ValueError where they don't fit."""
    carried = int(config.hop_length // convolution.stride[0])
    held, width = 1, int(config.num_filters)
    for stride in list(reversed(config.upsampling_ratios))[:-1]:
        held, width = held * stride, 2 * width
        if held > width:
            raise ValueError(f"{width} channels can't carry {held} samples")
    return carried


def _cut(into: _ConvNd, source: _ConvNd) -> None:
    """The source's middle taps. Raises ValueError where its outer ones say something, or it has fewer."""
    weight, taps = source.weight, into.kernel_size[0]
    first = (source.kernel_size[0] - taps) // 2
    middle = weight[..., first : first + taps].clone()
    if first < 0 or weight.square().sum() - middle.square().sum() > 1e-6 * middle.square().sum():
        raise ValueError(f"{source.kernel_size[0]} taps that say something don't fit {taps}")
    _set(into, middle, _bias(source))


def _relay(into: _ConvNd, source: _ConvNd, carried: int, before: int, hop: int) -> None:
    """Lay each band's window of two hops out over `carried` channels, from a convolution that has it
    over `before` of them. Weights `[bands, channels, taps]` either way round (an encoder's projection
    and a transposed convolution both have the bands first)."""
    waves = source.weight[:, :before].transpose(1, 2).reshape(len(source.weight), 2 * hop)
    weight = torch.zeros_like(into.weight)
    weight[:, :carried] = waves.reshape(len(waves), -1, carried).transpose(1, 2)
    bias = torch.zeros_like(_bias(into))
    if len(bias) == len(_bias(source)) == len(waves):  # the encoder's
        bias.copy_(_bias(source))
    _set(into, weight, bias)


def narrower(state: Weights, width: int) -> Weights:
    """Music decoder weights with `width` feed-forward neurons a layer: those that add most, by the
    product of the lengths of a neuron's weights in and out. As they are where that is their width.

    Raises ValueError when they have fewer.
    """
    made = dict(state)
    for name in [name for name in state if name.endswith(".fc1.weight")]:
        into, out = state[name], state[name.replace("fc1", "fc2")]
        if len(into) < width:
            raise ValueError(f"{name} has {len(into)} neurons, not {width}")
        strength = into.float().norm(dim=1) * out.float().norm(dim=0)
        kept = strength.topk(width).indices.sort().values
        made[name] = into[kept]
        made[name.replace("fc1", "fc2")] = out[:, kept]
        bias = name.replace("weight", "bias")
        if bias in state:
            made[bias] = state[bias][kept]
    return made
