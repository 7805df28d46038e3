"""Cached encoder states, so that the frozen encoders run once.

Half precision on disk, one file per record: audio `[layers + 1, frames, width]` of every layer (the
adapter mixes layers per frame), image and video the last hidden states. A cache belongs to one
encoder: its fingerprint is stored beside it and another encoder's cache is thrown away. Each record's
mark is stored too (`marks.txt`): the states of one that was made again are computed again.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mumu_training.data.manifest import (
    ImageRecord,
    MusicRecord,
    Record,
    VideoRecord,
    read_edits,
    read_manifest,
)
from mumu_training.distributed import main_first, team
from mumu_training.hardware import pick_device
from mumu_training.models.audio_encoder import frames_of, hidden_states
from mumu_training.models.image_encoder import image_states, pixels_to_tensor
from mumu_training.models.video_encoder import frames_to_tensor, sample_evenly, video_states
from mumu_training.recipe import Recipe
from mumu_training.stage0 import audio_encoder, image_encoder, media, video_encoder
from mumu_training.stage0.media import record_mark

_MARKS = "marks.txt"


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
        self,
        folder: Path,
        model: nn.Module,
        compute: Callable[[Record], NDArray[np.float16]],
        data: Path,
        fits: Callable[[Record, NDArray[np.float16]], bool] = lambda record, states: True,
    ) -> None:
        """`data` is the dataset's folder. `fits` tells by the states alone whether they can be of a
        record, for states without a mark."""
        self.folder, self._data = folder, data
        self._compute, self._fits = compute, fits
        self._marks: dict[str, str] = {}
        self._read = 0
        self._current: set[str] = set()
        self._told = False
        mark, own = folder / "encoder.txt", fingerprint(model)
        if folder.exists() and (not mark.exists() or mark.read_text().strip() != own):
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(own + "\n")

    def get(self, record: Record) -> NDArray[np.float16]:
        """The states of a record, from disk or the encoder, read-only.

        They are mapped, not read: a crop reads what it needs, what is used often stays in the system's
        cache, and several processes share it.
        """
        path = self.folder / f"{record.id}.npy"
        if record.id not in self._current or not path.exists():
            self._bring_up_to_date(path, record)
            self._current.add(record.id)
        return np.asarray(np.load(path, mmap_mode="r"))

    def _bring_up_to_date(self, path: Path, record: Record) -> None:
        """Compute the states of a record that has none, or that was made again since."""
        mark, there = record_mark(self._data, record), path.exists()
        if not (there and self._is_current(path, record, mark)):
            if there and not self._told:
                print(f"features: {record.id} and maybe others were made again", flush=True)
                self._told = True
            states = self._compute(record)
            part = path.with_suffix(f".{os.getpid()}.npy")  # several processes fill a cache
            np.save(part, states)
            part.replace(path)
        if mark is not None and self._marks.get(record.id) != mark:
            self._write_mark(record.id, mark)

    def _is_current(self, path: Path, record: Record, mark: str | None) -> bool:
        """Whether stored states are of the record as it is now."""
        if mark is None:
            return True  # its file is gone: there is nothing to compare with, nor to compute from
        self._read_marks()
        known = self._marks.get(record.id)
        if known is None:
            # From before there were marks: taken (and marked) as they are if their shape fits.
            return self._fits(record, np.load(path, mmap_mode="r"))
        return known == mark

    def _read_marks(self) -> None:
        """Take in what this and other processes have written since: lines of id and mark, the last of
        an id counts."""
        index = self.folder / _MARKS
        if not index.exists():
            return
        with index.open("rb") as stream:
            stream.seek(self._read)
            text = stream.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode().splitlines():
            name, _, mark = line.rpartition(" ")
            self._marks[name] = mark

    def _write_mark(self, name: str, mark: str) -> None:
        with (self.folder / _MARKS).open("a", encoding="utf-8") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.write(f"{name} {mark}\n")
            stream.flush()


class Features:
    """The three caches of a recipe. An encoder is loaded, on the GPU where there is one, when its first
    states are asked for."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._device = pick_device()
        self._root = recipe.runs / recipe.name / "features"

    def open(self) -> None:
        """Open all three caches, one process after the other where there are several: the first
        throws away what another encoder left."""
        if team().count > 1:
            with main_first():
                _ = (self.audio, self.image, self.video)

    @functools.cached_property
    def audio(self) -> FeatureCache:
        """Every layer's states of songs: `[layers + 1, frames, width]`."""
        dims = self._recipe.component("audio_encoder")
        model = audio_encoder.load_encoder(self._recipe).to(self._device)

        def compute(record: Record) -> NDArray[np.float16]:
            assert isinstance(record, MusicRecord)
            samples = media.read_samples(self._recipe.data, record).astype(np.float32) / 32768
            with torch.no_grad():
                states = hidden_states(model, torch.from_numpy(samples)[None].to(self._device))[0]
            return np.asarray(states.cpu().numpy(), dtype=np.float16)

        def fits(record: Record, states: NDArray[np.float16]) -> bool:
            samples = soundfile.info(self._recipe.data / record.path).frames
            return states.shape[1] == frames_of(dims, samples)

        return FeatureCache(self._root / "audio", model, compute, self._recipe.data, fits)

    @functools.cached_property
    def image(self) -> FeatureCache:
        """Last states of pictures: `[tokens, width]`."""
        dims = self._recipe.component("image_encoder")
        model = image_encoder.load_encoder(self._recipe).to(self._device)

        def compute(record: Record) -> NDArray[np.float16]:
            assert isinstance(record, ImageRecord)
            pixels = media.read_pixels(self._recipe.data, record, dims["image_size"])
            with torch.no_grad():
                tensor = pixels_to_tensor(pixels[None], dims).to(self._device)
                states = image_states(model, tensor)[0]
            return np.asarray(states.cpu().numpy(), dtype=np.float16)

        return FeatureCache(self._root / "image", model, compute, self._recipe.data)

    @functools.cached_property
    def video(self) -> FeatureCache:
        """Last states of clips: `[1 + tokens, width]`."""
        dims = self._recipe.component("video_encoder")
        model = video_encoder.load_encoder(self._recipe).to(self._device)

        def compute(record: Record) -> NDArray[np.float16]:
            assert isinstance(record, VideoRecord)
            frames = media.read_frames(self._recipe.data, record)
            frames = frames[sample_evenly(len(frames), dims["num_frames"])]
            with torch.no_grad():
                states = video_states(model, frames_to_tensor(frames[None]).to(self._device))[0]
            return np.asarray(states.cpu().numpy(), dtype=np.float16)

        return FeatureCache(self._root / "video", model, compute, self._recipe.data)

    def of(self, record: Record) -> NDArray[np.float16]:
        """States of a record of any kind."""
        if record.kind == "music":
            return self.audio.get(record)
        return self.image.get(record) if record.kind == "image" else self.video.get(record)


