"""Marks of generated music beside the same marks of true renderings of the same wishes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mumu_training.evaluation.music_measures import frechet_distance
from mumu_training.evaluation.pieces import Heard
from mumu_training.evaluation.qa import tempo_right
from mumu_training.evaluation.report import Table, interval, percent
from mumu_training.evaluation.statistics import bootstrap_interval, ratio_interval, swap_partners

Wish = Mapping[str, Any]
MOOD_CHANCE = {"mood in pairs": 0.5}
"""A pair has two orders."""
SPECTRAL = ("onset_rate", "centroid", "bandwidth", "rolloff", "flatness")


def marks(heard: Sequence[Heard], wishes: Sequence[Wish]) -> dict[str, list[float]]:
    """1 or 0 for each piece and each attribute that every wish names."""
    found: dict[str, list[float]] = {}
    named = [
        name for name in ("tempo", "instrument", "mode", "mood") if all(name in w for w in wishes)
    ]
    for name in named:
        if name == "tempo":
            pairs = [(h.tags.tempo, w["tempo"]) for h, w in zip(heard, wishes, strict=True)]
            found["tempo"] = [float(tempo_right(ours, asked)) for ours, asked in pairs]
            found["tempo half or double"] = [
                float(tempo_right(ours, asked / 2) or tempo_right(ours, asked * 2))
                for ours, asked in pairs
            ]
            found["tempo by librosa"] = [
                float(tempo_right(h.measures["beat_tempo"], w["tempo"]))
                for h, w in zip(heard, wishes, strict=True)
            ]
        else:
            found[name] = [
                float(getattr(h.tags, name) == w[name]) for h, w in zip(heard, wishes, strict=True)
            ]
    return found


def chances(wishes: Sequence[Wish]) -> dict[str, float]:
    """Share of wishes that the best music made without hearing any of them would be right for."""
    found: dict[str, float] = {}
    for name in ("tempo", "instrument", "mode", "mood"):
        if not all(name in wish for wish in wishes):
            continue
        asked = [wish[name] for wish in wishes]
        if name == "tempo":
            found[name] = found["tempo by librosa"] = best_tempo_share(asked)
        else:
            found[name] = Counter(asked).most_common(1)[0][1] / len(asked)
    return found


def best_tempo_share(asked: Sequence[float]) -> float:
    """Largest share of tempi that a single tempo is right for."""
    guesses = (50 * 1.01**step for step in range(150))
    return max(sum(tempo_right(guess, tempo) for tempo in asked) for guess in guesses) / len(asked)


def compare_marks(
    made: dict[str, list[float]],
    true: dict[str, list[float]],
    swapped: dict[str, list[float]] | None = None,
    chance: Mapping[str, float] | None = None,
) -> dict[str, dict[str, Any]]:
    """Shares right of generated and of true music, and their ratio, by attribute.

    Args:
        swapped: marks of other pieces for the same wishes, in the order of `made`.
        chance: what music that follows no wish can have right, for the attributes that have such.
    """
    results: dict[str, dict[str, Any]] = {}
    for name, ours in made.items():
        share, ceiling = float(np.mean(ours)), float(np.mean(true[name]))
        entry: dict[str, Any] = {
            "generated": share,
            "generated_interval": bootstrap_interval(ours),
            "true": ceiling,
            "true_interval": bootstrap_interval(true[name]),
            "ratio": share / ceiling if ceiling else None,
            "ratio_interval": ratio_interval(ours, true[name]) if ceiling else None,
            "pieces": len(ours),
        }
        if swapped is not None:
            others = swapped[name]
            entry["swapped"] = float(np.mean(others))
            difference = np.subtract(ours, others)
            entry["difference"] = float(difference.mean())
            entry["difference_interval"] = bootstrap_interval(difference)
        if chance is not None:
            entry["chance"] = chance.get(name)
        results[name] = entry
    return results


def marks_table(results: dict[str, dict[str, Any]], title: str = "") -> Table:
    """Table of compare_marks."""
    has_swaps = any("swapped" in entry for entry in results.values())
    has_chance = any("chance" in entry for entry in results.values())
    columns = ["attribute", "generated (95 %)", "true renderings (95 %)", "ratio (95 %)"]
    if has_chance:
        columns.append("chance")
    if has_swaps:
        columns += ["for another's", "difference (95 %)"]
    rows = []
    for name, entry in results.items():
        # Half and double are mistakes: that true renderings make hardly any is no measure for a ratio.
        ratio = "-"
        if entry["ratio"] is not None and name != "tempo half or double":
            ratio = f"{percent(entry['ratio'])} ({interval(entry['ratio_interval'])})"
        row = [
            name,
            f"{percent(entry['generated'])} ({interval(entry['generated_interval'])})",
            f"{percent(entry['true'])} ({interval(entry['true_interval'])})",
            ratio,
        ]
        if has_chance:
            row.append(percent(entry.get("chance")))
        if has_swaps:
            row += [
                percent(entry["swapped"]),
                f"{entry['difference']:+.0%} ({interval(entry['difference_interval'], True)})",
            ]
        rows.append(row)
    return Table(columns, rows, title)


def mood_ordered(first: Heard, second: Heard, moods: tuple[str, str]) -> float:
    """1 where the judge hears more of moods[0], against moods[1], in the first piece than in the
    second, else 0; a tie is a half."""
    one, other = moods
    ours = first.tags.moods[one] - first.tags.moods[other]
    theirs = second.tags.moods[one] - second.tags.moods[other]
    return 0.5 if ours == theirs else float(ours > theirs)


def compare_moods(
    made: Sequence[tuple[Heard, Heard]],
    true: Sequence[tuple[Heard, Heard]],
    wanted: Sequence[tuple[str, str]],
) -> dict[str, dict[str, Any]]:
    """How often pairs of pieces are ordered by their moods as wanted, beside true renderings and
    beside the pair made for other moods."""
    partners = swap_partners(wanted, list(zip(*wanted, strict=True)))

    def ordered(pairs: Sequence[tuple[Heard, Heard]]) -> dict[str, list[float]]:
        both = zip(pairs, wanted, strict=True)
        return {"mood in pairs": [mood_ordered(*pair, moods) for pair, moods in both]}

    swapped = ordered([made[partner] for partner in partners])
    return compare_marks(ordered(made), ordered(true), swapped, MOOD_CHANCE)


def spectral_table(made: Sequence[Heard], true: Sequence[Heard]) -> tuple[Table, dict[str, Any]]:
    """Means and deviations of librosa's measures, generated beside true."""
    results: dict[str, Any] = {}
    rows = []
    for name in SPECTRAL:
        cells = [name]
        for kind, pieces in (("generated", made), ("true", true)):
            values = [piece.measures[name] for piece in pieces]
            results.setdefault(name, {})[kind] = {
                "mean": float(np.mean(values)),
                "deviation": float(np.std(values)),
            }
            cells.append(f"{np.mean(values):.3g} ± {np.std(values):.2g}")
        rows.append(cells)
    return Table(["measure (Hz, or a second)", "generated", "true renderings"], rows), results


