"""Command line of training: one command per stage, `all` for everything.

python -m mumu_training stage0 [--only NAME] | features | stage1 | stage2 | stage3 | evaluate
    | export | all
    --recipe FILE [--fresh]
Runs resume by themselves from their last checkpoint; `--fresh` starts them over.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import time
from pathlib import Path

import torch

from mumu_training.loop import TrainingError
from mumu_training.recipe import Recipe, RecipeError, load_recipe
from mumu_training.stage0.media import DataError

# Stage 0 jobs in the order they need each other, each a module with `run(recipe, resume)`.
STAGE0 = {
    "tokenizer": "mumu_training.stage0.tokenizer",
    "language": "mumu_training.stage0.language",
    "audio": "mumu_training.stage0.audio_encoder",
    "image": "mumu_training.stage0.image_encoder",
    "video": "mumu_training.stage0.video_encoder",
    "codec": "mumu_training.stage0.codec",
    "music": "mumu_training.stage0.music_decoder",
}
STAGES = {
    "features": "mumu_training.stages.features",
    "stage1": "mumu_training.stages.stage1",
    "stage2": "mumu_training.stages.stage2",
    "stage3": "mumu_training.stages.stage3",
    "evaluate": "mumu_training.stages.evaluate",
    "export": "mumu_training.stages.export",
}


def run_job(name: str, module: str, recipe: Recipe, fresh: bool) -> None:
    """Import a job's module and run it."""
    if fresh and name in (*STAGE0, *recipe.order):
        shutil.rmtree(recipe.run_folder(name), ignore_errors=True)
    started = time.monotonic()
    importlib.import_module(module).run(recipe, not fresh)
    print(f"{name}: done in {time.monotonic() - started:.0f} s", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code (2 when what was given or is there is wrong)."""
    parser = argparse.ArgumentParser(prog="mumu_training", description=__doc__)
    parser.add_argument("command", choices=["stage0", *STAGES, "all"])
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--only", choices=list(STAGE0), help="one job of stage 0")
    parser.add_argument("--resume", action="store_true", help="the default; kept for clarity")
    parser.add_argument("--fresh", action="store_true", help="start the jobs over")
    options = parser.parse_args(arguments)
    if options.only and options.command != "stage0":
        parser.error("--only belongs to stage0")
    try:
        recipe = load_recipe(options.recipe)
        torch.set_num_threads(recipe.threads)
        jobs: dict[str, str] = {}
        if options.command in ("stage0", "all"):
            jobs |= {n: m for n, m in STAGE0.items() if options.only in (None, n)}
        if options.command == "all":
            jobs |= {
                name: STAGES[name] for name in ("features", *recipe.order, "evaluate", "export")
            }
        elif options.command in STAGES:
            jobs[options.command] = STAGES[options.command]
        for name, module in jobs.items():
            run_job(name, module, recipe, options.fresh)
    except (RecipeError, TrainingError, DataError, FileNotFoundError) as error:
        print(f"mumu_training: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mumu_training: interrupted; run the same command to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
