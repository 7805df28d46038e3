"""The judge must be right before it judges: readers, swaps and intervals on worked examples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mumu_training.evaluation.qa import QUESTIONS, read_tempo, tempo_right
from mumu_training.evaluation.statistics import bootstrap_interval, swap_partners
from mumu_training.evaluation.text2music import mood_wishes, prompt_pairs, wish_prompt, wishes

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
    assert not tempo_right(131, 120)
    assert not tempo_right(64, 128)
    assert not tempo_right(256, 128)
    assert not tempo_right(None, 128)


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


def test_prompts_of_a_pair_differ_only_in_tempo() -> None:
    pairs = prompt_pairs(40)
    assert len(set(pairs)) == 40
    assert all(fast.replace("fast", "slow") == slow for fast, slow in pairs)


def test_wishes_spread_evenly_and_are_worded() -> None:
    asked = wishes(120)
    assert len({(w["style"], w["instrument"], w["tempo"]) for w in asked}) > 60
    assert wish_prompt(asked[0]) == "a rock piece with piano at 70 bpm"
    for first, second in mood_wishes(30):
        assert first["mood"] != second["mood"]
        assert first["instrument"] == second["instrument"]
    pair = {(a["mood"], b["mood"]) for a, b in mood_wishes(15)}
    assert len(pair) == 15
    assert wish_prompt({"mood": "energetic", "instrument": "organ"}) == (
        "an energetic piece of music with organ"
    )
