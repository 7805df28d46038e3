"""Saving trained parts: half-precision safetensors with a configuration beside them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedConfig

CONFIG = "config.json"


def half_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """A model's state dict on the CPU, floating-point tensors in half precision.

    Tensors shared under two names are saved once, under the first.
    """
    state: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, value in model.state_dict().items():
        if value.data_ptr() in seen and value.numel() > 1:
            continue
        seen.add(value.data_ptr())
        value = value.detach().cpu()
        state[name] = (value.half() if value.is_floating_point() else value).contiguous()
    return state


def save_part(folder: Path, model: nn.Module, config: PreTrainedConfig, prefix: str = "") -> Path:
    """Write `final.safetensors` and `config.json` of a part; returns the weights' path.

    `prefix` goes before every name, as the part is called in MusicgenForConditionalGeneration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "final.safetensors"
    save_file({prefix + name: value for name, value in half_state(model).items()}, path)
    path.chmod(0o644)
    text = json.dumps(config.to_dict(), indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    return path


def load_part(folder: Path, model: nn.Module, prefix: str = "") -> None:
    """Load `final.safetensors` into a model of the same configuration, in the model's precision.

    Raises FileNotFoundError when the part was not trained, RuntimeError when names or shapes
    differ.
    """
    path = folder / "final.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path.name} in {folder}; run that job first")
    state = {name.removeprefix(prefix): value for name, value in load_file(path).items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any(not name.endswith("embed_tokens.weight") for name in missing):
        raise RuntimeError(f"{path.name} is of another model: {(missing + unexpected)[:3]}")
