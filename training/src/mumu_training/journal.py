"""What a run writes for people: log lines, log.csv, TensorBoard, samples, a bar on a terminal."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SAMPLES = "samples.md"


class Journal:
    """Log lines on standard output, log.csv (long format), samples.md and TensorBoard events in the
    run's folder; on a terminal a bar under the lines."""

    def __init__(self, name: str, folder: Path, console: Console | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._name, self._folder = name, folder
        path = folder / "log.csv"
        fresh = not path.exists()
        self._file = path.open("a", newline="", encoding="utf-8")
        self._csv = csv.writer(self._file)
        if fresh:
            self._csv.writerow(["step", "seconds", "figure", "value"])
        self._board = SummaryWriter(str(folder / "tensorboard"))
        self._bar: Progress | None = None
        if console is not None or sys.stdout.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:.0f} %"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=console,
                redirect_stderr=False,
            )
            self._task = self._bar.add_task(name, total=1.0)
            self._bar.start()

    def advance(self, step: int, done: float, loss: float) -> None:
        """Move the bar: `done` is the share of the run behind us, 0 to 1."""
        if self._bar is not None:
            text = f"{self._name} step {step} loss {loss:.4g}"
            self._bar.update(self._task, completed=min(1.0, done), description=text)

    def say(self, line: str) -> None:
        """One line for the reader."""
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, flush=True)

    def write(self, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        """Figures of a step, `seconds` into the run."""
        parts = " ".join(f"{key} {value:.4g}" for key, value in figures.items())
        self.say(f"{self._name} step {step} {seconds:.0f}s {parts}")
        for key, value in figures.items():
            self._csv.writerow([step, f"{seconds:.1f}", key, f"{value:.6g}"])
            self._board.add_scalar(key, value, step)
        self._file.flush()

    def sample(self, step: int, text: str) -> None:
        """What the model makes at this step, for samples.md and TensorBoard."""
        with (self._folder / SAMPLES).open("a", encoding="utf-8") as file:
            file.write(f"## Step {step}\n\n{text.strip()}\n\n")
        self._board.add_text("sample", text, step)

    def close(self) -> None:
        """Close the files and leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()
        self._file.close()
        self._board.close()
