"""Embeddings of music for the Frechet distance: the judge's own, or a network given by its path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soxr

from mumu_training.evaluation.statistics import FloatArray
from mumu_training.judge.features import RATE, Floats, extract
from mumu_training.judge.tagger import Tagger
from mumu_training.judge.train import load_judge

Embed = Callable[[Floats], FloatArray]
"""`[samples]` at 24 kHz to one vector."""


def judge_embedding(judge: Tagger) -> Embed:
    """The judge's last layer, 96 wide."""
    return lambda audio: judge.embed(extract(audio))


def load_embedding(path: Path, rate: int = 16_000) -> Embed:
    """The embedding in a file or folder.

    Args:
        path: a judge's folder, or an ONNX file whose only input is sound `[1, samples]` float32 and
            whose first output is `[1, dim]` or `[1, frames, dim]` (frames are averaged).
        rate: sampling rate that the ONNX file wants.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file wants something else.
    """
    if path.is_dir():
        return judge_embedding(load_judge(path))
    if not path.is_file():
        raise FileNotFoundError(f"No embedding at {path}.")
    import onnxruntime  # only where asked for: an extra of this package

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 2:
        raise ValueError(f"{path.name} has to take one input [1, samples].")

    def embed(audio: Floats) -> FloatArray:
        wave = audio if rate == RATE else soxr.resample(audio, RATE, rate)
        made = session.run(None, {inputs[0].name: wave[None].astype(np.float32)})[0]
        return np.asarray(made, np.float64).reshape(-1, made.shape[-1]).mean(axis=0)

    return embed
