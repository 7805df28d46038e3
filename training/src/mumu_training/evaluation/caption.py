"""Suite "caption": free descriptions against the reference ones, by the usual measures of text.

The question is the first of MusicQA's four fixed ones, the reference what the dataset says of the
song (data/talk_audio.py). Words that any song's description shares make these measures high without
listening, so the same answers are also scored against other songs' references.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mumu_training.data.manifest import MusicRecord
from mumu_training.data.talk_audio import FIXED_QUESTIONS, fixed_turn
from mumu_training.evaluation.client import MumuClient, Query
from mumu_training.evaluation.report import Chart, Outcome, Table
from mumu_training.evaluation.statistics import FloatArray, bootstrap_interval, swap_partners
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


@dataclass(frozen=True)
class _Scored:
    """A measure of all answers."""

    value: float
    by_song: Sequence[float]
    """Empty for a measure of the whole corpus."""
    drawn: Sequence[float]
    """The measure of resampled songs, the same songs each time, for one of the whole corpus."""

    def entry(self) -> dict[str, Any]:
        ends = bootstrap_interval(self.by_song) if self.by_song else _middle(self.drawn)
        return {"value": self.value, "interval": ends}

    def over(self, other: _Scored) -> dict[str, Any]:
        """The difference to the measure of other answers about the same songs."""
        if self.by_song:
            ends = bootstrap_interval(np.subtract(self.by_song, other.by_song))
        else:
            ends = _middle(np.subtract(self.drawn, other.drawn))
        return {"value": self.value - other.value, "interval": ends}


def _middle(drawn: Sequence[float] | FloatArray) -> tuple[float, float]:
    low, high = np.percentile(np.asarray(drawn), [2.5, 97.5])
    return float(low), float(high)


def _measure(answers: Sequence[str], references: Sequence[str], wordnet: Any) -> dict[str, _Scored]:
    rouge = rouge_l(answers, references)
    by_song = {
        "BLEU, papers' protocol": paper_bleu(answers, references),
        "METEOR": meteor(answers, references, wordnet),
        "ROUGE-L, papers' protocol": [recall for recall, _ in rouge],
        "ROUGE-L": [measure for _, measure in rouge],
    }
    results = {
        name: _Scored(float(np.mean(values)), values, []) for name, values in by_song.items()
    }
    rng = np.random.default_rng(0)
    drawn = [
        standard_bleu([answers[i] for i in chosen], [references[i] for i in chosen])
        for chosen in rng.integers(0, len(answers), (_RESAMPLES, len(answers)))
    ]
    results["BLEU"] = _Scored(standard_bleu(answers, references), [], drawn)
    return {name: results[name] for name in sorted(results)}


def score(
    answers: Sequence[str], references: Sequence[str], partners: Sequence[int], wordnet: Any
) -> dict[str, dict[str, Any]]:
    """All measures with 95 % intervals over songs.

    Returns:
        By measure, of the answers ("own"), of other songs' answers against the same references
        ("swapped", other songs as `partners` has them) and the "difference" of the two, which is
        paired by song, and so is its interval.
    """
    own = _measure(answers, references, wordnet)
    swapped = _measure([answers[partner] for partner in partners], references, wordnet)
    return {
        "own": {name: scored.entry() for name, scored in own.items()},
        "swapped": {name: scored.entry() for name, scored in swapped.items()},
        "difference": {name: scored.over(swapped[name]) for name, scored in own.items()},
    }


def _cell(entry: dict[str, Any], sign: str = "") -> str:
    low, high = entry["interval"]
    return f"{entry['value']:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


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
    results = score(answers, references, partners, wordnet)
    own, others, differences = results["own"], results["swapped"], results["difference"]
    outcome = Outcome(
        "caption",
        f"{len(songs)} songs, asked: {FIXED_QUESTIONS[which]}.",
        dict(results),
        rows=[
            {"id": song.id, "answer": answer, "reference": reference}
            for song, answer, reference in zip(songs, answers, references, strict=True)
        ],
    )
    outcome.tables.append(
        Table(
            ["measure", "value (95 %)", "another song's answer (95 %)", "difference (95 %)"],
            [
                [
                    name,
                    _cell(entry),
                    _cell(others[name]),
                    _cell(differences[name], "+"),
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
            {
                "own": [entry["interval"] for entry in own.values()],
                "another song's": [entry["interval"] for entry in others.values()],
            },
        )
    )
    return outcome
