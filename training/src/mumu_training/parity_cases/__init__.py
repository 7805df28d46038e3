"""Reference side of the parity tests: random weights, inputs and what PyTorch makes of them.

A module of this package offers `CASES: dict[str, Callable[[], Case]]`. `write_cases` (command
`python -m mumu_training.parity_cases OUT NAME...`) writes each case as a folder:

    OUT/NAME/config.json         configuration as checkpoint.json holds it, and the case's facts
    OUT/NAME/model.safetensors   weights (float32), named as in a published checkpoint
    OUT/NAME/tensors.safetensors inputs (`in.*`) and expected outputs (`out.*`)

The other side reads those files; no language knows the other's code.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn


@dataclass
class Case:
    """One comparison: a configuration, weights, inputs and expected outputs."""

    config: dict[str, Any]
    weights: dict[str, Tensor]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    facts: dict[str, Any] = field(default_factory=dict)


CaseMaker = Callable[[], Case]


def all_cases() -> dict[str, CaseMaker]:
    """Every case of every module of this package, by name."""
    found: dict[str, CaseMaker] = {}
    for info in pkgutil.iter_modules(__path__):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{__name__}.{info.name}")
        cases: dict[str, CaseMaker] = getattr(module, "CASES", {})
        for name, maker in cases.items():
            if name in found:
                raise ValueError(f"two parity cases are called {name!r}")
            found[name] = maker
    return found


def randomise(module: nn.Module, seed: int, gain: float = 1.0) -> None:
    """Fills parameters with values no initialisation would give, so that nothing cancels out.

    Matrices keep the scale of their input (std gain/sqrt(fan in)); norms get weights around one
    with a spread; biases are not zero; weight norm's magnitudes differ from their directions'
    norms. Buffers (codebooks, tables) are left as they are.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            leaf = name.rsplit(".", 1)[-1]
            if leaf in ("original0", "weight_g"):
                continue  # set below, once its direction is known
            if parameter.dim() >= 2:
                fan_in = parameter[0].numel()
                parameter.copy_(noise * (gain / fan_in**0.5))
            elif "norm" in name and leaf == "weight":
                parameter.copy_(1.0 + 0.2 * noise)
            else:
                parameter.copy_(0.2 * noise)
        named = dict(module.named_parameters())
        for name, magnitude in named.items():
            if not name.endswith("original0"):
                continue
            direction = named[name[: -len("original0")] + "original1"]
            axes = [axis for axis in range(direction.dim()) if magnitude.shape[axis] == 1]
            norms = direction.square().sum(dim=axes, keepdim=True).sqrt()
            spread = 0.6 + 0.8 * torch.rand(magnitude.shape, generator=generator)
            magnitude.copy_(norms * spread)


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """State dict with every tensor in memory of its own (safetensors refuses shared ones)."""
    return {
        name: value.detach().clone().contiguous() for name, value in module.state_dict().items()
    }


def write_cases(out: Path, names: Iterable[str] = ()) -> list[Path]:
    """Writes the named cases (all if none is named) under `out`; returns their folders.

    Raises ValueError for a name that no module offers.
    """
    cases = all_cases()
    wanted = list(names) or sorted(cases)
    unknown = [name for name in wanted if name not in cases]
    if unknown:
        raise ValueError(f"no such parity case: {', '.join(unknown)}; there are {sorted(cases)}")
    folders = []
    for name in wanted:
        case = cases[name]()
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"in.{key}": value for key, value in case.inputs.items()}
        tensors |= {f"out.{key}": value for key, value in case.outputs.items()}
        save_file(
            {key: value.detach().contiguous().clone() for key, value in case.weights.items()},
            folder / "model.safetensors",
        )
        save_file(
            {key: value.detach().contiguous().clone() for key, value in tensors.items()},
            folder / "tensors.safetensors",
        )
        text = json.dumps({"config": case.config, "facts": case.facts}, indent=1)
        (folder / "config.json").write_text(text + "\n", encoding="utf-8")
        folders.append(folder)
    return folders
