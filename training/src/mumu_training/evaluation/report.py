"""What a suite found, written as JSON (everything), Markdown (tables) and PNG (charts)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Table:
    """A table of a report; cells are text already."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""

    def markdown(self) -> str:
        """The table in Markdown, with its title as a line before it."""
        lines = [f"**{self.title}**", ""] if self.title else []
        lines.append("| " + " | ".join(self.columns) + " |")
        lines.append("|" + "---|" * len(self.columns))
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Chart:
    """Groups of bars: a group for each label, a bar in each group for each series."""

    title: str
    labels: Sequence[str]
    series: dict[str, Sequence[float]]
    intervals: dict[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    """Lower and upper end by series, where known."""
    unit: str = ""


@dataclass
class Outcome:
    """Result of a suite."""

    suite: str
    summary: str
    """One line: what was asked, of how many."""
    results: dict[str, Any]
    tables: list[Table] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    """Every answer or piece, for reading on."""

    def markdown(self) -> str:
        """The report to read."""
        parts = [f"# {self.suite}\n", self.summary + "\n"]
        parts += [table.markdown() for table in self.tables]
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes) + "\n")
        return "\n".join(parts)


def percent(value: float | None) -> str:
    """A share in whole percent; a dash where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.0%}"


def interval(ends: Sequence[float] | None, signed: bool = False) -> str:
    """A 95 % interval of a share in whole percent; a dash where there is none."""
    if ends is None:
        return "-"
    low, high = ends
    return f"{low:+.0%} to {high:+.0%}" if signed else f"{low:.0%} to {high:.0%}"


def draw(chart: Chart, path: Path) -> None:
    """Draw a chart into a PNG file."""
    # Imported here: asking and measuring need no drawing, and a start takes a second less.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(5.0, 1.1 * len(chart.labels) + 2), 3.6), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(chart.series)
    for place, (name, values) in enumerate(chart.series.items()):
        at = [i + (place - (len(chart.series) - 1) / 2) * width for i in range(len(values))]
        ends = chart.intervals.get(name)
        errors = None
        if ends:
            errors = [
                [max(0.0, v - low) for v, (low, _) in zip(values, ends, strict=True)],
                [max(0.0, high - v) for v, (_, high) in zip(values, ends, strict=True)],
            ]
        axes.bar(at, values, width * 0.92, label=name, yerr=errors, capsize=2)
    axes.set_xticks(range(len(chart.labels)), chart.labels)
    axes.set_ylabel(chart.unit)
    axes.set_title(chart.title)
    if len(chart.series) > 1:
        axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def plain(value: Any) -> Any:
    """The same for JSON, with null for numbers that JSON has not (NaN, infinity)."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write(outcome: Outcome, folder: Path) -> list[Path]:
    """Write SUITE.json, SUITE.md and SUITE-N.png; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{outcome.suite}.json", folder / f"{outcome.suite}.md"]
    document = {
        "suite": outcome.suite,
        "summary": outcome.summary,
        "results": outcome.results,
        "notes": outcome.notes,
        "rows": outcome.rows,
    }
    # Python would write a bare NaN, which other parsers refuse.
    files[0].write_text(json.dumps(plain(document), indent=1, allow_nan=False) + "\n")
    text = outcome.markdown()
    for number, chart in enumerate(outcome.charts, start=1):
        files.append(folder / f"{outcome.suite}-{number}.png")
        draw(chart, files[-1])
        text += f"\n![{chart.title}]({files[-1].name})\n"
    files[1].write_text(text)
    return files
