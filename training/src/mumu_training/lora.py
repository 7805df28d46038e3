"""LoRA added to the matrices it belongs to."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor


def merge_lora(state: Mapping[str, Tensor], apart: Collection[str] = ()) -> dict[str, Tensor]:
    """A language model's weights with `l2 l1` added to each matrix, and without LoRA.

    Args:
        state: under Meta's names (`layers.0.attention.wq.weight [dim, dim]`, after any prefix).
        apart: matrices (`wv`) whose LoRA stays as it is.
    """

    def ours(name: str) -> bool:
        return "lora_" in name and not any(f"lora_{matrix}_" in name for matrix in apart)

    merged = {name: value for name, value in state.items() if not ours(name)}
    for name, down in state.items():
        if not ours(name) or not name.endswith("_l1.weight"):
            continue
        up = state[name.replace("_l1.weight", "_l2.weight")]
        whole = name.replace("lora_", "").replace("_l1.weight", ".weight")
        merged[whole] = merged[whole] + up @ down
    return merged
