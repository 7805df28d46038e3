"""MusicGen's delay pattern with prompts of several lengths, mono and stereo."""

from __future__ import annotations

import torch
from transformers import MusicgenForCausalLM

from mumu_training.parity_cases import Case
from mumu_training.parity_cases.musicgen import decoder_config

CARD = 32


def _case(codebooks: int, channels: int) -> Case:
    config = decoder_config(
        vocab_size=CARD,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        ffn_dim=8,
        num_codebooks=codebooks,
        audio_channels=channels,
    )
    model = MusicgenForCausalLM(config)
    delay = codebooks // channels
    generator = torch.Generator().manual_seed(codebooks)
    inputs, outputs, sizes = {}, {}, []
    for prompt_frames, frames in ((0, 11), (4, 11), (9, 12)):
        prompt = torch.randint(0, CARD, (codebooks, prompt_frames), generator=generator)
        start = torch.full((codebooks, 1), CARD)
        ids, pattern = model.build_delay_pattern_mask(
            torch.cat([start, prompt], dim=1), CARD, max_length=frames + delay
        )
        name = f"{prompt_frames}.{frames}"
        sizes.append([prompt_frames, frames, ids.shape[1]])
        if prompt_frames > 0:
            inputs[f"prompt.{name}"] = prompt
        outputs[f"pattern.{name}"] = pattern
    facts = {"codebooks": codebooks, "channels": channels, "pad": CARD, "sizes": sizes}
    return Case(config={}, weights={}, inputs=inputs, outputs=outputs, facts=facts)


CASES = {
    "delay-pattern-mono": lambda: _case(4, 1),
    "delay-pattern-stereo": lambda: _case(6, 2),
}
