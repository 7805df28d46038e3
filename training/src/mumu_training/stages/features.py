"""Cached encoder states, so that the frozen encoders run once.

Half precision on disk, one file per record: audio `[layers + 1, frames, width]` of every layer (the
adapter mixes layers per frame), image and video the last hidden states. A cache belongs to one
encoder: its fingerprint is stored beside it and another encoder's cache is thrown away.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mumu_training.data.manifest import ImageRecord, MusicRecord, Record, VideoRecord
from mumu_training.models.audio_encoder import hidden_states
from mumu_training.models.image_encoder import image_states, pixels_to_tensor
from mumu_training.models.video_encoder import frames_to_tensor, sample_evenly, video_states
from mumu_training.recipe import Recipe
from mumu_training.stage0 import audio_encoder, image_encoder, media, video_encoder


def fingerprint(model: nn.Module) -> str:
    """Hash of all weights: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class FeatureCache:
    """States of one encoder by record, computed when first asked for."""

    def __init__(
        self, folder: Path, model: nn.Module, compute: Callable[[Record], NDArray[np.float16]]
    ) -> None:
        self.folder = folder
        self._compute = compute
        self._memory: dict[str, NDArray[np.float16]] = {}
        mark, own = folder / "encoder.txt", fingerprint(model)
        if folder.exists() and (not mark.exists() or mark.read_text().strip() != own):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(own + "\n")

    def get(self, record: Record) -> NDArray[np.float16]:
        """The states of a record, from memory, disk or the encoder."""
        if record.id not in self._memory:
            path = self.folder / f"{record.id}.npy"
            if path.exists():
                self._memory[record.id] = np.load(path)
            else:
                states = self._compute(record)
                part = path.with_suffix(".part.npy")
                np.save(part, states)
                part.replace(path)
                self._memory[record.id] = states
        return self._memory[record.id]


class Features:
    """The three caches of a recipe."""

    def __init__(self, recipe: Recipe) -> None:
        root = recipe.runs / recipe.name / "features"
        data = recipe.data
        image_dims = recipe.component("image_encoder")
        video_dims = recipe.component("video_encoder")
        audio_model = audio_encoder.load_encoder(recipe)
        image_model = image_encoder.load_encoder(recipe)
        video_model = video_encoder.load_encoder(recipe)

        def audio(record: Record) -> NDArray[np.float16]:
            assert isinstance(record, MusicRecord)
            samples = media.read_samples(data, record).astype(np.float32) / 32768
            with torch.no_grad():
                states = hidden_states(audio_model, torch.from_numpy(samples)[None])[0]
            return np.asarray(states.numpy(), dtype=np.float16)

        def image(record: Record) -> NDArray[np.float16]:
            assert isinstance(record, ImageRecord)
            pixels = media.read_pixels(data, record, image_dims["image_size"])
            with torch.no_grad():
                states = image_states(image_model, pixels_to_tensor(pixels[None], image_dims))[0]
            return np.asarray(states.numpy(), dtype=np.float16)

        def video(record: Record) -> NDArray[np.float16]:
            assert isinstance(record, VideoRecord)
            frames = media.read_frames(data, record)
            frames = frames[sample_evenly(len(frames), video_dims["num_frames"])]
            with torch.no_grad():
                states = video_states(video_model, frames_to_tensor(frames[None]))[0]
            return np.asarray(states.numpy(), dtype=np.float16)

        self.audio = FeatureCache(root / "audio", audio_model, audio)
        self.image = FeatureCache(root / "image", image_model, image)
        self.video = FeatureCache(root / "video", video_model, video)

    def of(self, record: Record) -> NDArray[np.float16]:
        """States of a record of any kind."""
        cache = {"music": self.audio, "image": self.image, "video": self.video}[record.kind]
        return cache.get(record)


def crop_frames(
    states: NDArray[np.float16], frames: int, rng: np.random.Generator | None
) -> Tensor:
    """`[layers, n, width]` to `[layers, frames, width]` fp32: a random stretch (the middle without
    `rng`), repeated from the start where the song is shorter."""
    count = states.shape[1]
    if count < frames:
        states = np.concatenate([states] * -(-frames // count), axis=1)
        count = states.shape[1]
    start = int(rng.integers(count - frames + 1)) if rng is not None else (count - frames) // 2
    return torch.from_numpy(states[:, start : start + frames].astype(np.float32))
