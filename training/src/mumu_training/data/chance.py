"""Drawing from lists with any random source that has `random()` (Python's or NumPy's)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Chance(Protocol):
    """A source of evenly spread numbers in [0, 1): random.Random, numpy.random.Generator."""

    def random(self) -> float:
        """The next number."""
        ...


def pick(rng: Chance, options: Sequence[T]) -> T:
    """One of several, evenly."""
    return options[int(rng.random() * len(options))]


def weighted(rng: Chance, options: Mapping[T, float]) -> T:
    """One of several by weight."""
    left = rng.random() * sum(options.values())
    for option, weight in options.items():
        left -= weight
        if left < 0:
            return option
    return next(reversed(list(options)))


def likely(rng: Chance, probability: float) -> bool:
    """True with a probability."""
    return rng.random() < probability


def shuffled(rng: Chance, options: Sequence[T]) -> list[T]:
    """A copy in random order."""
    return [options[i] for _, i in sorted((rng.random(), i) for i in range(len(options)))]
