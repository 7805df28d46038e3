"""Suite "speed": do "fast" prompts measure faster than "slow" ones? Needs no judge.

Both prompts of a pair, which differ in that word alone, are made with one seed and compared by
librosa's onset rate. Lengths, silence and clipping of all pieces are told besides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mumu_training.evaluation.client import MumuClient
from mumu_training.evaluation.music_measures import onset_rate
from mumu_training.evaluation.report import Outcome, Table, interval, percent
from mumu_training.evaluation.statistics import bootstrap_interval
from mumu_training.evaluation.text2music import Maker, prompt_pairs
from mumu_training.judge.features import RATE


def evaluate_speed(
    client: MumuClient,
    pairs: int = 40,
    seconds: float = 8.0,
    report: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Make `pairs` pairs of pieces of `seconds` and compare their onset rates."""
    maker = Maker(client, seconds, report)
    rows: list[dict[str, Any]] = []
    for number, pair in enumerate(prompt_pairs(pairs), start=1):
        pieces = maker.make(list(pair), [number, number])
        rates = [onset_rate(piece.audio, RATE) for piece in pieces]
        captions = [piece.answer.caption for piece in pieces]
        rows.append({"prompts": pair, "captions": captions, "onset_rates": rates})
        if number % 5 == 0:
            report(f"{number}/{pairs} pairs of fast and slow")
    table = np.array([row["onset_rates"] for row in rows])
    wins = [float(fast > slow) for fast, slow in table]
    results: dict[str, Any] = {
        "fast_measures_faster": float(np.mean(wins)),
        "fast_measures_faster_interval": bootstrap_interval(wins),
        "mean_onset_rate_fast": float(table[:, 0].mean()),
        "mean_onset_rate_slow": float(table[:, 1].mean()),
        "largest_length_error": max(maker.errors),
        "silent": sum(bool(one["silent"]) for one in maker.levels),
        "clipped": sum(bool(one["clipped"]) for one in maker.levels),
    }
    outcome = Outcome("speed", f"{pairs} pairs of {seconds:g} s.", results, rows=rows)
    spread = interval(results["fast_measures_faster_interval"])
    outcome.tables.append(
        Table(
            ["measure", "value"],
            [
                ["fast measures faster", f"{percent(results['fast_measures_faster'])} ({spread})"],
                [
                    "onsets a second, fast / slow",
                    f"{results['mean_onset_rate_fast']:.2f} / "
                    f"{results['mean_onset_rate_slow']:.2f}",
                ],
                ["largest error of length", f"{results['largest_length_error']:.2%}"],
                ["silent / clipped pieces", f"{results['silent']} / {results['clipped']}"],
            ],
        )
    )
    return outcome
