"""The metronome: attention to a caption's end rises and falls with the beat of its tempo."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mumu_training.generation.metronome import pulse, pulse_rates, start_metronome
from mumu_training.generation.music_model import (
    MusicModel,
    music_decoder_config,
    position_rates,
    text_encoder_config,
)
from mumu_training.optimizer import build_optimizer
from mumu_training.recipe import JobSettings
from mumu_training.runs import saved_names
from mumu_training.stage0.text_encoder import CaptionReader

FRAME_RATE = 25.0
WIDTH, BASE = 224, 18.0
TEXT = {
    "vocab_size": 128, "d_model": 128, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2,
}  # fmt: skip
MUSIC = {
    "vocab_size": 32, "hidden_size": WIDTH, "num_hidden_layers": 3, "num_attention_heads": 4, "ffn_dim": 64,
    "num_codebooks": 2, "max_position_embeddings": 256, "position_base": BASE,
}  # fmt: skip


def started(bpm: float) -> tuple[MusicModel, torch.Tensor, range]:
    """A decoder with a metronome, and states as a reader that has learned its clock perfectly would have
    them: three words, the end."""
    torch.manual_seed(3)
    model = MusicModel(text_encoder_config(TEXT), music_decoder_config(MUSIC))
    rates = position_rates(WIDTH, BASE)
    reader = CaptionReader(TEXT, rates, FRAME_RATE)
    clock = torch.linalg.qr(torch.randn(128, len(rates)))[0].T
    states = torch.zeros(1, 4, 128)
    states[0, 3] = reader.clock_targets(torch.tensor([bpm]))[0] @ clock
    covered = start_metronome(model.decoder, model.enc_to_dec_proj, clock, rates, FRAME_RATE)
    return model, model.enc_to_dec_proj(states), covered


def attention_to_the_end(model: MusicModel, condition: torch.Tensor) -> np.ndarray:
    """Of the first layer's heads `[4, 200]`, while random codes are played."""
    with torch.no_grad():
        output = model.eval().decoder(
            input_ids=torch.randint(0, 32, (2, 200)),
            encoder_hidden_states=condition,
            encoder_attention_mask=torch.ones(1, 4),
            output_attentions=True,
            use_cache=False,
        )
    felt: np.ndarray = output.cross_attentions[0][0, :, :, 3].numpy()
    return felt


@pytest.mark.parametrize(("bpm", "pulses"), [(60.0, 60), (80.0, 80), (117.0, 58.5), (160.0, 80)])
def test_attention_follows_the_pulse_whatever_is_played(bpm: float, pulses: float) -> None:
    model, condition, covered = started(bpm)
    assert 26 <= len(covered) <= 28
    held = {name for name, value in model.named_parameters() if not value.requires_grad}
    layer = "decoder.model.decoder.layers.0"
    parts = ("encoder_attn.q_proj", "encoder_attn.k_proj", "encoder_attn_layer_norm")
    names = {f"{layer}.{part}.weight" for part in parts} | {f"{layer}.{parts[2]}.bias"}
    assert held == names | {"enc_to_dec_proj.weight", "enc_to_dec_proj.bias"}
    assert held <= set(saved_names(model))
    angle = 2 * np.pi * pulses / 60 / FRAME_RATE * np.arange(200)
    for head, felt in enumerate(attention_to_the_end(model, condition)):
        wanted = np.cos(angle - 2 * np.pi * head / 4)
        assert np.corrcoef(felt, wanted)[0, 1] > 0.8, head
        late = slice(150, 200)  # six to eight seconds on it still stands
        assert np.corrcoef(felt[late], wanted[late])[0, 1] > 0.75, head


def test_training_leaves_the_metronome_as_it_is() -> None:
    model, condition, _ = started(100.0)
    before = attention_to_the_end(model, condition)
    optimizer = build_optimizer(model.decoder, JobSettings(optimizer="muon", lr=0.02))
    torch.manual_seed(0)
    for _ in range(5):
        steps = torch.randint(0, 32, (2, 2, 60))
        made = model.train().logits(steps, condition.detach().expand(2, -1, -1), torch.ones(2, 4))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(made.flatten(0, 2), steps.flatten()).backward()
        optimizer.step()
    torch.manual_seed(1)
    after = attention_to_the_end(model, condition)
    for was, now in zip(before, after, strict=True):
        assert np.corrcoef(was, now)[0, 1] > 0.95
    changed = model.decoder.model.decoder.layers[0].self_attn.out_proj.weight
    assert bool((changed.abs().sum(dim=1) == 0).any())
    assert bool((changed.abs().sum(dim=1) > 0).any())


def test_a_pulse_is_a_beat_or_two_of_them_or_half_of_one() -> None:
    tempi = torch.tensor([50.0, 55.0, 60.0, 109.0, 110.0, 180.0, 220.0])
    wanted = torch.tensor([100.0, 55.0, 60.0, 109.0, 55.0, 90.0, 55.0])
    assert torch.allclose(pulse(tempi), wanted)


def test_the_clock_turns_once_a_beat() -> None:
    rates = position_rates(WIDTH, BASE)
    reader = CaptionReader(TEXT, rates, FRAME_RATE)
    bells = reader.clock_targets(torch.tensor([0.0, 60.0, 120.0, 180.0]))
    assert bells[0].sum() == 0
    for bell, bpm in zip(bells[1:], (60, 60, 90), strict=True):
        assert float(bell.sum()) == pytest.approx(1, abs=1e-5)
        per_minute = float(rates[int(bell.argmax())]) * FRAME_RATE * 60 / (2 * np.pi)
        assert per_minute == pytest.approx(bpm, rel=0.015)


def test_rates_that_are_no_pulses_have_no_metronome() -> None:
    assert len(pulse_rates(torch.tensor([1.0, 0.9]), 1000.0, 20)) == 0
    some = pulse_rates(position_rates(WIDTH, 6.0), FRAME_RATE, 28)
    assert len(some) == 28
