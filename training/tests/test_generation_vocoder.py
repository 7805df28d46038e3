"""The codec's vocoder start: an untrained EnCodec that already analyses and plays."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import EncodecModel

from mumu_training.generation.codec import codec_config, decode_codes, encode_song, run_part
from mumu_training.generation.decoder_fit import Leaks, fit_decoder
from mumu_training.generation.quantizer import refit_codebooks
from mumu_training.generation.sample import DEFAULT_RECIPE
from mumu_training.generation.vocoder_start import (
    band_centres,
    fit_logarithm,
    freeze_oscillators,
    start_as_vocoder,
    steady_oscillator,
)
from mumu_training.loop import trainable_state
from mumu_training.recipe import RecipeError, load_recipe
from mumu_training.stage0.codec import latents_of
from mumu_training.stage0.codec import run as train_codec
from mumu_training.start import begin
from vocoder_support import BANDS, HOP, RATE, VOCODER


def vocoder() -> EncodecModel:
    """A codec with a vocoder's start; its codebooks are random."""
    torch.manual_seed(3)
    model = EncodecModel(codec_config(VOCODER)).eval()
    start_as_vocoder(model, np.full(BANDS, 0.02))
    freeze_oscillators(model)
    return model


@pytest.fixture(scope="module")
def codec() -> EncodecModel:
    return vocoder()


@torch.inference_mode()
def round_trip(codec: EncodecModel, wave: NDArray[np.float32]) -> NDArray[np.float32]:
    latents = run_part(codec, codec.encoder, torch.from_numpy(wave)[None, None])
    return run_part(codec, codec.decoder, latents)[0, 0].numpy()


@pytest.mark.parametrize("cycles", [0.02, 0.27, 0.5, 0.81])
def test_oscillator_turns_evenly_for_a_minute(cycles: float) -> None:
    """In a real LSTM: after 1,500 frames its circle is as wide and its phase is where it should be."""
    angle = 2 * math.pi * cycles
    weights, bias, centre = steady_oscillator(angle)
    lstm = nn.LSTM(2, 2)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.zero_()
        lstm.bias_ih_l0[:4] = 15.0
        lstm.bias_ih_l0[6:] = 15.0
        lstm.weight_hh_l0[4:6] = weights
        lstm.bias_ih_l0[4:6] = bias
        states = lstm(torch.zeros(1500, 1, 2))[0][:, 0] - torch.tanh(centre)
    radius = states.norm(dim=1)
    assert float(radius.min()) > 0.5 * float(radius.max())
    turned = np.unwrap(np.arctan2(states[:, 1].numpy(), states[:, 0].numpy()))
    steps = np.angle(np.exp(1j * (np.diff(turned) - angle)))
    # A tone's frequency is off by this share of the frame rate (25 Hz).
    assert abs(steps.mean()) / (2 * math.pi) * 25 < 0.4


def test_latents_are_close_to_a_logarithm() -> None:
    fit = fit_logarithm()
    assert (fit.weights > 0).all()
    assert fit.slope > 0


def test_held_note_stays_one_note(codec: EncodecModel) -> None:
    """A steady A4 comes back in tune, at about its level, without pulsing at the frame rate."""
    time = np.arange(4 * RATE) / RATE
    made = round_trip(codec, (0.1 * np.sin(2 * np.pi * 440 * time)).astype(np.float32))
    steady = made[RATE : 3 * RATE]
    spectrum = np.abs(np.fft.rfft(steady * np.hanning(len(steady)))) ** 2
    hertz = np.fft.rfftfreq(len(steady), 1 / RATE)
    assert abs(hertz[spectrum.argmax()] - 440) < 3
    around = (hertz > 380) & (hertz < 500)
    assert spectrum[around].sum() > 0.8 * spectrum.sum()
    level = 20 * np.log10(np.sqrt((steady**2).mean()) / (0.1 / np.sqrt(2)))
    assert -9 < level < 6


def test_louder_is_louder_and_silence_is_quiet(codec: EncodecModel) -> None:
    time = np.arange(2 * RATE) / RATE
    tone = np.sin(2 * np.pi * 523.25 * time)
    levels = [
        float(np.sqrt((round_trip(codec, (a * tone).astype(np.float32)) ** 2).mean()))
        for a in (0.0, 0.02, 0.1)
    ]
    assert 1.5 * levels[0] < levels[1]
    assert 2 * levels[1] < levels[2] < 8 * levels[1]


