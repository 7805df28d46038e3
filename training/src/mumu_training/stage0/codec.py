"""Stage 0: train the audio codec on the rendered songs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import EncodecModel

from mumu_training.data.manifest import MusicRecord, Split, made_by, read_music
from mumu_training.generation.codec import (
    CodecForTraining,
    codec_config,
    decode_codes,
    encode_latents,
    encode_song,
)
from mumu_training.generation.decoder_fit import fit_decoder
from mumu_training.generation.export import CONFIG, save_part
from mumu_training.generation.losses import SpectralLoss, wave_loss
from mumu_training.generation.measures import log_spectral_distance, onset_f1, si_sdr
from mumu_training.generation.quantizer import refit_codebooks
from mumu_training.generation.songs import SongBank
from mumu_training.generation.vocoder_start import (
    band_strength,
    freeze_oscillators,
    start_as_vocoder,
)
from mumu_training.loop import TrainingJob, run_training
from mumu_training.recipe import Recipe, RecipeError
from mumu_training.runs import load_run
from mumu_training.stage0.media import DataError, of_seeds

AUDIO_PREFIX = "audio_encoder."
"""What the codec is called in MusicgenForConditionalGeneration."""


def wait_for_songs(
    folder: Path,
    split: Split,
    least: int,
    patience: float = 0.0,
    seeds: Sequence[int] | None = None,
) -> list[MusicRecord]:
    """Songs of a split (of these seeds only) that are on disk, waiting up to `patience` minutes for
    `least` of them.

    Raises DataError when there are fewer.
    """
    deadline = time.monotonic() + patience * 60
    while True:
        try:
            wanted = [r for r in read_music(folder, split) if made_by(r, seeds)]
            records = [r for r in wanted if (folder / r.path).is_file()]
        except FileNotFoundError:
            records = []
        if len(records) >= least:
            return records
        if time.monotonic() >= deadline:
            raise DataError(
                f"{folder} has {len(records)} songs{of_seeds(seeds)} in its {split} split, not {least}"
            )
        time.sleep(20)


def codec_from_recipe(
    recipe: Recipe, warmup_steps: int = 300, bank: SongBank | None = None
) -> CodecForTraining:
    """The codec of a recipe with the weights its job's `start` says: `transform` (an MDCT) or
    `vocoder` (oscillators, their bands balanced on songs of `bank`)."""
    config = codec_config(recipe.component("codec"))
    kind = recipe.job("codec").options.get("start", "transform")
    if kind == "transform":
        return CodecForTraining(config, warmup_steps=warmup_steps)
    if kind != "vocoder":
        raise RecipeError(f"the codec's start is {kind!r}; it can be transform or vocoder")
    if bank is None:
        raise ValueError("a vocoder start needs songs")
    songs = list(bank.first(40))
    strength = band_strength(songs, config.hidden_size, config.hop_length, config.sampling_rate)

    def start(codec: EncodecModel) -> None:
        start_as_vocoder(codec, strength)
        freeze_oscillators(codec)

    return CodecForTraining(config, start, warmup_steps=warmup_steps)


def codec_of(model: nn.Module) -> EncodecModel:
    """The EncodecModel inside a codec under training."""
    assert isinstance(model, CodecForTraining)
    return model.codec


def reconstruction_loss(
    spectral: SpectralLoss, options: Mapping[str, Any]
) -> Callable[[nn.Module, Tensor], tuple[Tensor, Mapping[str, float]]]:
    """Loss of one batch of waveforms `[B, 1, T]`: spectra + waveform + commitment."""
    wave_weight = float(options.get("wave_weight", 3.0))
    spectral_weight = float(options.get("spectral_weight", 0.3))
    commitment_weight = float(options.get("commitment_weight", 0.25))
    means: dict[str, float] = {}  # one batch is a noisy figure

    def loss(model: nn.Module, wave: Tensor) -> tuple[Tensor, Mapping[str, float]]:
        made, commitment = model(wave)
        spectra, samples = spectral(made, wave), wave_loss(made, wave)
        total = spectral_weight * spectra + wave_weight * samples + commitment_weight * commitment
        figures = {
            "spectral": spectra.item(),
            "wave": samples.item(),
            "commitment": commitment.item(),
        }
        for name, value in figures.items():
            means[name] = 0.95 * means.get(name, value) + 0.05 * value
        return total, {**figures, "spectral_mean": means["spectral"], "wave_mean": means["wave"]}

    return loss


def measure_codec(codec: EncodecModel, bank: SongBank, songs: int) -> dict[str, float]:
    """Round trips of whole songs through transformers' own encode and decode."""
    rows = []
    used = np.zeros((codec.config.num_quantizers, codec.config.codebook_size), dtype=bool)
    for true in bank.first(songs):
        codes = encode_song(codec, true)
        for level, row in enumerate(codes):
            used[level, row] = True
        made = decode_codes(codec, codes)[: len(true)]
        rows.append(
            (
                si_sdr(made, true),
                log_spectral_distance(made, true),
                onset_f1(made, true, bank.rate),
            )
        )
    sdr, distance, onsets = np.mean(rows, axis=0)
    return {
        "si_sdr_db": float(sdr),
        "lsd_db": float(distance),
        "onset_f1": float(onsets),
        "codes_used": float(used.mean()),
    }