def distances(made: Sequence[Heard], true: Sequence[Heard]) -> dict[str, float]:
    """Frechet distance of generated to true music, beside that of two halves of the true music.

    The halves are smaller sets, and small sets are further apart by chance alone: the generated
    music is therefore compared in halves of the same size too.
    """
    half = len(true) // 2
    if half < 2:
        return {}
    ours = np.stack([piece.embedding for piece in made])
    theirs = np.stack([piece.embedding for piece in true])
    rng = np.random.default_rng(0)
    apart, floor = [], []
    for _ in range(10):
        order = rng.permutation(len(theirs))
        chosen = rng.permutation(len(ours))[:half]
        apart.append(frechet_distance(ours[chosen], theirs[order[:half]]))
        floor.append(frechet_distance(theirs[order[half : 2 * half]], theirs[order[:half]]))
    return {
        "generated_to_true": frechet_distance(ours, theirs),
        "generated_to_true_in_halves": float(np.mean(apart)),
        "true_to_true_in_halves": float(np.mean(floor)),
    }


def distance_note(found: dict[str, float]) -> str:
    """The distances in a sentence."""
    return (
        f"Frechet distance to true renderings {found['generated_to_true']:.1f}; in sets of half the "
        f"size {found['generated_to_true_in_halves']:.1f}, where two halves of the true renderings "
        f"are {found['true_to_true_in_halves']:.1f} apart."
    )