def test_notes_begin_when_they_begin(codec: EncodecModel) -> None:
    """Energy after a pause of half a second rises within two frames of the note."""
    wave = np.zeros(2 * RATE, dtype=np.float32)
    wave[RATE:] = 0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    made = round_trip(codec, wave)
    before = np.sqrt((made[RATE // 2 : RATE - 2 * HOP] ** 2).mean())
    after = np.sqrt((made[RATE + 2 * HOP : RATE + 6 * HOP] ** 2).mean())
    assert after > 3 * before  # training makes pauses quieter still


def test_oscillators_are_frozen_but_kept(codec: EncodecModel) -> None:
    lstm = next(layer for layer in codec.decoder.layers if hasattr(layer, "lstm")).lstm
    assert not lstm.weight_hh_l0.requires_grad
    assert lstm.weight_hh_l1.requires_grad
    name = next(n for n, p in codec.named_parameters() if p is lstm.weight_hh_l0)
    assert name in trainable_state(codec)


def test_bands_are_semitones_of_equal_temperament() -> None:
    centres = band_centres(BANDS, RATE)
    assert len(centres) == BANDS
    assert np.all(np.diff(centres) > 0)
    assert np.abs(centres - 440).min() < 1e-9
    assert centres[-1] < RATE / 2


def semitones(*numbers: int, seconds: float = 2.0) -> NDArray[np.float32]:
    """Steady tones together, by MIDI number."""
    time = np.arange(round(seconds * RATE)) / RATE
    hertz = 440 * 2 ** ((np.array(numbers) - 69) / 12)
    return (0.05 * np.sin(2 * np.pi * hertz[:, None] * time).sum(axis=0)).astype(np.float32)


def beside(wave: NDArray[np.float32], numbers: NDArray[np.int64]) -> float:
    """Share of the energy that is nearer to a neighbour of these notes, a semitone off, than to them."""
    steady = wave[RATE // 4 : 3 * RATE // 4]
    spectrum = np.abs(np.fft.rfft(steady * np.hanning(len(steady)))) ** 2
    with np.errstate(divide="ignore"):
        pitch = 69 + 12 * np.log2(np.fft.rfftfreq(len(steady), 1 / RATE) / 440)
    off = np.abs(pitch[:, None] - numbers).min(axis=1)
    return float(spectrum[(off > 0.5) & (off < 2.5)].sum() / spectrum.sum())


def band_of(number: int) -> int:
    """Place of a semitone among the bands."""
    return int(np.abs(band_centres(BANDS, RATE) - 440 * 2 ** ((number - 69) / 12)).argmin())


def test_leaks_are_beside_a_note_and_not_in_it(codec: EncodecModel) -> None:
    """The neighbours of C4 in 80 ms are down by much more in 256; two notes a whole tone apart both stay,
    and so does noise above the notes."""
    leaks = Leaks(codec)
    inside = slice(10, 40)
    alone = leaks.of(semitones(60))[:, inside].mean(axis=1)
    place = band_of(60)
    assert alone[place] > -0.05
    assert alone[place - 1] < -0.5
    assert alone[place + 1] < -0.5
    both = leaks.of(semitones(60, 62))[:, inside].mean(axis=1)
    assert min(both[place], both[place + 2]) > -0.2
    assert both[place + 1] < -0.3
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    assert (leaks.of(noise)[leaks.tones.stop :] == 0).all()


def test_a_fitted_decoder_plays_notes_without_their_neighbours(codec: EncodecModel) -> None:
    """Fitted to chords it leaves less beside their notes; nothing but its first convolution changes."""
    torch.manual_seed(4)
    rng = np.random.default_rng(6)
    notes = [48 + rng.permutation(8)[:3] * 3 for _ in range(30)]
    chords = [semitones(*numbers, seconds=1.0) for numbers in notes]
    fitted = vocoder()
    refit_codebooks(fitted.quantizer, latents_of(codec, chords))
    kept = {name: value.clone() for name, value in fitted.state_dict().items()}

    def fuzz() -> float:
        made = (decode_codes(fitted, encode_song(fitted, chord)) for chord in chords)
        return float(np.mean([beside(*pair) for pair in zip(made, notes, strict=True)]))

    before = fuzz()
    error, left = fit_decoder(fitted, chords, 1.0)
    assert left < 0.5 * error
    assert fuzz() < 0.5 * before
    for name, value in fitted.state_dict().items():
        if not name.startswith("decoder.layers.0."):
            assert torch.equal(value, kept[name]), name


def test_a_finished_codec_is_not_fitted_again(tmp_path: Path) -> None:
    """A music decoder speaks the codes it has; a codec kept from a checkpoint stays it, too."""
    recipe = replace(load_recipe(DEFAULT_RECIPE), runs=tmp_path / "runs", data=tmp_path / "none")
    begin(recipe, DEFAULT_RECIPE.parents[2] / "models" / "mini", (), ("codec",))
    final = recipe.run_folder("codec") / "final.safetensors"
    before = final.read_bytes()
    train_codec(recipe)  # would want songs
    assert final.read_bytes() == before


def test_only_a_vocoder_is_fitted() -> None:
    """Any other codec's first convolution has other things in those rows."""
    recipe = load_recipe(DEFAULT_RECIPE)
    job = recipe.jobs["codec"]
    other = replace(job, options={**job.options, "start": "transform"})
    with pytest.raises(RecipeError, match="fit_songs needs start: vocoder"):
        train_codec(replace(recipe, jobs={**recipe.jobs, "codec": other}))
