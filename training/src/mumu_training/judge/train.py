"""Trains the judge: resumable, on one core, in minutes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mumu_training.data.manifest import MusicAttributes
from mumu_training.data.vocabulary import MOODS
from mumu_training.evaluation.statistics import bootstrap_interval
from mumu_training.judge.features import Features
from mumu_training.judge.model import (
    INSTRUMENT_NAMES,
    Judge,
    Judgement,
    key_index,
    tempo_target,
)
from mumu_training.judge.tagger import Tagger

Song = tuple[Features, MusicAttributes]
_BATCH = 32
_WINDOW = 256
"""Frames of the spectrogram seen in training: 2.7 s."""
_RATE = 2e-3
_HELD = 0.1
"""Share of the songs (the last ones) that the judge's own accuracy is measured on."""
CHECKPOINT = "judge.pt"
_STATE = "training.pt"


def _batch(songs: Sequence[Song], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Random windows of the songs' spectrograms, and all of the rest, a little disturbed."""
    windows = []
    for features, _ in songs:
        mel = features.mel
        if len(mel) < _WINDOW:
            mel = np.pad(mel, ((0, _WINDOW - len(mel)), (0, 0)), mode="wrap")
        start = int(rng.integers(len(mel) - _WINDOW + 1))
        tilt = np.linspace(-1, 1, mel.shape[1]) * rng.normal(0, 0.15)
        windows.append(mel[start : start + _WINDOW] + tilt.astype(np.float32))
    seen = torch.from_numpy(np.stack(windows))
    rhythm = torch.from_numpy(np.stack([features.rhythm for features, _ in songs]))
    notes = torch.from_numpy(np.stack([features.notes for features, _ in songs]))
    return seen, rhythm + 0.02 * torch.randn_like(rhythm), notes


def loss_of(judged: Judgement, attributes: Sequence[MusicAttributes]) -> Tensor:
    """Sum of the heads' cross-entropies, in nats."""
    instruments = torch.tensor([INSTRUMENT_NAMES.index(a.instrument) for a in attributes])
    moods = torch.tensor([MOODS.index(a.mood) for a in attributes])
    keys = torch.tensor([key_index(a.key, a.mode) for a in attributes])
    tempi = tempo_target(torch.tensor([a.tempo for a in attributes]))
    return (
        functional.cross_entropy(judged.instrument, instruments)
        + 0.7 * functional.cross_entropy(judged.mood, moods)
        + 0.5 * functional.cross_entropy(judged.key, keys)
        + 0.7 * functional.cross_entropy(judged.tempo, tempi)
    )


def accuracy(tagger: Tagger, songs: Sequence[Song]) -> dict[str, Any]:
    """How often the judge is right, with 95 % intervals, by attribute."""
    right: dict[str, list[float]] = {"instrument": [], "mood": [], "mode": [], "tempo": []}
    for features, truth in songs:
        tags = tagger.tags(features)
        right["instrument"].append(float(tags.instrument == truth.instrument))
        right["mood"].append(float(tags.mood == truth.mood))
        right["mode"].append(float(tags.mode == truth.mode))
        right["tempo"].append(float(abs(tags.tempo / truth.tempo - 1) <= 0.08))
    return {
        name: {"right": float(np.mean(marks)), "interval": bootstrap_interval(marks)}
        for name, marks in right.items()
    }


def train(
    songs: list[Song],
    out: Path,
    epochs: int = 24,
    minutes: float = 12.0,
    seed: int = 3,
    width: int = 20,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Train on all songs but the last tenth, and measure on those; returns the measures.

    Stops after `epochs`, or `minutes` of all runs together; a run that was cut short is continued
    by the same call, an ended one is only measured. Writes judge.pt (weights, measures) in `out`.

    Raises:
        ValueError: there are fewer than 20 songs.
        FloatingPointError: the loss is not a number any more.
    """
    if len(songs) < 20:
        raise ValueError(f"{len(songs)} songs are too few to train a judge.")
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    held = max(4, round(_HELD * len(songs)))
    learned, tested = songs[:-held], songs[-held:]
    model = Judge(width)
    steps = epochs * -(-len(learned) // _BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, steps, pct_start=0.15)
    epoch, spent = 0, 0.0
    state_file = out / _STATE
    if state_file.is_file():
        state = torch.load(state_file, weights_only=True)
        if state["songs"] == len(songs) and state["epochs"] == epochs and state["width"] == width:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            schedule.load_state_dict(state["schedule"])
            epoch, spent = state["epoch"], state["spent"]
            report(f"judge: going on after epoch {epoch}")
    while epoch < epochs and spent < minutes * 60:
        started = time.monotonic()
        # Seeded by epoch: a run that was cut short goes on as it would have.
        rng = np.random.default_rng([seed, epoch])
        torch.manual_seed(seed * 1000 + epoch)
        model.train()
        total = 0.0
        order = rng.permutation(len(learned))
        for start in range(0, len(order), _BATCH):
            chosen = [learned[i] for i in order[start : start + _BATCH]]
            loss = loss_of(model(*_batch(chosen, rng)), [truth for _, truth in chosen])
            if not torch.isfinite(loss):
                raise FloatingPointError("judge: the loss is not finite; start over")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach()) * len(chosen)
        epoch += 1
        spent += time.monotonic() - started
        torch.save(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "epoch": epoch,
                "epochs": epochs,
                "songs": len(songs),
                "spent": spent,
                "width": width,
            },
            state_file,
        )
        report(f"judge: epoch {epoch}/{epochs}, loss {total / len(learned):.3f}, {spent:.0f} s")
    model.eval()
    measures = {"songs": len(learned), "tested": held, "epochs": epoch} | accuracy(
        Tagger(model), tested
    )
    torch.save(
        {"model": model.state_dict(), "width": width, "measures": json.dumps(measures)},
        out / CHECKPOINT,
    )
    (out / "judge.json").write_text(json.dumps(measures, indent=1) + "\n")
    return measures


def load_judge(folder: Path) -> Tagger:
    """The judge that `train` wrote.

    Raises:
        FileNotFoundError: there is none.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise FileNotFoundError(
            f"No judge in {folder}: train one with `python -m mumu_training.judge --out {folder}`."
        )
    kept = torch.load(path, weights_only=True)
    model = Judge(kept["width"])
    model.load_state_dict(kept["model"])
    model.eval()
    return Tagger(model, json.loads(kept["measures"]))
