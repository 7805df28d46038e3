"""The checkpoint folder: round trip, sharing undone, and refusals in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mumu_training.checkpoint import (
    Checkpoint,
    CheckpointError,
    halve,
    read_checkpoint,
    write_checkpoint,
)

METADATA = {
    "name": "tiny",
    "variant": "mumu-llama",
    "components": {"language": {"dim": 8}},
    "tokenizer": {"file": "tokenizer.json"},
    "prompt": {"template": "{instruction}"},
    "sampling": {"temperature": 0.6},
}


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    path = tmp_path / "source.json"
    path.write_text("{}", encoding="utf-8")
    return path


def test_round_trip(tmp_path: Path, tokenizer: Path) -> None:
    shared = torch.randn(3, 4)
    tensors = {"a.one": shared, "a.two": shared, "b": torch.arange(3)}
    write_checkpoint(tmp_path / "out", Checkpoint(METADATA, halve(tensors)), tokenizer)
    read = read_checkpoint(tmp_path / "out")
    assert read.metadata["format"] == "mumu-checkpoint/1"
    assert set(read.metadata["sha256"]) == {"model.safetensors", "tokenizer.json"}
    assert torch.equal(read.tensors["a.one"], shared.half().float())
    assert torch.equal(read.tensors["b"], tensors["b"])
    assert set(read.part("a.")) == {"one", "two"}
    assert (tmp_path / "out" / "model.safetensors").stat().st_mode & 0o044 == 0o044


def test_what_is_not_whole_is_refused(tmp_path: Path, tokenizer: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no checkpoint\.json"):
        read_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="would lack"):
        write_checkpoint(tmp_path / "out", Checkpoint({"name": "x"}, {}), tokenizer)
    write_checkpoint(tmp_path / "out", Checkpoint(METADATA, {"a": torch.ones(1)}), tokenizer)
    path = tmp_path / "out" / "checkpoint.json"
    path.write_text(json.dumps({"format": "other/1"}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="other/1"):
        read_checkpoint(tmp_path / "out")


def test_half_precision_overflow_is_refused() -> None:
    with pytest.raises(CheckpointError, match="half precision"):
        halve({"big": torch.tensor([1e6])})
