"""The codec: training path against transformers', transform start, quantiser, losses, resume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import EncodecModel

from mumu_training.generation.codec import (
    CodecForTraining,
    codec_config,
    decode_codes,
    encode_song,
    encode_songs_together,
)
from mumu_training.generation.codec_start import mdct_basis
from mumu_training.generation.export import load_part, save_part
from mumu_training.generation.fast_codec import run_layers
from mumu_training.generation.losses import SpectralLoss, wave_loss
from mumu_training.generation.measures import log_spectral_distance, onset_f1, si_sdr
from mumu_training.generation.quantizer import QuantizerTraining, k_means
from mumu_training.loop import TrainingJob, restore_model, run_training
from mumu_training.recipe import JobSettings
from mumu_training.stage0.codec import reconstruction_loss

RATE = 16000
TINY = {
    "sampling_rate": RATE,
    "hidden_size": 16,
    "num_filters": 8,
    "num_residual_layers": 1,
    "upsampling_ratios": [4, 4, 2],
    "use_causal_conv": False,
    "use_conv_shortcut": False,
    "num_lstm_layers": 1,
    "codebook_size": 32,
    "num_quantizers": 3,
}


def tiny_codec(**options: int) -> CodecForTraining:
    torch.manual_seed(1)
    return CodecForTraining(codec_config(TINY), **options)


def tone(frequency: float, seconds: float = 0.32) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def noise(seed: int, seconds: float = 0.32) -> np.ndarray:
    """Low-passed noise: no two frames of it are alike, so no code is chosen by a hair."""
    white = np.random.default_rng(seed).normal(size=round(seconds * RATE) + 8)
    return (0.1 * np.convolve(white, np.ones(8), mode="same"))[8:].astype(np.float32)


def with_codebooks() -> CodecForTraining:
    """A tiny codec whose codebooks fit some noise."""
    model = tiny_codec(warmup_steps=2)
    for seed in (50, 60):
        model(torch.from_numpy(np.stack([noise(seed + n) for n in range(4)]))[:, None])
    return model.eval()


@pytest.mark.parametrize("shortcut", [True, False])
@pytest.mark.parametrize("ratios", [[4, 4, 2], [5, 3]])
def test_fast_layers_equal_transformers(shortcut: bool, ratios: list[int]) -> None:
    """Values and gradients; odd strides have uneven padding."""
    torch.manual_seed(0)
    values = {**TINY, "upsampling_ratios": ratios, "use_conv_shortcut": shortcut}
    model = EncodecModel(codec_config(values))
    wave = torch.randn(2, 1, 30 * int(np.prod(ratios))) * 0.1
    results = []
    for fast in (False, True):
        model.zero_grad()
        if fast:
            made = run_layers(model.decoder.layers, run_layers(model.encoder.layers, wave))
        else:
            made = model.decoder(model.encoder(wave))
        made.pow(2).sum().backward()
        results.append((made.detach(), [p.grad.clone() for p in model.parameters()]))
    (slow, slow_grads), (quick, quick_grads) = results
    torch.testing.assert_close(quick, slow, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(quick_grads, slow_grads, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_training_path_equals_transformers_encode_decode() -> None:
    model = with_codebooks()
    wave = torch.from_numpy(np.stack([noise(seed) for seed in range(4)]))[:, None]
    with torch.no_grad():
        made, _ = model(wave)
        codes = model.codec.encode(wave, return_dict=True).audio_codes
        theirs = model.codec.decode(codes, [None], return_dict=True).audio_values
    assert codes.shape == (1, 4, 3, wave.shape[-1] // 32)
    torch.testing.assert_close(made, theirs, rtol=1e-4, atol=1e-5)


def test_songs_encoded_together_have_the_codes_they_have_alone() -> None:
    model = with_codebooks()
    long, short = noise(1, 0.4), noise(2, 0.3)
    together = encode_songs_together(model.codec, [long, short])
    alone = [encode_song(model.codec, song) for song in (long, short)]
    assert [row.shape for row in together] == [row.shape for row in alone]
    np.testing.assert_array_equal(together[0], alone[0])
    inside = alone[1].shape[1] - 10  # the end of a song that is padded sees the padding
    np.testing.assert_array_equal(together[1][:, :inside], alone[1][:, :inside])
    assert decode_codes(model.codec, alone[0]).shape == (alone[0].shape[1] * 32,)


def test_transform_is_orthonormal_under_overlap() -> None:
    hop = 32
    basis = mdct_basis(hop, hop).double()
    wave = torch.randn(hop * 12, dtype=torch.float64)
    made = torch.zeros_like(wave)
    for start in range(0, len(wave) - hop, hop):
        piece = wave[start : start + 2 * hop]
        made[start : start + 2 * hop] += basis.T @ (basis @ piece)
    torch.testing.assert_close(made[hop:-hop], wave[hop:-hop], rtol=1e-5, atol=1e-6)


def test_codec_starts_as_a_low_pass() -> None:
    """16 of 32 coefficients: a low tone passes at once, a high one does not."""
    model = tiny_codec(warmup_steps=10**6).eval()
    with torch.no_grad():
        low, high = (torch.from_numpy(tone(f))[None, None] for f in (700.0, 6000.0))
        passed = model(low)[0][..., 500:-500], low[..., 500:-500]
        stopped = model(high)[0][..., 500:-500], high[..., 500:-500]
    assert wave_loss(*passed).item() < 0.05
    assert wave_loss(*stopped).item() > 0.8


def test_codec_without_room_for_the_transform_is_refused() -> None:
    with pytest.raises(ValueError, match="can't hold 64 pairs"):
        CodecForTraining(codec_config({**TINY, "hidden_size": 64, "num_filters": 4}))


def test_bandwidth_follows_the_number_of_codebooks() -> None:
    config = codec_config({**TINY, "codebook_size": 512, "upsampling_ratios": [8, 5, 4, 4]})
    assert config.num_quantizers == 3
    assert config.frame_rate == 25
    assert (
        EncodecModel(config).quantizer.get_num_quantizers_for_bandwidth(config.target_bandwidths[0])
        == 3
    )


def test_k_means_finds_separate_clusters() -> None:
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = centres.repeat_interleave(50, dim=0) + 0.1 * torch.randn(150, 2)
    found, sizes = k_means(points, 12, rounds=20)
    distance = torch.cdist(centres, found).min(dim=1).values
    assert float(distance.max()) < 0.3
    assert int(sizes.sum()) == 150


def test_quantiser_learns_its_codebooks_and_revives_unused_codes() -> None:
    torch.manual_seed(0)
    quantizer = EncodecModel(codec_config(TINY)).quantizer
    training = QuantizerTraining(16, warmup_steps=3).train()
    centres = torch.randn(24, 16)

    def latents() -> torch.Tensor:
        return (centres[torch.randint(24, (8, 20))] + 0.05 * torch.randn(8, 20, 16)).transpose(1, 2)

    first = latents()
    same, nothing = training(quantizer, first)
    assert same is first
    assert float(nothing) == 0.0
    quantizer.layers[0].codebook.embed.fill_(100.0)
    for _ in range(120):
        training(quantizer, latents())
    training.eval()
    probe = latents()
    made, distance = training(quantizer, probe)
    error = float((made - probe).pow(2).mean() / probe.pow(2).mean())
    assert error < 0.05
    assert float(distance) < 0.2
    used = quantizer.encode(probe, None)[0].unique()
    assert len(used) >= 20


def test_gradient_passes_straight_through_the_quantiser() -> None:
    quantizer = EncodecModel(codec_config(TINY)).quantizer
    training = QuantizerTraining(16, warmup_steps=1).train()
    latents = torch.randn(2, 16, 10, requires_grad=True)
    made, _ = training(quantizer, latents)
    made.sum().backward()
    torch.testing.assert_close(latents.grad, torch.ones_like(latents))


def test_losses_tell_better_from_worse() -> None:
    true = torch.from_numpy(tone(440))[None, None]
    near, far = true + 0.01 * torch.randn_like(true), 0.3 * torch.randn_like(true)
    spectral = SpectralLoss(RATE)
    assert float(spectral(true, true)) == pytest.approx(0.0, abs=1e-4)
    assert spectral(near, true) < spectral(far, true)
    assert wave_loss(near, true) < 0.05 < wave_loss(far, true)


def test_measures() -> None:
    wave = tone(440, 2.0)
    noise = np.random.default_rng(0).normal(size=len(wave)).astype(np.float32)
    noise *= 0.1 * np.linalg.norm(wave) / np.linalg.norm(noise)
    assert si_sdr(3 * (wave + noise), wave) == pytest.approx(20.0, abs=0.3)
    assert log_spectral_distance(wave, wave) == 0.0
    clicks = np.zeros(2 * RATE, dtype=np.float32)
    for place in (4000, 12000, 20000, 27000):
        clicks[place : place + 400] = np.hanning(400)
    assert onset_f1(clicks, clicks, RATE) == 1.0
    assert onset_f1(np.roll(clicks, 4000), clicks, RATE) < 0.5


def _job(folder: Path, **changes: int) -> TrainingJob:
    def batch(rng: np.random.Generator) -> torch.Tensor:
        rows = [tone(float(rng.uniform(100, 900)), 0.08) for _ in range(2)]
        return torch.from_numpy(np.stack(rows))[:, None]

    return TrainingJob(
        name="codec",
        folder=folder,
        model=tiny_codec(warmup_steps=3),
        settings=JobSettings(steps=6, batch_size=2, lr=1e-4, warmup_steps=1, weight_decay=0.0),
        batch=batch,
        loss=reconstruction_loss(SpectralLoss(RATE, (256,), (16,)), {}),
        **changes,
    )


def test_resumed_training_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    """Codebooks, their averages and the reservoir are part of the checkpoint."""
    run_training(_job(tmp_path / "whole"))
    run_training(_job(tmp_path / "parts", stop_at_step=4))
    run_training(_job(tmp_path / "parts"))
    models = []
    for name in ("whole", "parts"):
        model = tiny_codec(warmup_steps=3)
        restore_model(model, tmp_path / name)
        models.append(model.state_dict())
    for name, value in models[0].items():
        torch.testing.assert_close(models[1][name], value, msg=name)


def test_saved_codec_gives_the_same_codes(tmp_path: Path) -> None:
    model = with_codebooks()
    save_part(tmp_path, model.codec, model.codec.config, "audio_encoder.")
    loaded = EncodecModel(codec_config(TINY)).eval()
    load_part(tmp_path, loaded, "audio_encoder.")
    wave = noise(3)
    same = (encode_song(loaded, wave) == encode_song(model.codec, wave)).mean()
    assert same > 0.9  # half precision may move a code that was near a border