def learnt_from(recipe: Recipe) -> list[Record]:
    """Everything the stages hear or see: the train and valid records there are, and the songs before
    a change of such pairs."""
    records = [record for record in read_manifest(recipe.data) if record.split != "test"]
    pairs = [pair for pair in read_edits(recipe.data) if pair.split != "test"]
    return [*records, *(pair.source_song() for pair in pairs)]


def cache_size(recipe: Recipe) -> int:
    """Bytes of disk that the states of everything the stages learn from take."""
    audio, image, video = (
        recipe.component(f"{name}_encoder") for name in ("audio", "image", "video")
    )
    rate = audio["sampling_rate"] / math.prod(audio["conv_stride"])
    depth = audio["num_hidden_layers"] + 1
    patches = (image["image_size"] // image["patch_size"]) ** 2
    times, high, wide = video["tubelet_size"]
    tubes = (video["num_frames"] // times) * (video["image_size"] // high)
    tubes *= video["image_size"] // wide
    states = 0.0
    for record in learnt_from(recipe):
        if isinstance(record, MusicRecord):
            states += depth * record.seconds * rate * audio["hidden_size"]
        elif isinstance(record, ImageRecord):
            states += (1 + patches) * image["hidden_size"]
        else:
            states += (1 + tubes) * video["hidden_size"]
    return round(2 * states)


def run(recipe: Recipe, resume: bool = True) -> None:
    """Fill the caches for what the stages learn from (they fill what is missing).

    Where several processes come here, each takes its share of the records.
    """
    del resume  # what is there already is kept as long as its encoder and its record are the same
    features = Features(recipe)
    features.open()
    crew = team()
    records = learnt_from(recipe)[crew.index :: crew.count]
    for number, record in enumerate(records, start=1):
        features.of(record)
        if number % 500 == 0:
            print(f"features: {number} of {len(records)}", flush=True)


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
