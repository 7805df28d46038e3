"""A run's folder: `start.safetensors`, which it may begin with (`start.begin`), `last.pt`, from which
it goes on, and `final.safetensors`, which it ends in."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

LAST, FINAL, START = "last.pt", "final.safetensors", "start.safetensors"
FINAL_FORMAT = "mumu-run/1"


class TrainingError(RuntimeError):
    """Training can't go on (a loss that is not finite, a checkpoint of another model)."""


def trainable_state(model: nn.Module) -> dict[str, Tensor]:
    """Trainable parameters, frozen ones marked `keep`, and persistent buffers, by state-dict name."""
    state = model.state_dict()
    return {name: state[name].detach().cpu() for name in saved_names(model)}


def hold(parameters: Iterable[nn.Parameter]) -> None:
    """Keep training from changing these; they are saved all the same (`saved_names`)."""
    for parameter in parameters:
        parameter.requires_grad_(False)
        parameter.keep = True  # type: ignore[attr-defined]


def saved_names(model: nn.Module) -> list[str]:
    """Names of what `trainable_state` has."""
    frozen = {
        name
        for name, p in model.named_parameters()
        if not p.requires_grad and not getattr(p, "keep", False)
    }
    return [name for name in model.state_dict() if name not in frozen]


def save_run(folder: Path, state: Mapping[str, Any]) -> None:
    """Replace `last.pt`: a kill at any moment leaves the old one or the new one, whole."""
    temporary = folder / "last.tmp"
    with temporary.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / LAST)


def load_run(folder: Path) -> dict[str, Any] | None:
    """The last checkpoint of a run folder, or None when it has none.

    Raises TrainingError when it is damaged.
    """
    return _load(folder, mapped=False)


def look_at_run(folder: Path) -> dict[str, Any] | None:
    """The same with tensors left on disk: for a look at all the rest."""
    return _load(folder, mapped=True)


def _load(folder: Path, mapped: bool) -> dict[str, Any] | None:
    path = folder / LAST
    if not path.is_file():
        return None
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True, mmap=mapped))
    # What torch raises depends on where the file ends or goes wrong.
    except (RuntimeError, EOFError, UnpicklingError, LookupError, TypeError, ValueError) as error:
        raise TrainingError(
            f"{path} can't be read ({str(error).splitlines()[0] if str(error) else 'it is empty'}): "
            f"delete {folder}, or start the job over with --fresh"
        ) from error


def is_done(folder: Path) -> bool:
    """Whether the run in this folder finished. Raises TrainingError when its checkpoint is damaged."""
    state = look_at_run(folder)
    return bool(state and state["done"])


def clear(folder: Path) -> None:
    """Empty a run folder for a job to start over, with what it began with (`start.safetensors`) left.

    Raises TrainingError when the run was taken over whole from a checkpoint: that is not this job's
    work to throw away.
    """
    try:
        state = look_at_run(folder)
    except TrainingError:
        state = None  # damaged: to start over is what helps
    if state and state.get("kept"):
        raise TrainingError(
            f"{folder.name} was kept from a checkpoint; delete {folder} to train it from nothing"
        )
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != START:
            path.unlink()


def restore_model(model: nn.Module, folder: Path) -> None:
    """Load a run's weights into `model`; frozen weights the run did not save stay as they are.

    Raises TrainingError when the folder has no checkpoint or it is of another model.
    """
    state = load_run(folder)
    if state is None:
        raise TrainingError(f"there is no checkpoint in {folder}; run that job first")
    load_weights(model, state["model"], folder)


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Lay weights over a model's. Raises TrainingError when they are another model's."""
    try:
        result = model.load_state_dict(dict(weights), strict=False)
    except RuntimeError as error:
        raise TrainingError(f"the checkpoint in {folder} has other shapes: {error}") from error
    if result.unexpected_keys:
        raise TrainingError(
            f"the checkpoint in {folder} is of another model: {result.unexpected_keys[:3]}"
        )


def half_where_it_fits(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Floating-point tensors in half precision, but for those with values it can't hold (sums and
    counters among the buffers)."""
    result = {}
    for name, value in tensors.items():
        made = value.detach().cpu()
        if made.is_floating_point() and bool(torch.isfinite(made.half()).all()):
            made = made.half()
        result[name] = made.contiguous().clone()
    return result


def describe(state: Mapping[str, Any]) -> dict[str, str]:
    """Metadata of a run's `final.safetensors`, from what `last.pt` holds. Values are strings, as
    safetensors wants them; `figures` is JSON."""
    return {
        "format": FINAL_FORMAT,
        "job": str(state["job"]),
        "step": str(state["step"]),
        "minutes": f"{float(state['elapsed']) / 60:.1f}",
        "seed": str(state["seed"]),
        "recipe_sha256": str(state.get("recipe_sha256", "")),
        "figures": json.dumps({k: float(f"{v:.6g}") for k, v in state["figures"].items()}),
        "torch": str(torch.__version__),
    }


def load_start(model: nn.Module, folder: Path) -> bool:
    """Lay `start.safetensors` over a model, if the folder has one; returns whether it had.

    Raises TrainingError when it is of another model.
    """
    path = folder / START
    if not path.is_file():
        return False
    load_weights(model, {name: t.float() for name, t in load_file(str(path)).items()}, folder)
    return True


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> Path:
    """Write contiguous tensors that share no memory as a safetensors file, whole or not at all;
    returns its path."""
    temporary = path.with_suffix(".part")
    save_file(dict(tensors), str(temporary), metadata=metadata)
    temporary.chmod(0o644)
    temporary.replace(path)
    return path


def write_final(folder: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> Path:
    """Write `final.safetensors` whole or not at all; returns its path."""
    return write_tensors(folder / FINAL, tensors, metadata)


def read_final_metadata(path: Path) -> dict[str, str]:
    """Metadata of a safetensors file (empty where it has none)."""
    with safe_open(str(path), framework="pt") as file:
        return dict(file.metadata() or {})


def sign_final(folder: Path) -> None:
    """Give `final.safetensors` its metadata where a job wrote it in its own way (codec and music save
    it under the published names). Nothing happens before the run is finished."""
    path, state = folder / FINAL, look_at_run(folder)
    if not path.is_file() or state is None or not state["done"] or "figures" not in state:
        return
    metadata = describe(state)
    if read_final_metadata(path) != metadata:
        write_final(folder, load_file(str(path)), metadata)
