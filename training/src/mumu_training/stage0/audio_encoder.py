"""Stage 0, audio encoder: Hubert's shape trained with supervised heads on the generated songs.

Crops of some seconds, lightly augmented. Speeding a song up by k semitones (plain resampling) moves its
tempo by 2^(k/12) and its key by k, so both labels stay exact and tempo variety multiplies.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import HubertModel

from mumu_training.data import vocabulary
from mumu_training.data.augment import equalise
from mumu_training.data.manifest import SAMPLE_RATE, MusicRecord
from mumu_training.loop import TrainingJob, pick_device, restore_model, run_training
from mumu_training.models.audio_encoder import (
    build_audio_encoder,
    normalise,
    start_as_filter_bank,
)
from mumu_training.recipe import Recipe
from mumu_training.stage0 import media
from mumu_training.stage0.attributes import TEMPO_BINS, tempo_bell, tempo_centres
from mumu_training.stage0.heads import (
    Heads,
    Labels,
    SupervisedEncoder,
    accuracy,
    collate,
    head_loss,
)

JOB = "audio"
# Key and mode at once. Which of two modes it is cannot be read off the pitch classes alone, but
# which of the 24 keys can, by one linear layer.
TONALITIES = [f"{key} {mode}" for key in vocabulary.KEYS for mode in vocabulary.MODES]
Batch = tuple[Tensor, dict[str, Tensor], Tensor]


def labels() -> Labels:
    """The closed label spaces of a song."""
    return Labels(
        {
            "instrument": list(vocabulary.INSTRUMENTS),
            "family": vocabulary.FAMILIES,
            "key": vocabulary.KEYS,
            "mode": vocabulary.MODES,
            "tonality": TONALITIES,
            "metre": vocabulary.METRES,
            "style": vocabulary.STYLES,
            "mood": vocabulary.MOODS,
            "density": vocabulary.DENSITIES,
            "drums": ("False", "True"),
        }
    )


def facts(record: MusicRecord) -> dict[str, object]:
    """What the heads have to tell of a song."""
    own = record.attributes
    return {**vars(own), "tonality": f"{own.key} {own.mode}"}


def tempo_of(logits: Tensor) -> NDArray[np.float64]:
    """Tempo in beats a minute from logits `[batch, bins]`: the mean (in log) around the peak."""
    probabilities = torch.softmax(logits.float(), -1).numpy()
    result = []
    for row in probabilities:
        peak = int(row.argmax())
        low, high = max(0, peak - 1), min(TEMPO_BINS, peak + 2)
        weights = row[low:high]
        result.append(np.exp((weights * np.log(tempo_centres()[low:high])).sum() / weights.sum()))
    return np.array(result)


def augment(
    samples: NDArray[np.float32], rate: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Light, label-keeping changes: another balance of bass and treble, and a little noise."""
    if rng.random() < 0.5:
        samples = equalise(samples, rate, rng, gain=8.0)
    if rng.random() < 0.3:
        level = samples.std() * 10 ** rng.uniform(-2.5, -1.5)
        samples = samples + (level * rng.standard_normal(len(samples))).astype(np.float32)
    return samples.astype(np.float32)


def speed_up(samples: NDArray[np.float32], factor: float, length: int) -> NDArray[np.float32]:
    """`length` samples at `factor` times the speed, by linear interpolation."""
    places = np.arange(length) * factor
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)


class Songs:
    """The songs of a split in memory; may be told to look for new ones while data still arrives."""

    def __init__(self, folder: Path, split: str, seeds: Sequence[int] | None = None) -> None:
        """`seeds` keeps only what was made with these seeds of the generators."""
        self.folder, self.split, self.seeds = folder, split, seeds
        self.records: list[MusicRecord] = []
        self.samples: list[NDArray[np.int16]] = []
        self._looked = 0.0
        self.refresh()

    def refresh(self) -> None:
        """Load songs that have been written since."""
        for record in media.music(self.folder, self.split, self.seeds)[len(self.records) :]:
            self.samples.append(media.read_samples(self.folder, record))
            self.records.append(record)
        self._looked = time.monotonic()

    def refresh_after(self, minutes: float) -> None:
        """Load new songs if the last look was that long ago."""
        if time.monotonic() - self._looked > minutes * 60:
            before = len(self.records)
            self.refresh()
            print(f"songs: {before} -> {len(self.records)}", flush=True)


def training_batch(
    songs: Songs, size: int, crop: int, stretch: int, rng: np.random.Generator
) -> Batch:
    """Random crops `[batch, crop]` with class numbers and tempo targets `[batch, bins]`."""
    space = labels()
    rows, targets, tempos = [], [], []
    for index in rng.integers(len(songs.records), size=size):
        record, samples = songs.records[index], songs.samples[index]
        semitones = int(rng.integers(-stretch, stretch + 1))
        factor = 2 ** (semitones / 12)
        needed = min(len(samples), math.ceil(crop * factor) + 1)
        start = int(rng.integers(len(samples) - needed + 1))
        piece = samples[start : start + needed].astype(np.float32) / 32768
        rows.append(augment(speed_up(piece, factor, crop), SAMPLE_RATE, rng))
        target = space.encode(facts(record))
        target["key"] = (target["key"] + semitones) % len(vocabulary.KEYS)
        target["tonality"] = target["key"] * len(vocabulary.MODES) + target["mode"]
        targets.append(target)
        tempos.append(tempo_bell(record.attributes.tempo * factor))
    return (
        torch.from_numpy(np.stack(rows)),
        collate(targets),
        torch.from_numpy(np.stack(tempos)),
    )


