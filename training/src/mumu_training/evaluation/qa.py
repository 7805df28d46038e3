"""Suite "qa": questions about songs never trained on, by attribute and as multiple choice.

Each song is asked each question once, through mumu. The swapped score gives the model another song's
audio and marks its answer against this song's truth: what it would get right without listening.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mumu_training.data.manifest import MusicRecord
from mumu_training.data.vocabulary import INSTRUMENTS, METRES, MOOD_WORDS, MOODS, STYLES
from mumu_training.evaluation.calibration import calibration, present_calibration, read_certainty
from mumu_training.evaluation.choices import Choice, make_choices, read_choice
from mumu_training.evaluation.client import MumuClient, Query
from mumu_training.evaluation.report import Chart, Outcome, Table, interval, percent
from mumu_training.evaluation.statistics import bootstrap_interval, swap_partners

TEMPO_TOLERANCE = 0.08
GOALS: dict[str, tuple[float, float]] = {
    "instrument": (0.75, 0.2),
    "tempo": (0.75, 0.2),
    "mode": (0.75, 0.1),
    "metre": (0.75, 0.2),
    "style": (0.65, 0.2),
}
"""Least accuracy, and where the interval of the difference to swapped audio has to start."""


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


def compare(own: Sequence[bool], swapped: Sequence[bool]) -> dict[str, Any]:
    """Shares right with the own and with another song's audio, and the interval of the difference.

    The two are paired by song, and so is the bootstrap.
    """
    difference = [float(a) - float(b) for a, b in zip(own, swapped, strict=True)]
    low, high = bootstrap_interval(difference)
    return {
        "accuracy": sum(own) / len(own),
        "accuracy_interval": bootstrap_interval([float(value) for value in own]),
        "swapped": sum(swapped) / len(swapped),
        "difference": sum(difference) / len(difference),
        "difference_interval": [low, high],
        "significant": low > 0,
    }


def score_open(
    songs: list[MusicRecord], answers: dict[str, list[str]], partners: list[int]
) -> dict[str, dict[str, Any]]:
    """Marks of the open questions by attribute; `answers` by attribute, in the songs' order."""
    results: dict[str, dict[str, Any]] = {}
    for question in QUESTIONS:
        read = [question.read(text) for text in answers[question.name]]
        truths = [question.truth(song) for song in songs]
        own = [question.right(a, t) for a, t in zip(read, truths, strict=True)]
        swapped = [question.right(read[p], t) for p, t in zip(partners, truths, strict=True)]
        entry = compare(own, swapped)
        entry["chance"] = chance(question, songs)
        entry["unread"] = sum(value is None for value in read)
        if question.name == "tempo":
            entry["half_or_double"] = sum(
                tempo_right(a, t / 2) or tempo_right(a, t * 2)
                for a, t in zip(read, truths, strict=True)
            ) / len(read)
        if question.name in GOALS:
            least, start = GOALS[question.name]
            reached = entry["accuracy"] >= least and entry["difference_interval"][0] > start
            entry["goal"] = {"accuracy": least, "difference": start, "reached": reached}
        results[question.name] = entry
    return results


def score_choices(
    choices: list[Choice], own: list[str], swapped: list[str], plain: list[str]
) -> dict[str, Any]:
    """Marks of the multiple choice.

    Args:
        own, swapped: replies to the prompt with the song's own and with another song's audio.
        plain: answers to the open question about the same attribute, read as a choice among the
            options, for models that do not know the benchmark's form of asking.
    """

    def right(replies: list[str]) -> list[bool]:
        return [read_choice(r, c.answers) == c.right for r, c in zip(replies, choices, strict=True)]

    unread = sum(read_choice(r, c.answers) is None for r, c in zip(own, choices, strict=True))
    lettered = sum(bool(re.search(r"\([ABCD]\)|^[ABCD]\W*$", reply.strip())) for reply in own)
    in_words = right(plain)
    return {
        **compare(right(own), right(swapped)),
        "chance": 0.25,
        "unread": unread,
        "lettered": lettered / len(own),
        "plain": sum(in_words) / len(in_words),
        "plain_interval": bootstrap_interval([float(value) for value in in_words]),
    }


