"""Suites "image2music" and "video2music": does the music fit the picture or clip?

What fits is written down in data/scene_rules.py. The caption that mumu says it plays shows what it
saw; the judge hears what it made of it. Both are also marked against the rules of another scene
("for another's"): what a mumu that never looks would get.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mumu_training.data.manifest import ImageRecord, VideoRecord
from mumu_training.data.vocabulary import tempo_word
from mumu_training.evaluation.client import MumuClient, Query
from mumu_training.evaluation.marks import (
    chances,
    compare_marks,
    compare_moods,
    distance_note,
    distances,
    marks,
    marks_table,
    spectral_table,
)
from mumu_training.evaluation.pieces import Heard, Jury, TrueRenderings, make_pieces
from mumu_training.evaluation.report import Outcome, Table, interval, percent
from mumu_training.evaluation.statistics import bootstrap_interval, swap_partners
from mumu_training.evaluation.text2music import marks_chart

Scene = ImageRecord | VideoRecord
_PROMPTS = {"image": "Make music for this picture", "video": "Make music for this clip"}


def said(caption: str | None, wish: dict[str, Any]) -> dict[str, float]:
    """1 or 0 for what a caption says of a wish: instrument, mood, style, tempo word."""
    text = (caption or "").lower()

    def has(word: str) -> float:
        return float(bool(re.search(rf"\b{re.escape(word)}\b", text)))

    return {
        "instrument": has(wish["instrument"]),
        "mood": has(wish["mood"]),
        "style": has(wish["style"]),
        "tempo word": has(tempo_word(wish["tempo"])),
    }


def said_results(
    captions: Sequence[str | None], wishes: Sequence[dict[str, Any]], partners: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Shares of captions that name what the rules want, beside another scene's caption."""
    own = [said(caption, wish) for caption, wish in zip(captions, wishes, strict=True)]
    swapped = [
        said(captions[partner], wish) for partner, wish in zip(partners, wishes, strict=True)
    ]
    results = {}
    for name in own[0]:
        ours, theirs = [row[name] for row in own], [row[name] for row in swapped]
        difference = np.subtract(ours, theirs)
        results[name] = {
            "right": float(np.mean(ours)),
            "right_interval": bootstrap_interval(ours),
            "swapped": float(np.mean(theirs)),
            "difference": float(difference.mean()),
            "difference_interval": bootstrap_interval(difference),
        }
    return results


def mood_partners(wishes: Sequence[dict[str, Any]], seed: int = 0) -> list[tuple[int, int]]:
    """Pairs of scenes whose rules want different moods, each scene in one pair at most."""
    order = [int(i) for i in np.random.default_rng(seed).permutation(len(wishes))]
    pairs = []
    while order:
        first = order.pop()
        other = next((i for i in order if wishes[i]["mood"] != wishes[first]["mood"]), None)
        if other is not None:
            order.remove(other)
            pairs.append((first, other))
    return pairs


def evaluate_scenes(
    client: MumuClient,
    jury: Jury,
    scenes: Sequence[Scene],
    folder: Path,
    seconds: float = 8.0,
    report: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Have mumu make music for pictures or for clips (one kind at a time) and judge it."""
    kind = scenes[0].kind
    truth = TrueRenderings(seconds)
    wishes = [scene.music for scene in scenes]
    heard: list[Heard] = []
    captions: list[str | None] = []
    for start in range(0, len(scenes), 5):
        queries = [
            Query(
                "generate",
                _PROMPTS[kind],
                [folder / scene.path],
                {"seed": start + i, "seconds": seconds, "format": "wav"},
            )
            for i, scene in enumerate(scenes[start : start + 5])
        ]
        for piece in make_pieces(client, queries):
            heard.append(jury.hear(piece.audio))
            captions.append(piece.answer.caption)
        report(f"{len(heard)}/{len(scenes)} scenes")
    true = [jury.hear(truth.make(wish, 20_000 + i)) for i, wish in enumerate(wishes)]
    partners = swap_partners(
        wishes, [[wish["instrument"] for wish in wishes], [wish["mood"] for wish in wishes]]
    )
    swapped = marks([heard[partner] for partner in partners], wishes)
    marked = compare_marks(marks(heard, wishes), marks(true, wishes), swapped, chances(wishes))
    pairs = mood_partners(wishes)
    wanted = [(wishes[first]["mood"], wishes[second]["mood"]) for first, second in pairs]
    moods = compare_moods(
        [(heard[first], heard[second]) for first, second in pairs],
        [(true[first], true[second]) for first, second in pairs],
        wanted,
    )
    words = said_results(captions, wishes, partners)
    looks, spectra = spectral_table(heard, true)
    frechet = distances(heard, true)
    outcome = Outcome(
        f"{kind}2music",
        f"{len(scenes)} {'pictures' if kind == 'image' else 'clips'} never seen, "
        f"{len(pairs)} pairs of different moods, {seconds:g} s each.",
        {
            "marks": marked,
            "moods": moods,
            "caption": words,
            "spectral": spectra,
            "frechet": frechet,
            "judge": jury.judge.measures,
        },
        rows=[
            {"id": scene.id, "scene": scene.caption, "wish": wish, "caption": caption, **one.row()}
            for scene, wish, caption, one in zip(scenes, wishes, captions, heard, strict=True)
        ],
    )
    outcome.tables += [
        marks_table(marked, "What the judge hears, against the rules"),
        marks_table(moods),
        Table(
            ["the caption names", "right (95 %)", "for another's", "difference (95 %)"],
            [
                [
                    name,
                    f"{percent(entry['right'])} ({interval(entry['right_interval'])})",
                    percent(entry["swapped"]),
                    f"{entry['difference']:+.0%} ({interval(entry['difference_interval'], True)})",
                ]
                for name, entry in words.items()
            ],
            "What mumu says it plays",
        ),
        looks,
    ]
    if frechet:
        outcome.notes.append(distance_note(frechet))
    outcome.charts.append(marks_chart(marked | moods, f"Music for a {kind}, as the judge hears it"))
    return outcome
