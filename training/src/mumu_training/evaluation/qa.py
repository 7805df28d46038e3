"""Questions about songs never trained on: accuracy by attribute, beside chance and swapped audio.

Each song is asked each question once, through mumu. The swapped score gives the model another song's
audio and marks its answer against this song's truth: what it would get right without listening.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mumu_training.data.manifest import MusicRecord
from mumu_training.data.vocabulary import INSTRUMENTS, METRES, MOOD_WORDS, MOODS, STYLES
from mumu_training.evaluation.client import MumuClient
from mumu_training.evaluation.statistics import bootstrap_interval, swap_partners

TEMPO_TOLERANCE = 0.10


@dataclass(frozen=True)
class Question:
    """A question and how its answer is read and marked."""

    name: str
    text: str
    read: Callable[[str], Any]
    truth: Callable[[MusicRecord], Any]
    right: Callable[[Any, Any], bool]


def _first_of(words: dict[str, str]) -> Callable[[str], str | None]:
    """The value whose word stands first in the answer; longer words win at the same place."""

    def read(answer: str) -> str | None:
        found: list[tuple[int, int, str]] = []
        for word, value in words.items():
            match = re.search(rf"\b{re.escape(word)}\b", answer.lower())
            if match:
                found.append((match.start(), -len(word), value))
        return min(found)[2] if found else None

    return read


def read_tempo(answer: str) -> float | None:
    """The number before "bpm" in an answer."""
    match = re.search(r"(\d+(?:\.\d+)?)\s*(?:bpm|beats)", answer.lower())
    return float(match.group(1)) if match else None


def tempo_right(answer: float | None, truth: float, tolerance: float = TEMPO_TOLERANCE) -> bool:
    """Within the tolerance; half and double are wrong."""
    return answer is not None and abs(answer / truth - 1) <= tolerance


def _same(answer: object, truth: object) -> bool:
    return answer == truth


QUESTIONS: tuple[Question, ...] = (
    Question(
        "instrument",
        "What is the main instrument?",
        _first_of({name: name for name in INSTRUMENTS}),
        lambda song: song.attributes.instrument,
        _same,
    ),
    Question(
        "tempo",
        "What is the tempo in bpm?",
        read_tempo,
        lambda song: song.attributes.tempo,
        tempo_right,
    ),
    Question(
        "mode",
        "Is it in a major or a minor key?",
        _first_of({"major": "major", "minor": "minor"}),
        lambda song: song.attributes.mode,
        _same,
    ),
    Question(
        "metre",
        "What is the metre?",
        _first_of({metre: metre for metre in METRES}),
        lambda song: song.attributes.metre,
        _same,
    ),
    Question(
        "style",
        "What style of music is this?",
        _first_of({style: style for style in STYLES}),
        lambda song: song.attributes.style,
        _same,
    ),
    Question(
        "mood",
        "What is the mood?",
        _first_of({word: mood for mood in MOODS for word in MOOD_WORDS[mood]}),
        lambda song: song.attributes.mood,
        _same,
    ),
)


def chance(question: Question, songs: list[MusicRecord]) -> float:
    """Share of songs that the best answer given without listening gets right."""
    truths = [question.truth(song) for song in songs]
    if question.name == "tempo":
        return max(
            sum(tempo_right(guess, truth) for truth in truths) / len(truths)
            for guess in (50 * 1.01**step for step in range(150))
        )
    return Counter(truths).most_common(1)[0][1] / len(truths)


def evaluate_qa(
    client: MumuClient,
    songs: list[MusicRecord],
    folder: Path,
    seed: int = 1,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Ask every question about every song and mark the answers.

    Args:
        songs: songs of the test split.
        folder: dataset folder that their paths are relative to.
        seed: sampling seed; temperature is 0, so it matters only for replaying.
    """
    answers: dict[str, list[str]] = {question.name: [] for question in QUESTIONS}
    for number, song in enumerate(songs, start=1):
        for question in QUESTIONS:
            options = {"seed": seed, "temperature": 0}
            answer = client.ask("ask", question.text, [folder / song.path], options)
            answers[question.name].append(answer.text)
        if number % 10 == 0:
            report(f"{number}/{len(songs)} songs asked")
    partners = swap_partners(
        songs,
        [
            [song.attributes.instrument for song in songs],
            [round(song.attributes.tempo, -1) for song in songs],
        ],
    )
    results: dict[str, Any] = {}
    for question in QUESTIONS:
        read = [question.read(text) for text in answers[question.name]]
        truths = [question.truth(song) for song in songs]
        own = [question.right(a, t) for a, t in zip(read, truths, strict=True)]
        swapped = [question.right(read[p], t) for p, t in zip(partners, truths, strict=True)]
        difference = [float(a) - float(b) for a, b in zip(own, swapped, strict=True)]
        low, high = bootstrap_interval(difference)
        entry = {
            "accuracy": sum(own) / len(own),
            "accuracy_interval": bootstrap_interval([float(value) for value in own]),
            "swapped": sum(swapped) / len(swapped),
            "chance": chance(question, songs),
            "difference": sum(difference) / len(difference),
            "difference_interval": [low, high],
            "significant": low > 0,
            "unread": sum(value is None for value in read),
        }
        if question.name == "tempo":
            entry["half_or_double"] = sum(
                tempo_right(a, t / 2) or tempo_right(a, t * 2)
                for a, t in zip(read, truths, strict=True)
            ) / len(read)
        results[question.name] = entry
    rows = [
        {
            "id": song.id,
            "answers": {name: answers[name][i] for name in answers},
            "truth": {question.name: question.truth(song) for question in QUESTIONS},
        }
        for i, song in enumerate(songs)
    ]
    return {"suite": "qa", "songs": len(songs), "results": results, "answers": rows}
