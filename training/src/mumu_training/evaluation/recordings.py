"""Suite "recordings": music of the world, whose truth nobody wrote down, and how sure mumu says it is.

Any folder of songs will do: played, sung, mixed. The questions are those of "qa". Without truths only the
estimate can be looked at: a model that knows its world's limits is unsure of what lies outside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from mumu_training.evaluation.calibration import read_certainty
from mumu_training.evaluation.client import MumuClient, Query, RequestFailed
from mumu_training.evaluation.qa import QUESTIONS
from mumu_training.evaluation.report import Chart, Outcome, Table, percent

ENDINGS: Final[frozenset[str]] = frozenset(
    (".aif", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav")
)
_OF_THE_FILE: Final[frozenset[str]] = frozenset(("unsupported_media", "too_large", "invalid_input"))
"""What mumu says of a file that it can't hear."""
SURE: Final[float] = 0.75
"""From here on an answer sounds sure."""


def find_recordings(folder: Path, count: int) -> list[Path]:
    """Files that are sound by their names, below a folder: `count` of them, spread over all.

    Raises:
        FileNotFoundError: there are none.
        ValueError: fewer than one is asked for.
    """
    if count < 1:
        raise ValueError("--count is at least 1.")
    there = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS and path.is_file() and not path.name.startswith(".")
    )
    if not there:
        raise FileNotFoundError(
            f"There is no sound file below {folder} ({', '.join(sorted(ENDINGS))})."
        )
    places = np.linspace(0, len(there) - 1, min(count, len(there))).round().astype(int)
    return [there[place] for place in places]


def evaluate_recordings(
    client: MumuClient,
    files: Sequence[Path],
    folder: Path,
    report: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Ask the six questions about every file, and tell what was answered and how sure mumu was."""
    rows: list[dict[str, Any]] = []
    refused: list[str] = []
    for number, file in enumerate(files, start=1):
        queries = [Query("ask", q.text, [file], {"temperature": 0}) for q in QUESTIONS]
        try:
            answers = client.ask_all(queries)
        except RequestFailed as error:
            if error.code not in _OF_THE_FILE:
                raise
            refused.append(f"{file.relative_to(folder)}: {error}")
            continue
        for question, answer in zip(QUESTIONS, answers, strict=True):
            rows.append(
                {
                    "file": str(file.relative_to(folder)),
                    "question": question.name,
                    "answer": answer.text,
                    "read": question.read(answer.text),
                    "sure": read_certainty(answer.notes),
                }
            )
        report(f"{number}/{len(files)} recordings asked about")
    if not rows:
        raise ValueError(f"None of the files can be heard. {refused[0]}")
    results = {question.name: _summary(rows, question.name) for question in QUESTIONS}
    outcome = Outcome(
        "recordings",
        f"{len(files) - len(refused)} recordings, {len(QUESTIONS)} questions each. Nobody wrote down "
        "what is right.",
        {"questions": results},
        rows=rows,
    )
    outcome.notes += [f"Left out: {line}" for line in refused]
    outcome.tables += [_table_by_question(results), _table_by_file(rows)]
    outcome.charts.append(
        Chart(
            "How sure mumu says it is of recordings",
            list(results),
            {"on average": [entry["sure"] or 0.0 for entry in results.values()]},
        )
    )
    return outcome


def _summary(rows: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    own = [row for row in rows if row["question"] == name]
    sure = [row["sure"] for row in own if row["sure"] is not None]
    return {
        "answers": len(own),
        "with_certainty": len(sure),
        "sure": float(np.mean(sure)) if sure else None,
        "least_sure": min(sure, default=None),
        "most_sure": max(sure, default=None),
        "sounds_sure": float(np.mean([value >= SURE for value in sure])) if sure else None,
    }


def _share(value: float | None) -> str:
    return "-" if value is None else percent(value)


def _table_by_question(results: dict[str, dict[str, Any]]) -> Table:
    columns = [
        "question",
        "answers",
        "that say how sure",
        "sure, on average (least to most)",
        f"{percent(SURE)} sure or more",
    ]
    lines = [
        [
            name,
            str(entry["answers"]),
            str(entry["with_certainty"]),
            f"{_share(entry['sure'])} ({_share(entry['least_sure'])} to {_share(entry['most_sure'])})",
            _share(entry["sounds_sure"]),
        ]
        for name, entry in results.items()
    ]
    return Table(columns, lines, "How sure it says it is")


def _table_by_file(rows: Sequence[dict[str, Any]]) -> Table:
    files = list(dict.fromkeys(row["file"] for row in rows))
    found = {(row["file"], row["question"]): row for row in rows}

    def cell(file: str, name: str) -> str:
        row = found[file, name]
        said = (
            "?" if row["read"] is None else f"{row['read']:g}" if name == "tempo" else row["read"]
        )
        return f"{said} ({_share(row['sure'])})"

    names = [question.name for question in QUESTIONS]
    lines = [[file, *(cell(file, name) for name in names)] for file in files]
    return Table(["recording", *names], lines, "What it says of each, and how sure")
