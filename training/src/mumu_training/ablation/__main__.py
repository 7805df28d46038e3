"""The ablation of the audio adapter: one command, which can be stopped and given again.

    python -m mumu_training.ablation --recipe recipes/mini.yaml --out DIR [--seeds 3] [--steps 400]

Needs the jobs `language` and `audio` of the recipe. Writes ablation.json, .md and .png.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from mumu_training.ablation.study import Settings, outcome, run_study
from mumu_training.evaluation.report import write
from mumu_training.recipe import RecipeError, load_recipe
from mumu_training.runs import TrainingError
from mumu_training.stage0.media import DataError


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code (2 when what was given or is there is wrong)."""
    parser = argparse.ArgumentParser(prog="mumu_training.ablation", description=__doc__)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for the report")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400, help="of training, each run")
    parser.add_argument("--batch", type=int, default=32, help="songs a step")
    parser.add_argument("--frames", type=int, default=200, help="of a song, in training")
    parser.add_argument("--songs", type=int, default=180, help="unseen songs to ask about")
    parser.add_argument("--data-seed", type=int, help="learn from songs of this seed only")
    options = parser.parse_args(arguments)
    if min(options.seeds, options.steps, options.batch, options.frames, options.songs) < 1:
        parser.error("counts must be at least 1")

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        recipe = load_recipe(options.recipe)
        torch.set_num_threads(recipe.threads)
        settings = Settings(
            steps=options.steps,
            batch=options.batch,
            frames=options.frames,
            songs=options.songs,
            data_seed=options.data_seed,
        )
        made = outcome(run_study(recipe, options.out, options.seeds, settings, tell), settings)
        files = write(made, options.out)
    except (RecipeError, TrainingError, DataError, FileNotFoundError) as error:
        print(f"ablation: {error}", file=sys.stderr)
        return 2
    print(made.markdown())
    tell(f"written: {', '.join(file.name for file in files)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
