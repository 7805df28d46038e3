"""What the generators of songs and of pairs share: options, seeds, and making records side by side."""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from mumu_training.data.manifest import EditRecord, MusicRecord, append_records

SOUNDFONT_FOLDER: Final[Path] = Path("/usr/share/sounds/sf2")
SOUNDFONTS: Final[dict[str, float]] = {"FluidR3_GM.sf2": 0.75, "TimGM6mb.sf2": 0.25}
"""Training soundfonts by file name, and the share of the songs each plays."""

EXAMPLE_SEED: Final[int] = 9999
HELD_OUT_SEED: Final[int] = 777
JUDGE_SEED: Final[int] = 888
TRUE_SEED: Final[int] = 666
KEPT_SEEDS: Final[dict[int, str]] = {
    EXAMPLE_SEED: "the examples",
    HELD_OUT_SEED: "the evaluation set",
    JUDGE_SEED: "the judge of evaluation",
    TRUE_SEED: "the true renderings of evaluation",
}
"""Seeds that no training data may be made from: what is trained on must not be what is tested."""

_EVERY = 50
"""Records between two lines about how far a run is."""
Job = TypeVar("Job")
Made = TypeVar("Made", MusicRecord, EditRecord)


def refuse_kept(seed: int) -> None:
    """Raises ValueError where a seed is kept for something that nothing may be trained on."""
    if seed in KEPT_SEEDS:
        raise ValueError(f"Seed {seed} is kept for {KEPT_SEEDS[seed]}; choose another.")


def require_soundfonts(folder: Path) -> None:
    """Raises FileNotFoundError where a training soundfont is not in the folder."""
    for name in SOUNDFONTS:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"No soundfont {name} in {folder}; see --soundfonts.")


def add_options(parser: argparse.ArgumentParser, things: str, count: int) -> None:
    """The options of a generator of `things`, of which it makes `count` unless told otherwise."""
    parser.add_argument("--count", type=int, default=count, help=f"{things} in all ({count})")
    parser.add_argument("--seconds", type=float, default=12.0, help="mean length of a song (12)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the dataset (1)")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    parser.add_argument("--resume", action="store_true", help=f"continue in a folder with {things}")
    parser.add_argument(
        "--soundfonts", type=Path, default=SOUNDFONT_FOLDER, help="folder of the soundfonts"
    )


def order_of(parser: argparse.ArgumentParser, options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of a generator's `generate`; the parser ends the program where one can't be."""
    if options.count < 1 or options.workers < 1 or options.seed < 0 or options.seconds < 2:
        parser.error(
            "--count and --workers are at least 1, --seed at least 0, --seconds at least 2"
        )
    names = ("out", "count", "seconds", "seed", "workers", "soundfonts", "resume")
    return {name: getattr(options, name) for name in names}


def make_all(
    out: Path,
    jobs: Sequence[Job],
    make: Callable[[Job], Made],
    workers: int,
    things: str,
    seconds_of: Callable[[Made], float],
) -> int:
    """Make a record of every job in processes of their own, and list each as soon as it is there.

    Args:
        make: writes a record's files; importable by name, as other processes run it.
        seconds_of: how much sound a record has, for the pace that is printed.

    Returns:
        How many records were made.
    """
    out.mkdir(parents=True, exist_ok=True)
    started, made, audible = time.monotonic(), 0, 0.0
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for record in pool.imap_unordered(make, jobs, chunksize=1):
            append_records(out, [record])
            made += 1
            audible += seconds_of(record)
            if made % _EVERY == 0 or made == len(jobs):
                pace = audible / (time.monotonic() - started)
                print(f"{made}/{len(jobs)} {things}, {pace:.1f} times real time", flush=True)
    return made
