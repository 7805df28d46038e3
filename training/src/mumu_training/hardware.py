"""What training makes of the machine: its device, bf16 where it really has it, memory against time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from mumu_training.footprint import count_saved
from mumu_training.models.llama import Block, Llama
from mumu_training.runs import TrainingError


def pick_device() -> str:
    """`cuda` where there is one, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def autocast_for(device: str) -> torch.autocast:
    """bf16 autocast where the hardware really multiplies in bf16; elsewhere a disabled context.

    A CPU without AVX512-BF16 or AMX and a GPU before Ampere emulate bf16, slower than fp32.
    """
    if device.startswith("cuda"):
        real = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.autocast("cuda", torch.bfloat16, enabled=real)
    return torch.autocast("cpu", torch.bfloat16, enabled=_cpu_has_bf16())


@functools.cache
def _cpu_has_bf16() -> bool:
    path = Path("/proc/cpuinfo")
    flags = path.read_text(encoding="utf-8") if path.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def checkpoint_language_model(model: nn.Module, name: str) -> None:
    """Keep only each decoder layer's input in memory and compute the rest again going backward.

    Raises TrainingError when the job `name` trains no language model.
    """
    found = [module for module in model.modules() if isinstance(module, Llama)]
    if not found:
        raise TrainingError(f"{name} has no language model; leave gradient_checkpointing out")
    for llama in found:
        for layer in llama.layers:
            layer.forward = functools.partial(_recomputed, layer.forward)  # type: ignore[method-assign]


def _recomputed(forward: Callable[..., Any], *inputs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs)
    return checkpoint(forward, *inputs, use_reentrant=False)


def count_recomputed(model: nn.Module, run: Callable[[], Any]) -> int:
    """Bytes of what a language model's layer keeps while it is computed again going backward, one layer
    at a time: the most of any, with what `run` gives them."""
    most = 0

    def look(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        nonlocal most
        own = [
            value.detach().requires_grad_(value.is_floating_point())
            if isinstance(value, torch.Tensor)
            else value
            for value in inputs
        ]
        with torch.enable_grad(), count_saved(model) as saved:
            type(layer).forward(layer, *own)  # not the instance's, which recomputes
        most = max(most, saved.most)

    handles = [
        layer.register_forward_pre_hook(look)
        for layer in model.modules()
        if isinstance(layer, Block)
    ]
    with torch.no_grad():
        run()
    for handle in handles:
        handle.remove()
    return most
