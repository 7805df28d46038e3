"""The metronome: attention to a caption's end rises and falls with the beat of its tempo."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mumu_training.generation.metronome import beat_rates, start_metronome
from mumu_training.generation.music_model import (
    MusicModel,
    music_decoder_config,
    position_rates,
    text_encoder_config,
)
from mumu_training.runs import saved_names
from mumu_training.stage0.text_encoder import CaptionReader

FRAME_RATE = 25.0
WIDTH, BASE = 224, 10.0
TEXT = {
    "vocab_size": 128, "d_model": 128, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2,
}  # fmt: skip
MUSIC = {
    "vocab_size": 32, "hidden_size": WIDTH, "num_hidden_layers": 3, "num_attention_heads": 4, "ffn_dim": 64,
    "num_codebooks": 2, "max_position_embeddings": 256, "position_base": BASE,
}  # fmt: skip


@pytest.mark.parametrize("bpm", [80.0, 117.0, 160.0])
def test_attention_follows_the_beat(bpm: float) -> None:
    torch.manual_seed(3)
    model = MusicModel(text_encoder_config(TEXT), music_decoder_config(MUSIC)).eval()
    rates = position_rates(WIDTH, BASE)
    reader = CaptionReader(TEXT, rates, FRAME_RATE)
    # States as a reader that has learned its clock perfectly would have them: three words, the end.
    clock = torch.linalg.qr(torch.randn(128, len(rates)))[0].T
    states = torch.zeros(1, 4, 128)
    states[0, 3] = reader.clock_targets(torch.tensor([bpm]))[0] @ clock
    covered = start_metronome(model.decoder, model.enc_to_dec_proj, clock, rates, FRAME_RATE)
    assert 20 < len(covered) <= 84
    held = {name for name, value in model.named_parameters() if not value.requires_grad}
    layers = [f"decoder.model.decoder.layers.{layer}.encoder_attn" for layer in range(3)]
    matrices = {f"{layer}.{part}.weight" for layer in layers for part in ("q_proj", "k_proj")}
    assert held == matrices | {"enc_to_dec_proj.weight", "enc_to_dec_proj.bias"}
    assert held <= set(saved_names(model))
    with torch.no_grad():
        for table in model.decoder.model.decoder.embed_tokens:
            table.weight.zero_()  # positions alone: codes disturb the beat, as players do
        output = model.decoder(
            input_ids=torch.zeros(2, 120, dtype=torch.long),
            encoder_hidden_states=model.enc_to_dec_proj(states),
            encoder_attention_mask=torch.ones(1, 4),
            output_attentions=True,
            use_cache=False,
        )
    beat = np.cos(2 * np.pi * bpm / 60 / FRAME_RATE * np.arange(120))
    felt = output.cross_attentions[0][0, :, :, 3].numpy()
    best = max(float(np.corrcoef(head, beat)[0, 1]) for head in felt if head.std() > 0.05)
    assert best > 0.8


def test_the_clock_turns_once_a_beat() -> None:
    rates = position_rates(WIDTH, BASE)
    reader = CaptionReader(TEXT, rates, FRAME_RATE)
    bells = reader.clock_targets(torch.tensor([0.0, 60.0, 120.0, 180.0]))
    assert bells[0].sum() == 0
    for bell, bpm in zip(bells[1:], (60, 120, 180), strict=True):
        assert float(bell.sum()) == pytest.approx(1, abs=1e-5)
        per_minute = float(rates[int(bell.argmax())]) * FRAME_RATE * 60 / (2 * np.pi)
        assert per_minute == pytest.approx(bpm, rel=0.015)


def test_rates_that_are_no_beats_have_no_metronome() -> None:
    assert len(beat_rates(torch.tensor([1.0, 0.9]), 1000.0, 20)) == 0
    some = beat_rates(position_rates(WIDTH, BASE), FRAME_RATE, 30)
    assert len(some) == 30
