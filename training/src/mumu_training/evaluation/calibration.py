"""Whether mumu is as sure of its answers as it should be."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mumu_training.evaluation.report import Outcome, Table, percent


def read_certainty(notes: Sequence[str]) -> float | None:
    """How sure mumu says it is, 0 to 1; None where it says nothing of it."""
    for note in notes:
        match = re.search(r"(\d+) % sure", note)
        if match:
            return int(match.group(1)) / 100
    return None


def calibration(sure: Sequence[float | None], right: Sequence[bool]) -> list[dict[str, float]]:
    """How often answers are right, by how sure mumu says it is of them: the estimate is good where
    the two are alike. Bins without answers are left out."""
    bins = []
    for low, high in ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 0.9), (0.9, 1.01)):
        inside = [
            (s, r) for s, r in zip(sure, right, strict=True) if s is not None and low <= s < high
        ]
        if inside:
            bins.append(
                {
                    "from": low,
                    "to": min(1.0, high),
                    "answers": len(inside),
                    "sure": sum(s for s, _ in inside) / len(inside),
                    "right": sum(r for _, r in inside) / len(inside),
                }
            )
    return bins


def present_calibration(outcome: Outcome) -> None:
    """Add the table of how sure mumu says it is and how often it is right then."""
    bins = outcome.results["calibration"]
    if bins:
        rows = [
            [
                f"{percent(entry['from'])} to {percent(entry['to'])}",
                str(entry["answers"]),
                percent(entry["sure"]),
                percent(entry["right"]),
            ]
            for entry in bins
        ]
        columns = ["says it is sure", "answers", "sure, on average", "right"]
        outcome.tables.append(Table(columns, rows, "How well it knows what it knows"))
