"""Multiple choice in the format of MuChoMusic (Weck, Manco et al., ISMIR 2024).

A question has four options in random order: the right one, one that is wrong but related, one that
is true of the song but answers something else, and one that is neither. The prompt and the rules of
reading a reply are the benchmark's; the entries can be written as the JSON its own script reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mumu_training.data.manifest import MusicRecord
from mumu_training.data.talk_choice import (
    LETTERS,
    MARK,
    TESTED,
    choice_prompt,
    choice_question,
    choice_value,
)


@dataclass(frozen=True)
class Choice:
    """One question with its options in the order they are shown."""

    song: str
    name: str
    """The attribute asked about."""
    question: str
    answers: tuple[str, ...]
    order: tuple[int, ...]
    """What each option is: 0 right, 1 related, 2 true but unrelated, 3 neither."""

    @property
    def prompt(self) -> str:
        """The prompt, worded as in the benchmark's description of its format."""
        return f"{choice_prompt(self.question, self.answers)} "

    @property
    def right(self) -> int:
        """Place of the right option."""
        return self.order.index(0)

    def entry(self, path: str, style: str, output: str) -> dict[str, Any]:
        """The entry of the benchmark's JSON."""
        return {
            "id": f"{self.song}-{self.name}",
            "prompt": self.prompt,
            "answers": list(self.answers),
            "answer_orders": list(self.order),
            "dataset": "mumu",
            "genre": style,
            "reasoning": [],
            "knowledge": [self.name],
            "audio_path": path,
            "model_output": output,
        }


def make_choice(song: MusicRecord, name: str, rng: np.random.Generator) -> Choice:
    """The question about one attribute of a song."""

    def one(options: Sequence[str]) -> str:
        return options[int(rng.integers(len(options)))]

    def value(name: str) -> str:
        return choice_value(song.attributes, name)

    def another(name: str) -> str:
        return one([option for option in TESTED[name] if option != value(name)])

    other = one([key for key in TESTED if key != name])
    options = [value(name), another(name), value(other), another(other)]
    order = tuple(int(place) for place in rng.permutation(4))
    return Choice(
        song.id, name, choice_question(name), tuple(options[place] for place in order), order
    )


def make_choices(songs: Sequence[MusicRecord], seed: int = 1) -> list[Choice]:
    """One question a song, about each attribute by turns."""
    rng = np.random.default_rng(seed)
    names = list(TESTED)
    return [make_choice(song, names[i % len(names)], rng) for i, song in enumerate(songs)]


def read_choice(output: str, answers: Sequence[str]) -> int | None:
    """Place of the option a reply chooses; None where it chooses none.

    The benchmark's rules: a single capital among A to D wins; otherwise the first option whose
    text the reply contains.
    """
    reply = output.split(MARK)[-1].strip()
    letters = set(LETTERS) & set(reply)
    if len(letters) == 1:
        return LETTERS.index(letters.pop())
    for place, answer in enumerate(answers):
        if answer.lower().strip() in reply.lower():
            return place
    return None