def run(recipe: Recipe, resume: bool = True) -> dict[str, float]:
    """Train the `codec` job, on the processor; writes `final.safetensors` and `config.json` beside it."""
    settings = recipe.job("codec")
    options = settings.options
    if options.get("fit_songs") and options.get("start") != "vocoder":
        raise RecipeError("the codec's fit_songs needs start: vocoder")
    folder = recipe.run_folder("codec")
    state = load_run(folder) if resume else None
    if state and (state.get("kept") or (state["done"] and (folder / CONFIG).is_file())):
        # Fitted again, to the songs there are now, its codes would mean something else.
        print("codec: finished already", flush=True)
        return dict(state.get("figures", {}))
    config = codec_config(recipe.component("codec"))
    least, patience = int(options.get("least_songs", 1)), float(options.get("patience", 0))
    records = wait_for_songs(recipe.data, "train", least, patience, options.get("seeds"))
    bank = SongBank(recipe.data, records, config.sampling_rate)
    valid = wait_for_songs(recipe.data, "valid", 1, patience)
    valid_bank = SongBank(recipe.data, valid, config.sampling_rate)
    torch.manual_seed(recipe.seed)
    model = codec_from_recipe(recipe, int(options.get("warmup_steps", 300)), bank)
    hop = config.hop_length
    length = round(float(options.get("crop_seconds", 1.0)) * config.sampling_rate / hop) * hop
    low, high = options.get("gain_db", [-9, 3])

    def batch(rng: np.random.Generator) -> Tensor:
        return torch.from_numpy(
            bank.crops(rng, settings.batch_size, length, (float(low), float(high)))
        )

    spectral = SpectralLoss(config.sampling_rate)
    figures = run_training(
        TrainingJob(
            name="codec",
            folder=folder,
            model=model,
            settings=settings,
            batch=batch,
            loss=reconstruction_loss(spectral, options),
            seed=recipe.seed,
            evaluate=lambda trained: measure_codec(
                codec_of(trained), valid_bank, int(options.get("valid_songs", 12))
            ),
        ),
        resume,
    )
    codec = model.codec.eval()
    if songs := int(options.get("refit_songs", 0)):
        torch.manual_seed(recipe.seed)
        left = refit_codebooks(codec.quantizer, latents_of(codec, bank.first(songs)))
        print(f"codec: codebooks refitted, {left:.1%} of the latents' variance left", flush=True)
    if songs := int(options.get("fit_songs", 0)):
        before, after = fit_decoder(codec, bank.first(songs), float(options.get("sharpness", 0.5)))
        print(
            f"codec: decoder fitted, error of its latents {before:.3f} -> {after:.3f}", flush=True
        )
    if options.get("refit_songs") or options.get("fit_songs"):
        figures = {
            **figures,
            **measure_codec(codec, valid_bank, int(options.get("valid_songs", 12))),
        }
        print(
            "codec:", " ".join(f"{key} {value:.3g}" for key, value in figures.items()), flush=True
        )
    save_part(folder, codec, config, AUDIO_PREFIX)
    return figures


def latents_of(codec: EncodecModel, songs: Iterable[NDArray[np.float32]]) -> Tensor:
    """What the encoder makes of songs, `[frames, D]`."""
    return torch.cat([encode_latents(codec, song)[0].T for song in songs])
