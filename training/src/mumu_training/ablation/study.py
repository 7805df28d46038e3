"""Trains every variant by every seed and asks the frozen language model through it.

Each run is what the warm start of stage 1 does: the adapter learns to say what stage 0's attribute
table says, from cached encoder states. Then the language model, to which nothing was done, answers
about songs that no variant was trained on. Runs are kept as they end, so the study goes on where it
was stopped.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mumu_training.ablation.variants import PAPER_BLEU, VARIANTS, Variant, seeded, weights
from mumu_training.data.manifest import MusicRecord
from mumu_training.data.talk_audio import FIXED_QUESTIONS, fixed_turn
from mumu_training.evaluation.qa import QUESTIONS
from mumu_training.evaluation.report import Chart, Outcome, Table
from mumu_training.evaluation.text_metrics import meteor, open_wordnet, paper_bleu, rouge_l
from mumu_training.hardware import autocast_for
from mumu_training.inputs import fingerprint
from mumu_training.recipe import Recipe
from mumu_training.runs import TrainingError
from mumu_training.stage0 import media
from mumu_training.stage0.attributes import vector_of
from mumu_training.stage0.language import LanguageTeacher, has_tables, load_teacher
from mumu_training.stages.common import load_tokenizer
from mumu_training.stages.features import Features, crop_frames
from mumu_training.stages.listening import answers

ASKED = ("instrument", "tempo", "mode", "metre", "style", "mood")
TEXT = ("BLEU, papers' protocol", "METEOR", "ROUGE-L")
Report = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """Of every run alike."""

    steps: int = 400
    batch: int = 32
    frames: int = 200
    rate: float = 4e-3
    songs: int = 180
    """Unseen songs that are asked about."""
    data_seed: int | None = None
    """Learn from the songs of this seed of the generator only."""
    hidden_states: float = 0.2
    """Share of the encoder's states hidden in training."""