def evaluate_qa(
    client: MumuClient,
    songs: list[MusicRecord],
    folder: Path,
    seed: int = 1,
    report: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Ask every question about every song and mark the answers.

    Args:
        songs: songs of the test split.
        folder: dataset folder that their paths are relative to.
        seed: sampling seed; temperature is 0, so it matters only for replaying.
    """
    partners = swap_partners(
        songs,
        [
            [song.attributes.instrument for song in songs],
            [round(song.attributes.tempo, -1) for song in songs],
        ],
    )
    choices = make_choices(songs)
    options = {"seed": seed, "temperature": 0}
    answers: dict[str, list[str]] = {question.name: [] for question in QUESTIONS}
    sure: list[float | None] = []
    marked: list[bool] = []
    chosen: list[str] = []
    other: dict[int, str] = {}
    for number, song in enumerate(songs):
        # Everything about one file in a row: the server keeps what it heard in it.
        lent = [i for i, partner in enumerate(partners) if partner == number]
        texts = [question.text for question in QUESTIONS]
        texts += [choices[number].prompt, *(choices[i].prompt for i in lent)]
        file = folder / song.path
        made = client.ask_all(Query("ask", text, [file], options) for text in texts)
        replies = [answer.text for answer in made]
        for question, answer in zip(QUESTIONS, made, strict=False):
            answers[question.name].append(answer.text)
            sure.append(read_certainty(answer.notes))
            marked.append(question.right(question.read(answer.text), question.truth(song)))
        chosen.append(replies[len(QUESTIONS)])
        other |= dict(zip(lent, replies[len(QUESTIONS) + 1 :], strict=True))
        if (number + 1) % 10 == 0:
            report(f"{number + 1}/{len(songs)} songs asked")
    swapped = [other[i] for i in range(len(songs))]
    plain = [answers[choice.name][i] for i, choice in enumerate(choices)]
    results = score_open(songs, answers, partners)
    choice_result = score_choices(choices, chosen, swapped, plain)
    rows = [
        {
            "id": song.id,
            "soundfont": song.soundfont,
            "answers": {name: answers[name][i] for name in answers},
            "truth": {question.name: question.truth(song) for question in QUESTIONS},
            "choice": choices[i].entry(song.path, song.attributes.style, chosen[i]),
            "choice_swapped": swapped[i],
        }
        for i, song in enumerate(songs)
    ]
    fonts = ", ".join(sorted({song.soundfont for song in songs}))
    outcome = Outcome(
        "qa",
        f"{len(songs)} songs of the split 'test', played by {fonts}.",
        {**results, "choice": choice_result, "calibration": calibration(sure, marked)},
        rows=rows,
    )
    present(outcome, results, choice_result)
    present_calibration(outcome)
    return outcome


def present(outcome: Outcome, results: dict[str, dict[str, Any]], choice: dict[str, Any]) -> None:
    """Add tables, a chart and notes to an outcome."""
    rows = []
    for name, entry in [*results.items(), ("multiple choice", choice)]:
        goal = entry.get("goal")
        rows.append(
            [
                name,
                f"{percent(entry['accuracy'])} ({interval(entry['accuracy_interval'])})",
                percent(entry["chance"]),
                percent(entry["swapped"]),
                f"{entry['difference']:+.0%} ({interval(entry['difference_interval'], True)})",
                "-"
                if goal is None
                else f"{goal['accuracy']:.0%}, from {goal['difference']:+.0%}: "
                + ("yes" if goal["reached"] else "no"),
            ]
        )
    columns = ["attribute", "right (95 %)", "chance", "swapped audio", "difference (95 %)", "goal"]
    outcome.tables.append(Table(columns, rows))
    tempo = results["tempo"]
    outcome.notes += [
        f"Tempo counts within {TEMPO_TOLERANCE:.0%}. Off by a factor of two, and counted as wrong: "
        f"{percent(tempo['half_or_double'])}.",
        "Multiple choice is asked in MuChoMusic's format (four options, one question a song). "
        f"Replies that name an option by its letter: {percent(choice['lettered'])}; that choose "
        f"nothing: {choice['unread']}. The open answers about the same attribute, read as a choice "
        f"among the same options: {percent(choice['plain'])} right "
        f"({interval(choice['plain_interval'])}).",
    ]
    entries = [*results.values(), choice]
    outcome.charts.append(
        Chart(
            "Questions about unseen songs",
            [*results, "choice"],
            {
                "right": [entry["accuracy"] for entry in entries],
                "swapped audio": [entry["swapped"] for entry in entries],
                "chance": [entry["chance"] for entry in entries],
            },
            {"right": [entry["accuracy_interval"] for entry in entries]},
            "share right",
        )
    )
