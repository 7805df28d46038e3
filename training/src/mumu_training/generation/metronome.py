"""A music decoder that starts with a metronome: it feels where the beats of its caption's tempo fall.

A small decoder takes very long to find out that a tempo in words and a position in time make a beat:
after ten thousand steps mini's music had the same five onsets a second whatever the tempo. But the
product of the two is what attention computes. Positions are sinusoids of many rates; a query that
takes out their cosines and sines, and a key that says which rate turns once a beat (the text
encoder's `clock`, `stage0/text_encoder.py`), have the score cos(rate * position - phase): the
attention to the caption's end rises and falls with the beat. The heads of a layer share the rates
between them; each of the first layers has a phase of its own.

All of it is ordinary weights, and training goes on from there; only what the beat is read with (the
bridge, queries and keys) stays as it is: an optimiser whose steps are as long in every direction
wears it down in a few hundred steps, long before the beat is of use.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from transformers import MusicgenForCausalLM

LAYERS = 3
"""Layers with a metronome, a third of a beat apart."""
STRENGTH = 9.0
"""Of the score at the beat: e^9 against the twenty or so other tokens' e^0."""
GAIN = 0.5
"""What a layer adds to the residual at the beat, along a direction of its own."""
QUIET = 0.3
"""Codes are this much of their usual size in the dimensions that carry the rates of beats."""
SLOWEST, FASTEST = 50.0, 195.0
"""Beats a minute that the heads cover, if they have the room."""


def beat_rates(rates: Tensor, frame_rate: float, room: int) -> range:
    """Which of the rates (falling, radians a frame `[rates]`) are beats: at most `room` of them."""
    bpm = rates * 60 * frame_rate / (2 * math.pi)
    inside = ((bpm >= SLOWEST) & (bpm <= FASTEST)).nonzero().flatten().tolist()
    if not inside:
        return range(0)
    first = max(0, inside[0] - 2)
    return range(first, min(first + room, inside[-1] + 3, len(rates)))


def hold(part: torch.nn.Module) -> None:
    """Keep training from changing a part; it is saved all the same."""
    for parameter in part.parameters():
        parameter.requires_grad_(False)
        parameter.keep = True  # type: ignore[attr-defined]


@torch.no_grad()
def start_metronome(
    decoder: MusicgenForCausalLM,
    bridge: torch.nn.Linear,
    clock: Tensor,
    rates: Tensor,
    frame_rate: float,
) -> range:
    """Write the metronome into a fresh decoder; returns which rates its heads cover.

    Queries and keys of the layers that have it and the bridge are held (`hold`).

    Args:
        bridge: from the text encoder's states to what the decoder attends to; set to keep all of them.
        clock: `[rates, text width]`, from a state to how much each rate turns once a beat.
        rates: of the decoder's positions, radians a frame, falling.
    """
    config = decoder.config
    width, heads = config.hidden_size, config.num_attention_heads
    head_width, half = width // heads, width // 2
    text_width = clock.shape[1]
    bridge.weight.copy_(torch.linalg.qr(torch.randn(width, text_width))[0])
    assert bridge.bias is not None
    bridge.bias.zero_()
    # A key reads a state through the bridge; its columns are orthonormal, so the transpose undoes it.
    read = clock @ bridge.weight.T  # [rates, width]
    pairs = head_width // 2
    strength = STRENGTH * head_width**0.5  # attention divides by the root again
    covered = beat_rates(rates, frame_rate, pairs * (heads - 1))
    places = torch.tensor(list(covered))
    body = decoder.model.decoder
    for table in body.embed_tokens:
        table.weight[:, places] *= QUIET
        table.weight[:, half + places] *= QUIET
    for number, layer in enumerate(body.layers[:LAYERS]):
        attention = layer.encoder_attn
        phase = 2 * math.pi * number / LAYERS
        direction = torch.randn(width)
        direction /= direction.norm()
        for head in range(-(-len(covered) // pairs)):
            own = places[head * pairs : (head + 1) * pairs]
            rows = torch.arange(len(own)) * 2 + head * head_width
            for part, offset, share in ((0, 0, math.cos(phase)), (1, half, math.sin(phase))):
                attention.q_proj.weight[rows + part] = 0.0
                attention.q_proj.weight[rows + part, own + offset] = 1.0
                attention.k_proj.weight[rows + part] = strength * share * read[own]
            # The value says only that the caption's end was looked at.
            first = head * head_width
            total = read.sum(dim=0)  # 1 at the end of a caption with a tempo, 0 elsewhere
            attention.v_proj.weight[first : first + head_width] = 0.0
            attention.v_proj.weight[first] = total
            attention.out_proj.weight[:, first : first + head_width] *= 0.1
            attention.out_proj.weight[:, first] = GAIN * width**0.5 * direction
        hold(attention.q_proj)
        hold(attention.k_proj)
    hold(bridge)
    return covered
