"""Command line of training: one command per stage (or several), `all` for everything.

python -m mumu_training stage0 [--only NAME] | features | stage1 | stage2 | stage3 | evaluate
    | export [--format mumu|published] [--out DIR] | estimate [--measure STEPS] | all
    | evaluate --suite NAME --pack NAME --data DIR --out DIR (see mumu_training.evaluation)
    | begin --from CHECKPOINT [--jobs NAME ...] [--keep NAME ...]
    --recipe FILE [--fresh] [--processes N]
Runs resume by themselves from their last checkpoint; `--fresh` starts them over. With `--processes`
(or started by `accelerate launch` or `torchrun`) several processes share each batch. `begin` lets
jobs start from a finished checkpoint (`--jobs`) or takes their result over as it is (`--keep`).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from soundfile import LibsndfileError

from mumu_training import estimate
from mumu_training.checkpoint import CheckpointError
from mumu_training.data.manifest import MANIFEST_NAME
from mumu_training.distributed import alone, launch, start, team
from mumu_training.inputs import require_matching, say_changed_settings
from mumu_training.recipe import Recipe, RecipeError, load_recipe
from mumu_training.runs import TrainingError, clear, is_done, look_at_run, sign_final
from mumu_training.stage0.media import DataError, require_seeds
from mumu_training.stages import published
from mumu_training.start import begin

# Stage 0 jobs in the order they need each other, each a module with `run(recipe, resume)`.
STAGE0 = {
    "tokenizer": "mumu_training.stage0.tokenizer",
    "language": "mumu_training.stage0.language",
    "audio": "mumu_training.stage0.audio_encoder",
    "image": "mumu_training.stage0.image_encoder",
    "video": "mumu_training.stage0.video_encoder",
    "codec": "mumu_training.stage0.codec",
    "text": "mumu_training.stage0.text_encoder",
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
# Jobs whose results are used together, with those of the stages.
_TOGETHER = {"evaluate": ("language",), "export": ("language", "music")}


def divisible(name: str, recipe: Recipe, processes: int) -> bool:
    """Whether several processes can share this job: the stages divide every batch, `features` its
    records; of stage 0, jobs that do no more than train are divided by micro-batches, where those
    divide."""
    if name in ("features", "stage1", "stage2", "stage3"):
        return True
    by_micro_batch = name in ("language", "audio", "image", "video") and name in recipe.jobs
    return by_micro_batch and recipe.job(name).accumulate % processes == 0


def run_job(name: str, module: str, recipe: Recipe, fresh: bool) -> None:
    """Import a job's module and run it; what can't be divided, one process does while others wait."""
    crew = team()
    folders = [recipe.run_folder(job) for job in (name, f"{name}_adapters")]
    if fresh and crew.main and name in (*STAGE0, *recipe.order):
        for folder in folders:
            clear(folder)
    if crew.main:
        _look_first(name, recipe)
    crew.wait()
    started = time.monotonic()
    run = importlib.import_module(module).run
    if divisible(name, recipe, crew.count):
        run(recipe, not fresh)
    elif crew.main:
        if crew.count > 1:
            print(f"{name}: one process works, the others wait", flush=True)
        with alone():
            run(recipe, not fresh)
    if crew.main:
        for folder in folders:
            sign_final(folder)
    crew.wait()
    print(f"{name}: done in {time.monotonic() - started:.0f} s", flush=True)


def _look_first(name: str, recipe: Recipe) -> None:
    """What the training loop looks at by itself, for what runs without it."""
    if name in _TOGETHER:
        require_matching(recipe, (*_TOGETHER[name], *recipe.order))
    # A finished codec does not come to the loop.
    state = look_at_run(recipe.run_folder(name)) if name == "codec" else None
    if state and state["done"] and name in recipe.jobs:
        say_changed_settings(name, state, recipe.job(name))


def require_data(recipe: Recipe, jobs: Iterable[str], fresh: bool = False) -> None:
    """Before the first of several jobs: that the dataset has what the last will want.

    Raises DataError when a job that has not finished (or is started over) is to learn from a seed that
    isn't there.
    """
    if not (recipe.data / MANIFEST_NAME).is_file():
        return  # the jobs that need data say so, or wait for it
    wanted = {
        job: seeds
        for name in jobs
        for job in (f"{name}_adapters", name)
        if job in recipe.jobs
        and (seeds := recipe.job(job).options.get("seeds")) is not None
        and (fresh or not is_done(recipe.run_folder(job)))
    }
    if wanted:
        require_seeds(recipe.data, wanted)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mumu_training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "commands",
        nargs="+",
        choices=["stage0", *STAGES, "estimate", "begin", "all"],
        metavar="command",
    )
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--only", choices=list(STAGE0), help="one job of stage 0")
    parser.add_argument("--resume", action="store_true", help="the default; kept for clarity")
    parser.add_argument("--fresh", action="store_true", help="start the jobs over")
    parser.add_argument("--processes", type=int, default=1, help="on this machine (default 1)")
    parser.add_argument(
        "--format",
        choices=["mumu", "published"],
        default="mumu",
        help="of export: mumu's one folder (default), or the reference's adapter and base folders",
    )
    parser.add_argument("--from", type=Path, dest="source", help="checkpoint folder, of begin")
    parser.add_argument(
        "--jobs", nargs="*", default=[], help="of begin: jobs that train on from the checkpoint"
    )
    parser.add_argument(
        "--keep", nargs="*", default=[], help="of begin: jobs whose result is taken over as it is"
    )
    parser.add_argument("--out", type=Path, help="where export --format published writes")
    parser.add_argument(
        "--measure", type=int, default=3, help="steps that estimate runs of each job (default 3)"
    )
    return parser


def _jobs(options: argparse.Namespace, recipe: Recipe) -> dict[str, str]:
    jobs: dict[str, str] = {}
    for command in options.commands:
        if command in ("stage0", "all"):
            jobs |= {n: m for n, m in STAGE0.items() if options.only in (None, n)}
        if command == "all":
            rest = ("features", *recipe.order, "evaluate", "export")
            jobs |= {name: STAGES[name] for name in rest}
        elif command in STAGES:
            jobs[command] = STAGES[command]
    return jobs


def _run(options: argparse.Namespace) -> None:
    recipe = load_recipe(options.recipe)
    torch.set_num_threads(recipe.threads)
    if options.commands == ["estimate"]:
        estimate.run(recipe, STAGE0 | STAGES, options.measure)
        return
    if options.commands == ["begin"]:
        begin(recipe, options.source, tuple(options.jobs), tuple(options.keep))
        return
    crew = start(recipe.fsdp)
    torch.set_num_threads(recipe.threads)  # accelerate sets its own
    if options.commands == ["export"] and options.format == "published":
        _look_first("export", recipe)
        published.run(recipe, options.out or recipe.checkpoint.parent / f"{recipe.name}-published")
        return
    quiet = None if crew.main else open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    with contextlib.redirect_stdout(quiet) if quiet else contextlib.nullcontext():
        jobs = _jobs(options, recipe)
        require_data(recipe, jobs, options.fresh)
        for name, module in jobs.items():
            run_job(name, module, recipe, options.fresh)


def _suite_first(given: list[str]) -> list[str]:
    """`--suite NAME OPTIONS` as the evaluation's own command line has it: `NAME OPTIONS`."""
    place = given.index("--suite")
    return [*given[place + 1 : place + 2], *given[:place], *given[place + 2 :]]


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code (2 when what was given or is there is wrong)."""
    parser = _parser()
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["evaluate"] and "--suite" in given:
        # Imported here: training needs none of what it measures with.
        from mumu_training.evaluation.__main__ import main as measure

        return measure(_suite_first(given[1:]))
    options = parser.parse_args(given)
    if options.only and options.commands != ["stage0"]:
        parser.error("--only belongs to stage0")
    if ("begin" in options.commands) != (options.source is not None):
        parser.error("begin and --from belong together")
    alone_only = {"estimate", "begin"}.intersection(options.commands)
    if options.format == "published":
        alone_only.add("export --format published")
    if len(options.commands) > 1 and alone_only:
        parser.error(f"{alone_only.pop()} is asked for on its own")
    several = options.processes > 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1
    if several and alone_only:
        parser.error(
            f"{alone_only.pop()} is one process's work: leave --processes (or torchrun) out"
        )
    if options.processes < 1 or options.measure < 0:
        parser.error("--processes must be at least 1 and --measure at least 0")
    if options.processes > 1 and "WORLD_SIZE" not in os.environ:
        return launch(options.processes, given)
    try:
        _run(options)
    except (RecipeError, TrainingError, DataError, CheckpointError, FileNotFoundError) as error:
        print(f"mumu_training: {error}", file=sys.stderr)
        return 2
    except LibsndfileError as error:
        print(f"mumu_training: a song of the dataset can't be read: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mumu_training: interrupted; run the same command to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
