"""Suite "caption": free descriptions against the reference ones, by the usual measures of text.

The question is the first of MusicQA's four fixed ones, the reference what the dataset says of the
song (data/talk_audio.py). Words that any song's description shares make these measures high without
listening, so the same answers are also scored against other songs' references.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mumu_training.data.manifest import MusicRecord
from mumu_training.data.talk_audio import FIXED_QUESTIONS, fixed_turn
from mumu_training.evaluation.client import MumuClient, Query
from mumu_training.evaluation.report import Chart, Outcome, Table
from mumu_training.evaluation.statistics import bootstrap_interval, swap_partners
from mumu_training.evaluation.text_metrics import (
    NoWordNet,
    meteor,
    open_wordnet,
    paper_bleu,
    rouge_l,
    standard_bleu,
)

_RESAMPLES = 200
"""Corpus BLEU has to be computed again for each resample."""


def score(answers: Sequence[str], references: Sequence[str], wordnet: Any) -> dict[str, Any]:
    """All measures with 95 % intervals over songs."""
    rouge = rouge_l(answers, references)
    by_song = {
        "BLEU, papers' protocol": paper_bleu(answers, references),
        "METEOR": meteor(answers, references, wordnet),
        "ROUGE-L, papers' protocol": [recall for recall, _ in rouge],
        "ROUGE-L": [measure for _, measure in rouge],
    }
    results: dict[str, Any] = {
        name: {"value": float(np.mean(values)), "interval": bootstrap_interval(values)}
        for name, values in by_song.items()
    }
    rng = np.random.default_rng(0)
    drawn = [
        standard_bleu([answers[i] for i in chosen], [references[i] for i in chosen])
        for chosen in rng.integers(0, len(answers), (_RESAMPLES, len(answers)))
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    results["BLEU"] = {
        "value": standard_bleu(answers, references),
        "interval": (float(low), float(high)),
    }
    return {name: results[name] for name in sorted(results)}


def evaluate_caption(
    client: MumuClient,
    songs: Sequence[MusicRecord],
    folder: Path,
    detailed: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Have every song described and score the descriptions.

    Args:
        detailed: ask for the description in detail, MusicQA's second fixed question.
    """
    which = int(detailed)
    answers: list[str] = []
    for start in range(0, len(songs), 10):
        part = songs[start : start + 10]
        options = {"seed": 1, "temperature": 0}
        queries = [Query("ask", FIXED_QUESTIONS[which], [folder / s.path], options) for s in part]
        answers += [answer.text for answer in client.ask_all(queries)]
        report(f"{len(answers)}/{len(songs)} songs described")
    references = [fixed_turn(song.attributes, which)[1] for song in songs]
    partners = swap_partners(songs, [[song.attributes.instrument for song in songs]])
    wordnet = open_wordnet()
    own = score(answers, references, wordnet)
    others = score([answers[partner] for partner in partners], references, wordnet)
    outcome = Outcome(
        "caption",
        f"{len(songs)} songs, asked: {FIXED_QUESTIONS[which]}.",
        {"own": own, "swapped": others},
        rows=[
            {"id": song.id, "answer": answer, "reference": reference}
            for song, answer, reference in zip(songs, answers, references, strict=True)
        ],
    )
    outcome.tables.append(
        Table(
            ["measure", "value (95 %)", "another song's description"],
            [
                [
                    name,
                    f"{entry['value']:.3f} ({entry['interval'][0]:.3f} to {entry['interval'][1]:.3f})",
                    f"{others[name]['value']:.3f}",
                ]
                for name, entry in own.items()
            ],
        )
    )
    outcome.notes.append(
        "The papers' protocol counts characters in BLEU and only recall in ROUGE-L; figures of the "
        "two protocols cannot be compared. The papers' figures are of other data besides."
    )
    if isinstance(wordnet, NoWordNet):
        outcome.notes.append("METEOR without synonyms: WordNet (wordnet-base) is not installed.")
    outcome.charts.append(
        Chart(
            "Descriptions of unseen songs",
            [name.replace(", ", "\n") for name in own],
            {
                "own": [entry["value"] for entry in own.values()],
                "another song's": [entry["value"] for entry in others.values()],
            },
            {"own": [entry["interval"] for entry in own.values()]},
        )
    )
    return outcome
