"""What a job was trained on, remembered in its `last.pt`: results of other jobs, by fingerprint, and its
own settings. So an encoder that was trained again does not end up under adapters of the old one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from mumu_training.recipe import JobSettings, Recipe
from mumu_training.recipe_fields import STAGES
from mumu_training.runs import (
    FINAL,
    START,
    TrainingError,
    half_where_it_fits,
    look_at_run,
)

UNFINISHED = "unfinished"
"""The fingerprint of a codec that has begun and not ended."""

_TOKENIZER, _KEPT = "tokenizer.json", "fingerprint.json"

_READ: Mapping[str, str] = {
    **dict.fromkeys(("audio", "image", "video"), r"encoder\."),
    "codec": r".*(\bencoder\.|codebook\.embed$)",
    "music": r"text_encoder\.",
}
"""What others read of a job's weights, where that is not all: no heads, of the codec what makes codes, of
the music job the text encoder."""

_NAMES: Mapping[str, str] = {
    **{job: f"{job} encoder" for job in ("audio", "image", "video")},
    "language": "language model",
    "music": "text encoder",
    "text": "text encoder",
}
_BEGINNINGS = ("text", "stage1_adapters")
"""Jobs that others only begin with: what came of them is in those others' own weights."""

_WITHOUT_EFFECT = ("log_every", "save_every_steps", "save_every_minutes", "evaluate_every")
_NOT_SETTINGS = ("options", "recipe_sha256", "inputs")


def fingerprint(folder: Path) -> str | None:
    """16 hexadecimal digits of what a run folder's job gives to others (`unfinished` for a codec that
    has no result yet), None where it has not run.

    A result is hashed once: the digits are kept beside it. Raises TrainingError when it is damaged.
    """
    path = folder / FINAL
    if not path.is_file():
        if (folder / _TOKENIZER).is_file():
            return hashlib.sha256((folder / _TOKENIZER).read_bytes()).hexdigest()[:16]
        return _unfinished(folder)
    stat, kept = path.stat(), folder / _KEPT
    of = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found["of"] == of:
            return str(found["fingerprint"])
    made = _hash(path, re.compile(_READ.get(folder.name, "")))
    with contextlib.suppress(OSError):  # a folder that can't be written is hashed every time
        part = kept.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps({"of": of, "fingerprint": made}) + "\n", encoding="utf-8")
        part.replace(kept)
    return made


def _unfinished(folder: Path) -> str | None:
    """Digits of a job's last checkpoint, the same that its result would have now."""
    state = look_at_run(folder)
    if state is None:
        return None
    if folder.name == "codec":  # its checkpoints have other names than its result
        return UNFINISHED
    read = re.compile(_READ.get(folder.name, ""))
    return _digits(
        (name, state["model"][name]) for name in sorted(filter(read.match, state["model"]))
    )


def _digits(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    digest = hashlib.sha256()
    for name, value in tensors:
        # What a checkpoint gave is in single precision, with half precision's values.
        tensor = half_where_it_fits({name: value})[name]
        digest.update(f"{name} {list(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def _hash(path: Path, read: re.Pattern[str]) -> str:
    """Of tensors and not of the file, whose metadata has the minutes it took."""
    try:
        with safe_open(str(path), framework="pt") as file:
            names = sorted(filter(read.match, file.keys()))
            return _digits((name, file.get_tensor(name)) for name in names)
    except SafetensorError as error:
        raise TrainingError(
            f"{path} is damaged ({error}): run its job again with --fresh"
        ) from error


def inputs_now(folder: Path, settings: JobSettings) -> dict[str, str]:
    """Fingerprints of what the job of a run folder starts from, as it is now; without what has not run."""
    # With a start of its own the music decoder has its text encoder from there.
    own = {"text"} if folder.name == "music" and (folder / START).is_file() else set()
    found = {name: fingerprint(folder.parent / name) for name in settings.inputs if name not in own}
    return {name: mark for name, mark in found.items() if mark is not None}


def remembered(settings: JobSettings) -> str:
    """What a job's settings say that changes what it learns, as JSON."""
    named = (entry.name for entry in fields(settings))
    own = {n: getattr(settings, n) for n in named if n not in (*_NOT_SETTINGS, *_WITHOUT_EFFECT)}
    own |= {f"options.{name}": value for name, value in settings.options.items()}
    return json.dumps(own, default=str)


def changed_settings(state: Mapping[str, Any], settings: JobSettings) -> list[str]:
    """Settings that are other than those of a run's `last.pt` ("lr 0.001, now 0.1"); none where it does
    not have them."""
    if "settings" not in state:
        return []
    before, now = json.loads(state["settings"]), json.loads(remembered(settings))
    names = [
        name
        # A field that only one side has is of another version of this package; an option is not.
        for name in dict.fromkeys([*before, *now])
        if name.startswith("options.") or (name in before and name in now)
    ]
    return [
        f"{name} {before.get(name, 'not set')}, now {now.get(name, 'not set')}"
        for name in names
        if before.get(name) != now.get(name)
    ]


def say_changed_settings(job: str, state: Mapping[str, Any], settings: JobSettings) -> None:
    """One line, where a run was made or begun with other settings than it has now."""
    if changed := "; ".join(changed_settings(state, settings)):
        what = "goes on with other settings than it had"
        if state["done"]:
            what = "was finished with other settings, and --fresh starts it over with these"
        print(f"{job}: {what}: {changed}", flush=True)


def require_inputs(job: str, state: Mapping[str, Any], now: Mapping[str, str]) -> None:
    """Raises TrainingError when a run was trained on other results than there are now."""
    before = state.get("inputs", {})  # runs of before have none, nor have those a checkpoint gave
    order = [sorted(name for name in of if name in STAGES) for of in (before, now)]
    if before and order[0] != order[1]:
        after = [", ".join(names) or "no stage" for names in order]
        raise TrainingError(
            f"{job} was trained after {after[0]}, and the recipe's order has it after {after[1]}: put the "
            "order back, or run it again with --fresh"
        )
    changed = [name for name in now if before.get(name, now[name]) != now[name]]
    if not changed:
        return
    what = " and another ".join(_NAMES.get(name, name) for name in changed)
    runs = f"the run {changed[0]} has" if len(changed) == 1 else f"the runs {_list(changed)} have"
    command = job.removesuffix("_adapters")
    if not command.startswith("stage"):
        command = f"stage0 --only {command}"
    raise TrainingError(
        f"{job} was trained on another {what} ({runs} changed since): run {command} again with "
        "--fresh, or put back what it was trained on"
    )


def require_matching(recipe: Recipe, jobs: Iterable[str]) -> None:
    """Before results are used together: that each of these jobs was trained on the others as they are.

    Raises TrainingError for the first that was not.
    """
    for job in jobs:
        state = look_at_run(recipe.run_folder(job)) if job in recipe.jobs else None
        if state is not None:
            now = inputs_now(recipe.run_folder(job), recipe.job(job))
            require_inputs(job, state, {n: m for n, m in now.items() if n not in _BEGINNINGS})


def _list(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
