"""Evaluation on songs of the test split: right answers beside swapped audio and beside chance."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mumu_training.data.manifest import MusicRecord
from mumu_training.models.mumu import Mumu
from mumu_training.recipe import Recipe
from mumu_training.stage0 import media
from mumu_training.stage0.corpus import Conversations
from mumu_training.stages.common import load_stage, load_tokenizer
from mumu_training.stages.features import Features
from mumu_training.stages.listening import (
    INSTRUMENT_QUESTION,
    TEMPO_QUESTION,
    answers,
    music_when_asked,
    says_instrument,
    says_tempo,
    song_features,
)
from mumu_training.text import PromptTokenizer

JOB = "evaluate"
FILE = "evaluation.json"
Hits = NDArray[np.float64]


def bootstrap(difference: Hits, rounds: int = 10000, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean of paired differences, by resampling songs."""
    rng = np.random.default_rng(seed)
    picks = rng.integers(len(difference), size=(rounds, len(difference)))
    low, high = np.percentile(difference[picks].mean(1), [2.5, 97.5])
    return float(low), float(high)


def chance_instrument(records: Sequence[MusicRecord], train: Sequence[MusicRecord]) -> float:
    """Share right when always naming the training songs' most common instrument."""
    common = Counter(record.attributes.instrument for record in train).most_common(1)[0][0]
    return sum(record.attributes.instrument == common for record in records) / len(records)


def chance_tempo(records: Sequence[MusicRecord], train: Sequence[MusicRecord]) -> float:
    """Share within 10 % when always naming the one tempo that fits most training songs."""
    tempos = np.array([record.attributes.tempo for record in train])
    guesses = np.arange(50, 190)
    shares = [(np.abs(guess / tempos - 1) <= 0.1).mean() for guess in guesses]
    best = guesses[int(np.argmax(shares))]
    truth = np.array([record.attributes.tempo for record in records])
    return float((np.abs(best / truth - 1) <= 0.1).mean())


def ask(
    mumu: Mumu,
    tokenizer: PromptTokenizer,
    features: Features,
    records: Sequence[MusicRecord],
) -> dict[str, Any]:
    """Both questions about every song, with its own features and with another song's."""
    own = song_features(mumu, features, records)
    swapped = own.roll(len(records) // 2, 0)
    result: dict[str, Any] = {}
    for name, question in (("instrument", INSTRUMENT_QUESTION), ("tempo10", TEMPO_QUESTION)):
        hits: list[Hits] = []
        for feature in (own, swapped):
            ids = answers(mumu, tokenizer, (feature, None, None), question, len(records))
            texts = [tokenizer.decode(row) for row in ids]
            right = [
                says_instrument(text, record.attributes.instrument)
                if name == "instrument"
                else says_tempo(text, record.attributes.tempo)
                for text, record in zip(texts, records, strict=True)
            ]
            hits.append(np.array(right, dtype=np.float64))
        low, high = bootstrap(hits[0] - hits[1])
        result[name] = {
            "right": float(hits[0].mean()),
            "swapped": float(hits[1].mean()),
            "difference_95": [round(low, 4), round(high, 4)],
        }
    return result


def run(recipe: Recipe, resume: bool = True) -> None:
    """Evaluate the finished stages on test songs; writes evaluation.json in the run folder."""
    del resume
    settings = recipe.job(JOB) if JOB in recipe.jobs else None
    count = int(settings.options.get("songs", 100)) if settings else 100
    done = [stage for stage in recipe.order if (recipe.run_folder(stage) / "last.pt").exists()]
    mumu = load_stage(recipe, *done).eval()
    tokenizer, features = load_tokenizer(recipe), Features(recipe)
    records = media.music(recipe.data, "test")[:count]
    train = media.music(recipe.data, "train")
    result = ask(mumu, tokenizer, features, records)
    result["instrument"]["chance"] = chance_instrument(records, train)
    result["tempo10"]["chance"] = chance_tempo(records, train)
    unseen = Conversations(recipe, "test")
    with torch.no_grad():
        rows = [unseen.draw(np.random.default_rng([9, index])) for index in range(count)]
        result |= music_when_asked(mumu, tokenizer, features, rows)
    result |= {"songs": len(records), "split": "test", "decoding": "greedy", "stages": done}
    path = recipe.run_folder(JOB) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def read_evaluation(recipe: Recipe) -> dict[str, Any]:
    """The last evaluation's figures (empty where there was none)."""
    path: Path = recipe.run_folder(JOB) / FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
