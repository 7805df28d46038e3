"""Generated music: length as asked, never silent or clipped, and fast prompts that sound faster.

"Fast" and "slow" versions of one prompt are generated with the same seed and compared by onset rate.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa.feature
import numpy as np
import soundfile
from librosa.onset import onset_detect
from numpy.typing import NDArray

from mumu_training.evaluation.client import MumuClient
from mumu_training.evaluation.statistics import bootstrap_interval

INSTRUMENTS = (
    "piano",
    "violin",
    "trumpet",
    "acoustic guitar",
    "flute",
    "organ",
    "synth",
    "marimba",
)
STYLES = ("rock", "jazz", "folk", "pop", "techno")
SILENT_RMS = 10 ** (-50 / 20)


def prompt_pairs(count: int) -> list[tuple[str, str]]:
    """Pairs of prompts that differ only in their tempo word."""
    pairs = []
    for number in range(count):
        instrument = INSTRUMENTS[number % len(INSTRUMENTS)]
        style = STYLES[number // len(INSTRUMENTS) % len(STYLES)]
        rest = f"{style} piece with {instrument}"
        pairs.append((f"a fast {rest}", f"a slow {rest}"))
    return pairs


def onset_rate(samples: NDArray[np.float32], rate: int) -> float:
    """Onsets a second by librosa's detector (spectral flux, default peak picking)."""
    onsets = onset_detect(y=samples, sr=rate, units="time")
    return len(onsets) / (len(samples) / rate)


def measure(path: Path, asked: float) -> dict[str, float | bool]:
    """Length, level and onset rate of one file."""
    data, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = data.mean(axis=1)
    seconds = len(mono) / rate
    # Clipped: several samples in a row at full scale.
    full = np.abs(data).max(axis=1) >= 0.999
    longest = np.convolve(full.astype(np.int8), np.ones(3, dtype=np.int8)).max()
    return {
        "seconds": seconds,
        "length_error": abs(seconds / asked - 1),
        "rms": float(np.sqrt(np.mean(mono**2))),
        "silent": bool(np.sqrt(np.mean(mono**2)) < SILENT_RMS),
        "clipped": bool(longest >= 3),
        "onset_rate": onset_rate(mono, rate),
        "centroid": float(librosa.feature.spectral_centroid(y=mono, sr=rate).mean()),
    }


def evaluate_text2music(
    client: MumuClient,
    pairs: int = 40,
    seconds: float = 8.0,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Generate both prompts of every pair and measure them."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for number, (fast, slow) in enumerate(prompt_pairs(pairs), start=1):
            row: dict[str, Any] = {}
            for kind, prompt in (("fast", fast), ("slow", slow)):
                options = {"seed": number, "seconds": seconds, "format": "wav"}
                answer = client.ask("generate", prompt, options=options)
                path = client.download(answer, 0, Path(name))
                row[kind] = {"prompt": prompt, "caption": answer.caption, **measure(path, seconds)}
                row[kind]["timings"] = answer.timings
                path.unlink()
            rows.append(row)
            if number % 5 == 0:
                report(f"{number}/{pairs} pairs made")
    both = [row[kind] for row in rows for kind in ("fast", "slow")]
    wins = [float(row["fast"]["onset_rate"] > row["slow"]["onset_rate"]) for row in rows]
    return {
        "suite": "text2music",
        "pairs": pairs,
        "results": {
            "fast_measures_faster": sum(wins) / len(wins),
            "fast_measures_faster_interval": bootstrap_interval(wins),
            "mean_onset_rate_fast": float(np.mean([row["fast"]["onset_rate"] for row in rows])),
            "mean_onset_rate_slow": float(np.mean([row["slow"]["onset_rate"] for row in rows])),
            "largest_length_error": max(piece["length_error"] for piece in both),
            "silent": sum(piece["silent"] for piece in both),
            "clipped": sum(piece["clipped"] for piece in both),
        },
        "pieces": rows,
    }