class Study:
    """Data and the frozen language model, loaded once."""

    def __init__(self, recipe: Recipe, settings: Settings) -> None:
        """Raises TrainingError when the language model has no attribute tables."""
        if not has_tables(recipe):
            raise TrainingError(
                "the language model was kept from a checkpoint, which has no attribute tables to "
                "compare adapters by; train it here (begin --jobs language, or from nothing)"
            )
        self.settings = settings
        self.teacher: LanguageTeacher = load_teacher(recipe).eval().requires_grad_(False)
        self.tokenizer = load_tokenizer(recipe)
        self.features = Features(recipe)
        seeds = None if settings.data_seed is None else [settings.data_seed]
        self.train = media.music(recipe.data, "train", seeds)
        unseen = media.music(recipe.data, "valid") + media.music(recipe.data, "test")
        self.unseen = unseen[: settings.songs]
        encoder = recipe.component("audio_encoder")
        self.sizes = (
            int(encoder["num_hidden_layers"]) + 1,
            int(encoder["hidden_size"]),
            int(recipe.component("language")["dim"]),
        )

    def _states(
        self, records: Sequence[MusicRecord], rng: np.random.Generator | None
    ) -> tuple[Tensor, Tensor]:
        states = [
            crop_frames(self.features.audio.get(record), self.settings.frames, rng)
            for record in records
        ]
        vectors = torch.from_numpy(np.stack([vector_of(record) for record in records]))
        return torch.stack(states), self.teacher.tables.audio(vectors)

    def learn(self, model: nn.Module, seed: int) -> float:
        """Train a variant; returns the last tenth's mean error, relative to the targets' spread."""
        settings = self.settings
        rng = np.random.default_rng(seed)
        assert isinstance(model, Variant)
        model.dropout = settings.hidden_states
        optimizer = torch.optim.AdamW(model.parameters(), settings.rate, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.rate, settings.steps)
        _, sample = self._states(self.train[:500], None)
        spread = sample.var(0).mean()
        # Every variant begins with what is the same for all songs; few steps would not get it there.
        model.proj.bias.data.copy_(sample.mean(0))
        torch.manual_seed(seed)  # here, as loading the encoder above takes from the generator too
        errors = []
        for _ in range(settings.steps):
            chosen = rng.integers(len(self.train), size=settings.batch)
            states, target = self._states([self.train[i] for i in chosen], rng)
            with autocast_for("cpu"):
                made = model(states)
            loss = functional.mse_loss(made.float(), target) / spread
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            errors.append(float(loss.detach()))
        return float(np.mean(errors[-max(1, settings.steps // 10) :]))

    @torch.no_grad()
    def ask(self, model: nn.Module) -> dict[str, float]:
        """What the language model says through a variant, marked."""
        model.eval()
        rows = [
            model(crop_frames(states, states.shape[1], None)[None])[0]
            for states in map(self.features.audio.get, self.unseen)
        ]
        heard = torch.stack(rows)
        mumu = self.teacher.mumu

        def say(question: str, tokens: int) -> list[str]:
            ids = answers(
                mumu, self.tokenizer, (heard, None, None), question, len(heard), tokens=tokens
            )
            return [self.tokenizer.decode(row) for row in ids]

        figures: dict[str, float] = {}
        for question in QUESTIONS:
            if question.name in ASKED:
                texts = say(question.text, 24)
                right = [
                    question.right(question.read(text), question.truth(song))
                    for text, song in zip(texts, self.unseen, strict=True)
                ]
                figures[question.name] = float(np.mean(right))
        described = say(FIXED_QUESTIONS[0], 70)
        truths = [fixed_turn(song.attributes, 0)[1] for song in self.unseen]
        figures[TEXT[0]] = float(np.mean(paper_bleu(described, truths)))
        figures[TEXT[1]] = float(np.mean(meteor(described, truths, open_wordnet())))
        figures[TEXT[2]] = float(np.mean([f for _, f in rouge_l(described, truths)]))
        return figures


def recipe_mark(recipe: Recipe) -> str:
    """Of what the study reads of a recipe: not its notes, nor settings of jobs that are not run."""
    parts = [recipe.seed, dict(recipe.prompt)]
    parts += [recipe.component(name) for name in ("audio_encoder", "language")]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_study(
    recipe: Recipe, out: Path, seeds: int, settings: Settings, report: Report
) -> dict[str, list[dict[str, Any]]]:
    """Every variant by every seed; a run's result is in `out`/runs.json as soon as it ends.

    Raises TrainingError when the language model or the audio encoder is not trained yet, or the
    folder has the runs of another recipe, of other models or with other settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / "runs.json"
    kept: dict[str, Any] = {
        "settings": vars(settings),
        "recipe": recipe_mark(recipe),
        "audio encoder": fingerprint(recipe.run_folder("audio")),
        "language model": fingerprint(recipe.run_folder("language")),
        "runs": {},
    }
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        # Folders of before have no marks of their models, but have settings.
        found = {**kept, "settings": None, **found}
        other = [key for key in kept if key != "runs" and found[key] != kept[key]]
        if other:
            raise TrainingError(
                f"{path} has runs that differ in {', '.join(other)}: choose another folder for these, "
                "or delete that file"
            )
        kept = found
    study: Study | None = None
    for seed in range(seeds):  # all variants by one seed first: cut short, they can be compared
        for name in VARIANTS:
            runs = kept["runs"].setdefault(name, {})
            if str(seed) in runs:
                continue
            study = study or Study(recipe, settings)
            started = time.monotonic()
            model = seeded(name, seed, study.sizes)
            error = study.learn(model, seed)
            runs[str(seed)] = {
                "weights": weights(model),
                "error": error,
                **study.ask(model),
                "seconds": round(time.monotonic() - started, 1),
            }
            path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
            report(f"{name}, seed {seed}: error {error:.3f}, {runs[str(seed)]['seconds']} s")
    return {name: [kept["runs"][name][str(seed)] for seed in range(seeds)] for name in VARIANTS}


def outcome(results: dict[str, list[dict[str, Any]]], settings: Settings) -> Outcome:
    """Table and plot: means over the seeds, with the least and the largest."""
    seeds = len(next(iter(results.values())))

    def cell(runs: list[dict[str, Any]], name: str) -> str:
        values = [run[name] for run in runs]
        return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"

    measures = [*TEXT, *ASKED]
    rows = [
        [
            name,
            f"{runs[0]['weights']:,}",
            cell(runs, "error"),
            *(cell(runs, measure) for measure in measures),
            f"{PAPER_BLEU[name]:.3f}",
        ]
        for name, runs in results.items()
    ]
    made = Outcome(
        "ablation",
        f"The audio adapter's variants, {seeds} seeds each, {settings.steps} steps of "
        f"{settings.batch} songs, asked about {settings.songs} songs of the splits 'valid' and "
        "'test'. Means, and least to largest.",
        {"results": results, "settings": vars(settings)},
    )
    made.tables.append(
        Table(["adapter", "weights", "error", *measures, "paper's BLEU (its data)"], rows)
    )
    made.notes.append(
        "Error: mean squared distance to the attribute table's feature, 1 for an adapter that says "
        "the same of every song. The language model is stage 0's, frozen."
    )
    labels = [name.replace(" ", "\n") for name in results]

    def series(name: str) -> list[float]:
        return [float(np.mean([run[name] for run in runs])) for runs in results.values()]

    def ends(name: str) -> list[tuple[float, float]]:
        return [
            (min(run[name] for run in runs), max(run[name] for run in runs))
            for runs in results.values()
        ]

    for title, names in (("Descriptions", TEXT), ("Answers right", ASKED)):
        made.charts.append(
            Chart(
                f"{title}, by adapter",
                labels,
                {name: series(name) for name in names},
                {name: ends(name) for name in names},
            )
        )
    return made
