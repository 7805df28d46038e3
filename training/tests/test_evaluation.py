"""The judge must be right before it judges: readers, swaps and intervals on worked examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy import stats

from mumu_training.evaluation.qa import QUESTIONS, read_tempo, tempo_right
from mumu_training.evaluation.statistics import bootstrap_interval, swap_partners
from mumu_training.evaluation.text2music import measure, onset_rate, prompt_pairs

READ = {question.name: question.read for question in QUESTIONS}


@pytest.mark.parametrize(
    ("name", "answer", "value"),
    [
        ("instrument", "The main instrument is an electric guitar.", "electric guitar"),
        ("instrument", "A violin plays over a piano.", "violin"),
        ("instrument", "The strings carry the melody.", "strings"),
        ("instrument", "I cannot tell.", None),
        ("mode", "It is in C# minor.", "minor"),
        ("metre", "The metre is 6/8.", "6/8"),
        ("style", "The style is jazz.", "jazz"),
        ("mood", "The mood is melancholic.", "sad"),
    ],
)
def test_answers_are_read(name: str, answer: str, value: str | None) -> None:
    assert READ[name](answer) == value


def test_tempo_counts_half_and_double_as_wrong() -> None:
    assert read_tempo("The tempo is about 128 bpm, which is fast.") == 128
    assert tempo_right(128, 120)
    assert not tempo_right(64, 128)
    assert not tempo_right(256, 128)
    assert not tempo_right(None, 128)
    assert not tempo_right(133, 120)


def test_swaps_use_every_song_once_and_never_itself() -> None:
    labels = [["a", "b", "c", "d", "e"][i % 5] for i in range(40)]
    partners = swap_partners(labels, [labels], seed=3)
    assert sorted(partners) == list(range(40))
    assert all(partner != i for i, partner in enumerate(partners))
    # Shuffling alone would leave about a fifth with the same label.
    assert sum(labels[p] == labels[i] for i, p in enumerate(partners)) <= 8


def test_bootstrap_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).random(100) < 0.7
    low, high = bootstrap_interval(values.astype(float))
    expected = stats.bootstrap(
        (values.astype(float),), np.mean, method="percentile", n_resamples=10_000, rng=2
    ).confidence_interval
    assert abs(low - expected.low) < 0.011
    assert abs(high - expected.high) < 0.011


def plucks(rate: int, per_second: int) -> NDArray[np.float32]:
    """Eight seconds of decaying tones over a little noise, as a room would have."""
    samples = np.random.default_rng(0).normal(0, 2e-3, rate * 8)
    time = np.arange(rate // 5) / rate
    pluck = 0.4 * np.sin(2 * np.pi * 440 * time) * np.exp(-time * 30) * np.linspace(1, 0, len(time))
    for note in range(8 * per_second):
        start = note * rate // per_second + 100
        room = len(samples[start : start + len(pluck)])
        samples[start : start + room] += pluck[:room]
    return samples.astype(np.float32)


def test_onset_rate_and_measures(tmp_path: Path) -> None:
    rate = 16_000
    samples = plucks(rate, 2)
    # librosa's picker hears more onsets than notes, but twice the notes are twice the onsets.
    assert onset_rate(plucks(rate, 4), rate) / onset_rate(samples, rate) == pytest.approx(
        2, abs=0.2
    )
    path = tmp_path / "x.wav"
    soundfile.write(path, samples * 0.4, rate)
    measured = measure(path, 8.0)
    assert measured["length_error"] == 0
    assert not measured["silent"]
    assert not measured["clipped"]
    soundfile.write(path, np.clip(samples * 20, -1, 1), rate, subtype="FLOAT")
    assert measure(path, 8.0)["clipped"]
    soundfile.write(path, samples * 0, rate)
    assert measure(path, 8.0)["silent"]


def test_prompts_of_a_pair_differ_only_in_tempo() -> None:
    pairs = prompt_pairs(40)
    assert len(set(pairs)) == 40
    assert all(fast.replace("fast", "slow") == slow for fast, slow in pairs)
