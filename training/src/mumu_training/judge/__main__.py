"""Makes the judge's songs and trains it, in one command that can be stopped and given again.

    python -m mumu_training.judge --out judge [--songs 1200] [--minutes 12]

The soundfonts come from musescore-general-soundfont, csound-soundfont and opl3-soundfont.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mumu_training.judge.data import make_songs, read_songs
from mumu_training.judge.train import train


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code (2 when something needed is missing)."""
    parser = argparse.ArgumentParser(prog="mumu_training.judge", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for judge.pt")
    parser.add_argument("--data", type=Path, help="folder for its songs (default: OUT/data)")
    parser.add_argument("--songs", type=int, default=1200)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--minutes", type=float, default=12.0, help="of training, at most")
    parser.add_argument("--soundfonts", type=Path, default=Path("/usr/share/sounds"))
    options = parser.parse_args(arguments)
    data = options.data or options.out / "data"

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        make_songs(data, options.songs, options.soundfonts, report=tell)
        measures = train(
            read_songs(data, options.songs), options.out, options.epochs, options.minutes,
            report=tell,
        )  # fmt: skip
    except (FileNotFoundError, ValueError, FloatingPointError) as error:
        print(f"judge: {error}", file=sys.stderr)
        return 2
    for name in ("instrument", "tempo", "mode", "mood"):
        low, high = measures[name]["interval"]
        print(f"{name}: {measures[name]['right']:.0%} ({low:.0%} to {high:.0%})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
