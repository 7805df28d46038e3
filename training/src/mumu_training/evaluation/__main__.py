"""python -m mumu_training.evaluation qa|text2music --server URL [--data DIR] [--out FILE]

Asks a running mumu (npm start) and writes JSON and Markdown. Songs come from the dataset's test split;
where the folder holds fewer than asked for, generate it first with `python -m mumu_training.data.music`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import requests

from mumu_training.data.manifest import read_music
from mumu_training.evaluation.client import MumuClient, RequestFailed
from mumu_training.evaluation.qa import evaluate_qa
from mumu_training.evaluation.text2music import evaluate_text2music


def to_markdown(outcome: dict[str, Any]) -> str:
    """Tables of a suite's results."""
    results = outcome["results"]
    if outcome["suite"] == "qa":
        lines = [
            f"{outcome['songs']} songs never trained on",
            "",
            "| attribute | right | chance | swapped audio | difference (95 %) | significant |",
            "|---|---|---|---|---|---|",
        ]
        for name, entry in results.items():
            low, high = entry["difference_interval"]
            lines.append(
                f"| {name} | {entry['accuracy']:.0%} | {entry['chance']:.0%} | {entry['swapped']:.0%} "
                f"| {entry['difference']:+.0%} ({low:+.0%} to {high:+.0%}) "
                f"| {'yes' if entry['significant'] else 'no'} |"
            )
        lines.append("")
        lines.append(f"Tempo off by a factor of two: {results['tempo']['half_or_double']:.0%}.")
        return "\n".join(lines) + "\n"
    low, high = results["fast_measures_faster_interval"]
    return (
        f"{outcome['pairs']} pairs of prompts, fast against slow\n\n"
        "| measure | value |\n|---|---|\n"
        f"| fast measures faster (onset rate) | {results['fast_measures_faster']:.0%} "
        f"({low:.0%} to {high:.0%}) |\n"
        f"| onsets a second, fast / slow | {results['mean_onset_rate_fast']:.2f} "
        f"/ {results['mean_onset_rate_slow']:.2f} |\n"
        f"| largest error of length | {results['largest_length_error']:.2%} |\n"
        f"| silent / clipped pieces | {results['silent']} / {results['clipped']} |\n"
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mumu_training.evaluation", description=__doc__)
    parser.add_argument("suite", choices=["qa", "text2music"])
    parser.add_argument("--server", default="http://127.0.0.1:8020")
    parser.add_argument("--data", type=Path, default=Path("training/data-cache"))
    parser.add_argument("--songs", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--out", type=Path, help="folder for SUITE.json and SUITE.md")
    options = parser.parse_args(arguments)
    client = MumuClient(options.server)

    def report(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        if options.suite == "qa":
            songs = read_music(options.data, "test")[: options.songs]
            if len(songs) < options.songs:
                print(
                    f"evaluation: only {len(songs)} test songs in {options.data}", file=sys.stderr
                )
                return 2
            outcome = evaluate_qa(client, songs, options.data, report=report)
        else:
            outcome = evaluate_text2music(client, options.pairs, options.seconds, report)
    except (RequestFailed, FileNotFoundError, requests.RequestException) as error:
        print(f"evaluation: {error}", file=sys.stderr)
        return 2
    table = to_markdown(outcome)
    print(table)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{outcome['suite']}.json").write_text(json.dumps(outcome, indent=1) + "\n")
        (options.out / f"{outcome['suite']}.md").write_text(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
