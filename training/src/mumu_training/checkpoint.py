"""The checkpoint folder: checkpoint.json, tokenizer.json and model.safetensors.

The layout that training writes and the pack builder reads. Tensor names are those of the published
full checkpoints (`mert_model.`, `vit_model.`, `vivit_model.`, `llama.`, `mu_mert_*`, ...), with the
music side under `generation_model.` in transformers' MusicgenForConditionalGeneration names.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from mumu_training.runs import write_tensors

FORMAT = "mumu-checkpoint/1"
METADATA, TOKENIZER, WEIGHTS = "checkpoint.json", "tokenizer.json", "model.safetensors"
REQUIRED = ("format", "name", "variant", "components", "tokenizer", "prompt", "sampling")


class CheckpointError(ValueError):
    """A checkpoint folder that can't be read, or that would not be whole."""


@dataclass
class Checkpoint:
    """A checkpoint in memory. `metadata` is checkpoint.json."""

    metadata: dict[str, Any]
    tensors: dict[str, Tensor]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose names start with `prefix`, without it."""
        return {
            name.removeprefix(prefix): value
            for name, value in self.tensors.items()
            if name.startswith(prefix)
        }


def halve(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Floating-point tensors in half precision. Raises CheckpointError where one would overflow."""
    result: dict[str, Tensor] = {}
    for name, value in tensors.items():
        value = value.detach().cpu()
        if value.is_floating_point():
            half = value.half()
            if not bool(torch.isfinite(half).all()):
                raise CheckpointError(f"{name} has values that half precision can't hold")
            value = half
        result[name] = value.contiguous()
    return result


def write_checkpoint(folder: Path, checkpoint: Checkpoint, tokenizer: Path) -> None:
    """Write the three files. The weights' SHA-256 goes into checkpoint.json.

    Raises CheckpointError when checkpoint.json lacks a required field.
    """
    metadata = {"format": FORMAT, **checkpoint.metadata}
    missing = [key for key in REQUIRED if key not in metadata]
    if missing:
        raise CheckpointError(f"checkpoint.json would lack {', '.join(missing)}")
    folder.mkdir(parents=True, exist_ok=True)
    # Sharing memory (tied embeddings) is undone: every name is written with its own values.
    own = {name: value.contiguous().clone() for name, value in checkpoint.tensors.items()}
    write_tensors(folder / WEIGHTS, own, {"format": FORMAT})
    if tokenizer.resolve() != (folder / TOKENIZER).resolve():
        shutil.copyfile(tokenizer, folder / TOKENIZER)
    metadata["sha256"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in (WEIGHTS, TOKENIZER)
    }
    text = json.dumps(metadata, indent=2, ensure_ascii=False) + "\n"
    (folder / METADATA).write_text(text, encoding="utf-8")


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint folder, tensors in single precision.

    Raises CheckpointError when a file is missing or the format is another.
    """
    for name in (METADATA, TOKENIZER, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder} is no checkpoint: it has no {name}")
    metadata = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{folder} has format {metadata.get('format')!r}, not {FORMAT!r}")
    with safe_open(str(folder / WEIGHTS), framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return Checkpoint(
        metadata,
        {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()},
    )
