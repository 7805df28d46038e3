"""A music decoder that starts with a metronome: it feels where the beats of its caption's tempo fall.

A small decoder takes very long to find out that a tempo in words and a position in time make a beat:
after ten thousand steps mini's music had the same five onsets a second whatever the tempo. But the
product of the two is what attention computes. Positions are sinusoids of many rates; a query that
takes out their cosines and sines, and a key that says which rate turns once a pulse (the text
encoder's `clock`, `stage0/text_encoder.py`), have the score cos(rate * position - phase): attention
to the caption's end rises and falls with the pulse. Each head of the first layer has a phase of its
own, so that together they tell every part of a beat.

A pulse is a beat, or two beats of a fast tempo, or half of a slow one (`pulse`): one octave of rates is
enough for all tempi, and these are few enough to be kept for it alone. Nothing but positions is ever
written where the first layer's metronome reads, and what it reads with is held: codes that mix in, and
an optimiser whose steps are as long in every direction, wear it down in a few hundred steps, long
before the beat is of use. All the rest is ordinary weights, and training goes on from there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import MusicgenForCausalLM

from mumu_training.runs import hold

STRENGTH = 9.0
"""Of the score at the pulse: e^9 against the twenty or so other tokens' e^0."""
GAIN = 0.5
"""What a head adds to the residual at its phase, along a direction of its own."""
SLOWEST = 55.0
"""Pulses a minute, of the slowest tempo; the fastest are twice as many."""


def pulse(bpm: Tensor) -> Tensor:
    """Pulses a minute of tempi: doubled or halved until SLOWEST or more and less than twice that."""
    octaves = torch.floor(torch.log2(bpm.clamp_min(1e-3) / SLOWEST))
    return bpm / 2**octaves


def pulse_rates(rates: Tensor, frame_rate: float, room: int) -> range:
    """Which of the rates (falling, radians a frame `[rates]`) are pulses: at most `room` of them, from
    one faster than all pulses on."""
    per_minute = rates * 60 * frame_rate / (2 * math.pi)
    inside = ((per_minute >= SLOWEST) & (per_minute < 2 * SLOWEST)).nonzero().flatten().tolist()
    if not inside:
        return range(0)
    first = max(0, inside[0] - 1)
    return range(first, min(first + room, inside[-1] + 2, len(rates)))


def metronome_rates(decoder: MusicgenForCausalLM, rates: Tensor, frame_rate: float) -> range:
    """Which of the rates a decoder's metronome covers: a head reads a cosine and a sine of each."""
    config = decoder.config
    room = config.hidden_size // config.num_attention_heads // 2
    return pulse_rates(rates, frame_rate, room)


def keep_out(weight: torch.nn.Parameter, places: Tensor, dim: int) -> None:
    """Zeros at these places of a dimension, and none of them ever trained."""
    mask = torch.ones(weight.shape[dim])
    mask[places] = 0.0
    mask = mask[:, None] if dim == 0 else mask
    weight.mul_(mask)
    weight.register_hook(lambda gradient: gradient * mask.to(gradient.device))


@torch.no_grad()
def start_metronome(
    decoder: MusicgenForCausalLM,
    bridge: torch.nn.Linear,
    clock: Tensor,
    rates: Tensor,
    frame_rate: float,
) -> range:
    """Write the metronome into a fresh decoder; returns which rates it covers.

    Queries, keys and norm of the first layer's attention to the caption and the bridge are held
    (`hold`), and codes and the first layer's self-attention keep out of the positions it reads.

    Args:
        bridge: from the text encoder's states to what the decoder attends to; set to keep all of them.
        clock: `[rates, text width]`, from a state to how much each rate turns once a pulse.
        rates: of the decoder's positions, radians a frame, falling.
    """
    config = decoder.config
    width, heads = config.hidden_size, config.num_attention_heads
    head_width, half = width // heads, width // 2
    text_width = clock.shape[1]
    bridge.weight.copy_(torch.linalg.qr(torch.randn(width, text_width))[0])
    assert bridge.bias is not None
    bridge.bias.zero_()
    covered = metronome_rates(decoder, rates, frame_rate)
    if len(covered) == 0:
        return covered
    # A key reads a state through the bridge; its columns are orthonormal, so the transpose undoes it.
    own = torch.tensor(list(covered))
    read = (clock @ bridge.weight.T)[own]  # [covered, width]
    strength = STRENGTH * head_width**0.5  # attention divides by the root again
    body = decoder.model.decoder
    layer = body.layers[0]
    attention = layer.encoder_attn
    attention.q_proj.weight.zero_()
    attention.k_proj.weight.zero_()
    for head in range(heads):
        phase = 2 * math.pi * head / heads
        first = head * head_width
        rows = torch.arange(len(own)) * 2 + first
        for odd, offset, share in ((0, 0, math.cos(phase)), (1, half, math.sin(phase))):
            attention.q_proj.weight[rows + odd, own + offset] = 1.0
            attention.k_proj.weight[rows + odd] = strength * share * read
        # One value says only that the caption's end was looked at (1 there where it says a tempo).
        direction = torch.randn(width)
        attention.v_proj.weight[first] = read.sum(dim=0)
        attention.out_proj.weight[:, first] = GAIN * width**0.5 * direction / direction.norm()
    hold_metronome(decoder, bridge, covered)
    return covered


@torch.no_grad()
def hold_metronome(
    decoder: MusicgenForCausalLM, bridge: torch.nn.Linear, covered: Sequence[int]
) -> None:
    """Hold what the metronome reads with, and keep everything else out of the positions it reads.

    Args:
        covered: the rates it covers (`metronome_rates`); with none there is nothing to hold.
    """
    if len(covered) == 0:
        return
    body = decoder.model.decoder
    layer = body.layers[0]
    own = torch.tensor(list(covered), dtype=torch.long)
    pulses = torch.cat([own, own + decoder.config.hidden_size // 2])
    for table in body.embed_tokens:
        keep_out(table.weight, pulses, 1)
    keep_out(layer.self_attn.out_proj.weight, pulses, 0)
    attention = layer.encoder_attn
    for part in (attention.q_proj, attention.k_proj, layer.encoder_attn_layer_norm, bridge):
        hold(part.parameters())
