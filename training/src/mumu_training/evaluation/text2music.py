"""Suite "text2music": does what is made have the tempo, the instrument and the mood asked for?

Four kinds of requests: an instrument and a tempo in words; pairs that differ in "fast" and "slow";
pairs that differ in their mood; the same prompt under other seeds. "Fast" against "slow" is by
librosa's onset rate, the rest by the judge; whatever the judge says of generated music it is also
asked about true renderings of the same wishes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from mumu_training.data.vocabulary import MOODS
from mumu_training.evaluation.client import MumuClient, Query
from mumu_training.evaluation.marks import (
    chances,
    compare_marks,
    compare_moods,
    distance_note,
    distances,
    marks,
    marks_table,
    mood_ordered,
    spectral_table,
)
from mumu_training.evaluation.pieces import Heard, Jury, Made, TrueRenderings, make_pieces
from mumu_training.evaluation.report import Chart, Outcome, Table, interval, percent
from mumu_training.evaluation.statistics import bootstrap_interval, swap_partners
from mumu_training.judge.features import RATE, Floats

INSTRUMENTS = (
    "piano",
    "violin",
    "trumpet",
    "acoustic guitar",
    "flute",
    "organ",
    "synth",
    "marimba",
)
STYLES = ("rock", "jazz", "folk", "pop", "techno")
TEMPI = (70, 85, 100, 120, 140, 160)
MOOD_PAIRS = tuple(combinations(MOODS, 2))


def prompt_pairs(count: int) -> list[tuple[str, str]]:
    """Pairs of prompts that differ only in their tempo word."""
    pairs = []
    for number in range(count):
        instrument = INSTRUMENTS[number % len(INSTRUMENTS)]
        style = STYLES[number // len(INSTRUMENTS) % len(STYLES)]
        rest = f"{style} piece with {instrument}"
        pairs.append((f"a fast {rest}", f"a slow {rest}"))
    return pairs


def wishes(count: int) -> list[dict[str, Any]]:
    """Style, instrument and tempo, spread so that none goes with another."""
    return [
        {
            "style": STYLES[n % len(STYLES)],
            "instrument": INSTRUMENTS[n % len(INSTRUMENTS)],
            "tempo": float(TEMPI[(n + n // len(TEMPI)) % len(TEMPI)]),
        }
        for n in range(count)
    ]


def mood_wishes(count: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of wishes that differ only in their mood."""
    pairs = []
    for number in range(count):
        first, second = MOOD_PAIRS[number % len(MOOD_PAIRS)]
        instrument = INSTRUMENTS[(number + number // len(MOOD_PAIRS)) % len(INSTRUMENTS)]
        pairs.append(
            (
                {"mood": first, "instrument": instrument},
                {"mood": second, "instrument": instrument},
            )
        )
    return pairs


def wish_prompt(wish: dict[str, Any]) -> str:
    """A wish as people type it."""
    mood = f"{wish['mood']} " if "mood" in wish else ""
    noun = f"{wish['style']} piece" if "style" in wish else "piece of music"
    tempo = f" at {wish['tempo']:.0f} bpm" if "tempo" in wish else ""
    words = f"{mood}{noun} with {wish['instrument']}{tempo}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def likeness(first: Floats, second: Floats) -> float:
    """Largest correlation of two pieces over shifts of up to a second, 0 to 1."""
    count = min(len(first), len(second))
    ours, theirs = first[:count] - first[:count].mean(), second[:count] - second[:count].mean()
    spectrum = np.fft.rfft(ours, 2 * count) * np.conj(np.fft.rfft(theirs, 2 * count))
    same = np.fft.irfft(spectrum)
    near = np.concatenate([same[:RATE], same[-RATE:]])
    norm = float(np.linalg.norm(ours) * np.linalg.norm(theirs)) + 1e-9
    return float(np.abs(near).max() / norm)


class Maker:
    """Has mumu make pieces and keeps what is known about all of them."""

    def __init__(self, client: MumuClient, seconds: float, report: Callable[[str], None]) -> None:
        self.client, self.seconds, self.report = client, seconds, report
        self.errors: list[float] = []
        self.levels: list[dict[str, float | bool]] = []

    def make(self, prompts: list[str], seeds: list[int]) -> list[Made]:
        """One piece for each prompt and seed."""
        queries = [
            Query("generate", text, [], {"seed": seed, "seconds": self.seconds, "format": "wav"})
            for text, seed in zip(prompts, seeds, strict=True)
        ]
        made = make_pieces(self.client, queries)
        self.errors += [abs(piece.seconds / self.seconds - 1) for piece in made]
        self.levels += [piece.level for piece in made]
        return made


def _fast_and_slow(maker: Maker, jury: Jury, pairs: int) -> tuple[dict[str, Any], list[Any]]:
    rows: list[Any] = []
    for number, pair in enumerate(prompt_pairs(pairs), start=1):
        pieces = maker.make(list(pair), [number, number])
        heard = [jury.hear(piece.audio) for piece in pieces]
        rows.append(
            {
                kind: {"prompt": prompt, "caption": piece.answer.caption, **one.row()}
                for kind, prompt, piece, one in zip(
                    ("fast", "slow"), pair, pieces, heard, strict=True
                )
            }
        )
        if number % 5 == 0:
            maker.report(f"{number}/{pairs} pairs of fast and slow")
    wins = [float(row["fast"]["onset_rate"] > row["slow"]["onset_rate"]) for row in rows]
    by_judge = [float(row["fast"]["tempo"] > row["slow"]["tempo"]) for row in rows]
    return {
        "fast_measures_faster": float(np.mean(wins)),
        "fast_measures_faster_interval": bootstrap_interval(wins),
        "fast_judged_faster": float(np.mean(by_judge)),
        "fast_judged_faster_interval": bootstrap_interval(by_judge),
        "mean_onset_rate_fast": float(np.mean([row["fast"]["onset_rate"] for row in rows])),
        "mean_onset_rate_slow": float(np.mean([row["slow"]["onset_rate"] for row in rows])),
    }, rows


def _moods(
    maker: Maker, jury: Jury, truth: TrueRenderings, pairs: int
) -> tuple[dict[str, dict[str, Any]], list[Any]]:
    rows: list[Any] = []
    ours: list[tuple[Heard, Heard]] = []
    theirs: list[tuple[Heard, Heard]] = []
    asked = mood_wishes(pairs)
    for number, pair in enumerate(asked):
        moods = (pair[0]["mood"], pair[1]["mood"])
        pieces = maker.make([wish_prompt(wish) for wish in pair], [500 + number] * 2)
        first, second = (jury.hear(piece.audio) for piece in pieces)
        ours.append((first, second))
        # Different compositions on purpose: as a listener would compare two songs.
        true = [jury.hear(truth.make(w, 5000 + 2 * number + i)) for i, w in enumerate(pair)]
        theirs.append((true[0], true[1]))
        rows.append(
            {
                "moods": moods,
                "ordered": mood_ordered(*ours[-1], moods),
                "true_ordered": mood_ordered(*theirs[-1], moods),
                "prompts": [wish_prompt(wish) for wish in pair],
                "captions": [piece.answer.caption for piece in pieces],
                "heard": [one.row() for one in ours[-1]],
            }
        )
        if (number + 1) % 5 == 0:
            maker.report(f"{number + 1}/{pairs} pairs of moods")
    wanted = [(first["mood"], second["mood"]) for first, second in asked]
    return compare_moods(ours, theirs, wanted), rows


def _seeds(maker: Maker, count: int) -> dict[str, Any]:
    """Same prompt: likeness of two pieces by one seed and by two."""
    same, other = [], []
    for prompt in [wish_prompt(wish) for wish in wishes(count)]:
        first, again, second = maker.make([prompt] * 3, [1, 1, 2])
        same.append(likeness(first.audio, again.audio))
        other.append(likeness(first.audio, second.audio))
    return {
        "same_seed_likeness": float(np.min(same)),
        "other_seed_likeness": float(np.max(other)),
        "other_seeds_differ": bool(np.max(other) < 0.9),
    }


def evaluate_text2music(
    client: MumuClient,
    jury: Jury,
    prompts: int = 40,
    pairs: int = 15,
    mood_pairs: int = 15,
    seeds: int = 2,
    seconds: float = 8.0,
    report: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Make music for all kinds of requests and judge it."""
    maker, truth = Maker(client, seconds, report), TrueRenderings(seconds)
    asked = wishes(prompts)
    heard: list[Heard] = []
    rows: list[Any] = []
    for start in range(0, prompts, 5):
        part = asked[start : start + 5]
        numbers = [1000 + start + i for i in range(len(part))]
        for wish, piece in zip(
            part, maker.make([wish_prompt(w) for w in part], numbers), strict=True
        ):
            heard.append(jury.hear(piece.audio))
            words = {"prompt": wish_prompt(wish), "caption": piece.answer.caption}
            rows.append({**words, "wish": wish, **heard[-1].row()})
        report(f"{start + len(part)}/{prompts} pieces by instrument and tempo")
    true = [jury.hear(truth.make(wish, number)) for number, wish in enumerate(asked)]
    partners = swap_partners(
        asked, [[wish["instrument"] for wish in asked], [wish["tempo"] for wish in asked]]
    )
    swapped = marks([heard[partner] for partner in partners], asked)
    marked = compare_marks(marks(heard, asked), marks(true, asked), swapped, chances(asked))
    moods, mood_rows = _moods(maker, jury, truth, mood_pairs)
    speed, speed_rows = _fast_and_slow(maker, jury, pairs)
    seeded = _seeds(maker, seeds)
    looks, spectra = spectral_table(heard, true)
    frechet = distances(heard, true)
    outcome = Outcome(
        "text2music",
        f"{prompts} pieces by instrument and tempo, {pairs} pairs fast against slow, {mood_pairs} "
        f"pairs of moods, of {seconds:g} s.",
        {
            "marks": marked | moods,
            "speed": speed,
            "seeds": seeded,
            "spectral": spectra,
            "frechet": frechet,
            "judge": jury.judge.measures,
            "largest_length_error": max(maker.errors),
            "silent": sum(bool(one["silent"]) for one in maker.levels),
            "clipped": sum(bool(one["clipped"]) for one in maker.levels),
        },
        rows=[{"instrument_and_tempo": rows, "moods": mood_rows, "speed": speed_rows}],
    )
    _present(outcome, marked | moods, looks)
    return outcome


def _present(outcome: Outcome, marked: dict[str, dict[str, Any]], looks: Table) -> None:
    results = outcome.results
    speed, seeded = results["speed"], results["seeds"]
    lengths = (
        f"{results['largest_length_error']:.2%}",
        f"{results['silent']} / {results['clipped']}",
    )
    faster = interval(speed["fast_measures_faster_interval"])
    judged = interval(speed["fast_judged_faster_interval"])
    outcome.tables += [
        marks_table(marked, "What the judge hears"),
        Table(
            ["measure", "value"],
            [
                [
                    "fast measures faster (onset rate)",
                    f"{percent(speed['fast_measures_faster'])} ({faster})",
                ],
                [
                    "fast judged faster (judge's tempo)",
                    f"{percent(speed['fast_judged_faster'])} ({judged})",
                ],
                [
                    "onsets a second, fast / slow",
                    f"{speed['mean_onset_rate_fast']:.2f} / {speed['mean_onset_rate_slow']:.2f}",
                ],
                [
                    "likeness of the same prompt, same seed / another seed",
                    f"{seeded['same_seed_likeness']:.3f} / {seeded['other_seed_likeness']:.3f}",
                ],
                ["largest error of length", lengths[0]],
                ["silent / clipped pieces", lengths[1]],
            ],
        ),
        looks,
    ]
    outcome.notes.append(
        "Ratio: share right of generated music over that of true renderings of the same wishes, as "
        "the judge errs too. Chance: the best that music can get that follows no wish. For "
        "another's: the music made for another wish, marked by this one; the difference is paired."
    )
    if results["frechet"]:
        outcome.notes.append(distance_note(results["frechet"]))
    outcome.charts.append(marks_chart(marked, "Music from text, as the judge hears it"))


def marks_chart(marked: dict[str, dict[str, Any]], title: str) -> Chart:
    """Chart of compare_marks."""
    entries = list(marked.values())
    kinds = {"generated": "generated", "true renderings": "true"}
    series: dict[str, Sequence[float]] = {
        label: [entry[key] for entry in entries] for label, key in kinds.items()
    }
    for label, key in {"for another's": "swapped", "chance": "chance"}.items():
        values = [entry.get(key) for entry in entries]
        if any(value is not None for value in values):
            # No bar where there is no value.
            series[label] = [math.nan if value is None else value for value in values]
    return Chart(
        title,
        [name.replace(" ", "\n", 1) for name in marked],
        series,
        {label: [entry[f"{key}_interval"] for entry in entries] for label, key in kinds.items()},
        "share right",
    )
