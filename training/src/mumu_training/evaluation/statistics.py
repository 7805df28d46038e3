"""Bootstrap intervals (B. Efron, "Bootstrap methods: another look at the jackknife", 1979)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def bootstrap_interval(
    values: ArrayLike, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean of `values` [n] over resampled songs."""
    data = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = data[rng.integers(0, len(data), (resamples, len(data)))].mean(axis=1)
    tail = (1 - confidence) / 2 * 100
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def swap_partners(
    labels: Sequence[object], differ: Sequence[Sequence[object]], seed: int = 0
) -> list[int]:
    """For each song another song to be heard in its place.

    A shift of a shuffled order, so that every song is used once; the shift is the one under which
    the fewest songs keep their label in any of `differ` (lists of labels as long as `labels`).
    """
    count = len(labels)
    order = np.random.default_rng(seed).permutation(count)
    best: tuple[float, int] = (math.inf, 1)
    for shift in range(1, count):
        same = sum(
            kind[order[i]] == kind[order[(i + shift) % count]]
            for kind in differ
            for i in range(count)
        )
        best = min(best, (same, shift))
    partners = [0] * count
    for i in range(count):
        partners[order[i]] = int(order[(i + best[1]) % count])
    return partners


def ratio_interval(
    values: ArrayLike, others: ArrayLike, resamples: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the ratio of two means, `values` over `others`, resampled apart."""
    ours, theirs = np.asarray(values, np.float64), np.asarray(others, np.float64)
    rng = np.random.default_rng(seed)
    above = ours[rng.integers(0, len(ours), (resamples, len(ours)))].mean(axis=1)
    below = theirs[rng.integers(0, len(theirs), (resamples, len(theirs)))].mean(axis=1)
    # Where the judge is never right about true music, nothing can be said.
    ratios = above / np.maximum(below, 1e-9)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(low), float(high)