def first_songs(songs: Songs, crop: int, count: int = 24) -> Tensor:
    """The beginnings of a few songs `[count, crop]`."""
    pieces = [samples[:crop].astype(np.float32) / 32768 for samples in songs.samples[:count]]
    return torch.from_numpy(np.stack([np.pad(p, (0, crop - len(p))) for p in pieces]))


def build_model(dims: dict[str, Any], samples: Tensor | None = None) -> SupervisedEncoder:
    """The encoder, started as a filter bank (its bands balanced on `samples`), with its heads."""
    encoder = build_audio_encoder(dims)
    start_as_filter_bank(encoder, dims["sampling_rate"], samples)
    sizes = {**labels().sizes(), "tempo": TEMPO_BINS}
    return SupervisedEncoder(encoder, Heads(dims["hidden_size"], sizes))


def _logits(model: nn.Module, samples: Tensor) -> dict[str, Tensor]:
    assert isinstance(model, SupervisedEncoder)
    return model.heads(model.encoder(normalise(samples)).last_hidden_state)


def evaluate(
    model: nn.Module, songs: Songs, crop: int, limit: int, device: str
) -> dict[str, float]:
    """Accuracy by label, and the shares of tempos within 10 % (`tempo10`) and 8 % (`tempo8`), on the
    songs' middles."""
    space = labels()
    hits: list[bool] = []
    near: list[bool] = []

    def batches() -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
        count = min(limit, len(songs.records))
        for start in range(0, count, 16):
            chosen = range(start, min(count, start + 16))
            rows = []
            for index in chosen:
                samples = songs.samples[index]
                begin = max(0, (len(samples) - crop) // 2)
                piece = samples[begin : begin + crop].astype(np.float32) / 32768
                rows.append(np.pad(piece, (0, crop - len(piece))))
            made = _logits(model, torch.from_numpy(np.stack(rows)).to(device))
            logits = {name: value.float().cpu() for name, value in made.items()}
            truth = np.array([songs.records[index].attributes.tempo for index in chosen])
            errors = np.abs(tempo_of(logits["tempo"]) / truth - 1)
            hits.extend((errors < 0.1).tolist())
            near.extend((errors < 0.08).tolist())
            targets = [space.encode(facts(songs.records[index])) for index in chosen]
            yield logits, collate(targets)

    figures = accuracy(batches())
    return {**figures, "tempo10": float(np.mean(hits)), "tempo8": float(np.mean(near))}


def run(recipe: Recipe, resume: bool) -> None:
    """Train the audio encoder; the result is in the run folder of the job `audio`."""
    settings = recipe.job(JOB)
    dims = recipe.component("audio_encoder")
    options = settings.options
    crop = int(float(options.get("crop_seconds", 6)) * dims["sampling_rate"])
    stretch = int(options.get("stretch_semitones", 4))
    weights = {str(key): float(value) for key, value in options.get("weights", {}).items()}
    tempo_weight = weights.get("tempo", 1.0)
    refresh = options.get("refresh_minutes")
    songs = Songs(recipe.data, "train", options.get("seeds"))
    unseen = Songs(recipe.data, "valid")
    print(f"audio encoder: {len(songs.records)} songs, {len(unseen.records)} to validate on")
    device = pick_device()
    torch.manual_seed(recipe.seed)

    def batch(rng: np.random.Generator) -> Batch:
        if refresh is not None:
            songs.refresh_after(float(refresh))
        return training_batch(songs, settings.batch_size, crop, stretch, rng)

    def loss(model: nn.Module, made: Batch) -> tuple[Tensor, dict[str, float]]:
        samples, targets, tempos = made
        logits = _logits(model, samples.to(device))
        logits = {name: value.float().cpu() for name, value in logits.items()}
        total, figures = head_loss(logits, targets, weights)
        tempo = functional.cross_entropy(logits["tempo"], tempos)
        distance = (logits["tempo"].argmax(-1) - tempos.argmax(-1)).abs()
        figures["tempo_loss"] = float(tempo.detach())
        figures["tempo10"] = float((distance <= 3).float().mean())
        return total + tempo_weight * tempo, figures

    run_training(
        TrainingJob(
            name=JOB,
            folder=recipe.run_folder(JOB),
            model=build_model(dims, first_songs(songs, crop)),
            settings=settings,
            batch=batch,
            loss=loss,
            seed=recipe.seed,
            device=device,
            evaluate=lambda model: evaluate(
                model, unseen, crop, int(options.get("valid_songs", 96)), device
            ),
        ),
        resume,
    )


def load_encoder(recipe: Recipe) -> HubertModel:
    """The trained encoder, frozen, without its heads."""
    model = build_model(recipe.component("audio_encoder"))
    restore_model(model, recipe.run_folder(JOB))
    encoder = model.encoder.eval().requires_grad_(False)
    assert isinstance(encoder, HubertModel)
    return encoder
