"""Multiple choice in MuChoMusic's form of asking: what may be asked, how, and turns to learn it from."""

from __future__ import annotations

from collections.abc import Sequence

from mumu_training.data import vocabulary as words
from mumu_training.data.chance import Chance, pick, shuffled
from mumu_training.data.manifest import MusicAttributes
from mumu_training.data.talk_audio import Turn

LETTERS = "ABCD"
MARK = "The correct answer is:"
TESTED: dict[str, tuple[str, ...]] = {
    "instrument": tuple(words.INSTRUMENTS),
    "style": words.STYLES,
    "mood": words.MOODS,
    "metre": words.METRES,
    "mode": words.MODES,
    "tempo": words.TEMPO_WORDS,
}
"""Possible values of every attribute that is asked about."""


def choice_value(a: MusicAttributes, name: str) -> str:
    """The value of one attribute of TESTED."""
    return words.tempo_word(a.tempo) if name == "tempo" else str(getattr(a, name))


def choice_question(name: str) -> str:
    """The question about one attribute of TESTED."""
    return f"What is the {'main instrument' if name == 'instrument' else name}?"


def choice_prompt(question: str, options: Sequence[str]) -> str:
    """A question with its options, worded as in the benchmark's description of its format."""
    said = " ".join(f"({letter}) {text}." for letter, text in zip(LETTERS, options, strict=False))
    return f"Question: {question} Options: {said} {MARK}"


def multiple_choice_turn(a: MusicAttributes, rng: Chance) -> Turn:
    """One right option of four.

    The answer says the fact before its letter: a small model finds the letter by what it has said.
    """
    names = shuffled(rng, list(TESTED))
    options = [choice_value(a, names[0])]
    for name in (names[0], names[1], names[1], *names[2:]):
        value = pick(rng, TESTED[name])
        if name == names[1] and len(options) == 2:
            value = choice_value(a, name)  # true, but it answers something else
        if value not in options:
            options.append(value)
        if len(options) == len(LETTERS):
            break
    right, options = options[0], shuffled(rng, options)
    return (
        choice_prompt(choice_question(names[0]), options),
        f"{right} ({LETTERS[options.index(right)]}).",
    )
