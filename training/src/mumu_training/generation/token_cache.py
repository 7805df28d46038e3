"""Codes of the training songs, computed once: the music decoder never sees audio."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import EncodecModel

from mumu_training.data.manifest import MusicRecord
from mumu_training.generation.codec import encode_songs_together
from mumu_training.generation.songs import load_song

Codes = Mapping[str, NDArray[np.uint16]]


def encode_songs(
    codec: EncodecModel, folder: Path, records: Sequence[MusicRecord], together: int = 4
) -> dict[str, NDArray[np.uint16]]:
    """Codes `[codebooks, frames]` of every song, by id, `together` of them at a time.

    Songs of like length go together, so that padding changes little of what is near their end.
    """
    rate = codec.config.sampling_rate
    ordered = sorted(records, key=lambda record: record.seconds)
    made: dict[str, NDArray[np.uint16]] = {}
    for first in range(0, len(ordered), together):
        group = ordered[first : first + together]
        songs = [load_song(folder / record.path, rate) for record in group]
        for record, codes in zip(group, encode_songs_together(codec, songs), strict=True):
            made[record.id] = codes
        if first % 200 == 0:
            print(f"tokens: {first} of {len(ordered)} songs", flush=True)
    return made


def write_cache(path: Path, codes: Codes) -> None:
    """Write codes by song id as one npz file of uint16 arrays, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part.npz")
    arrays: dict[str, Any] = dict(codes)
    np.savez_compressed(temporary, **arrays)
    temporary.replace(path)


def read_cache(path: Path) -> dict[str, NDArray[np.uint16]]:
    """Read what `write_cache` wrote; an empty dictionary when there is none.

    Raises ValueError when the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        with np.load(path) as stored:
            return {name: stored[name] for name in stored.files}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ValueError(f"{path.name} is damaged ({error}); delete it to make it again") from error
