"""Codes of the training songs, computed once: the music decoder never sees audio."""

from __future__ import annotations

import hashlib
import multiprocessing
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import EncodecConfig, EncodecModel

from mumu_training.data.manifest import MusicRecord
from mumu_training.generation.codec import encode_songs_together
from mumu_training.generation.songs import load_song

Codes = Mapping[str, NDArray[np.uint16]]
_MARK, _SONGS = "codec_mark", "song_marks"

LEAD_SECONDS = 0.02
"""Codes of a song begin this long before its first beat: players are up to 10 ms early."""


def first_sample(record: MusicRecord, rate: int) -> int:
    """Where a song's codes begin in its samples, just before its first beat (negative: before them)."""
    return round((record.beats[0] - LEAD_SECONDS) * rate) if record.beats else 0


def from_first_beat(
    record: MusicRecord, samples: NDArray[np.float32], rate: int
) -> NDArray[np.float32]:
    """A song's samples from just before its first beat (silence where it begins later than that).

    A decoder always starts at position 0. Songs that all begin there with a beat let it learn where
    the beats of a tempo fall; with the up to 0.3 s that songs of the dataset begin with, it can't.
    """
    first = first_sample(record, rate)
    return samples[first:] if first >= 0 else np.pad(samples, (-first, 0))


def encode_songs(
    codec: EncodecModel, folder: Path, records: Sequence[MusicRecord], processes: int = 1
) -> dict[str, NDArray[np.uint16]]:
    """Codes `[codebooks, frames]` of every song from its first beat, by id.

    One song at a time is fastest (it stays in a core's cache), and several `processes` help.
    """
    size = max(1, min(100, -(-len(records) // processes)))
    groups = [list(records[first : first + size]) for first in range(0, len(records), size)]
    if processes == 1 or len(groups) < 2:
        return _gathered((_encode_group(codec, folder, g) for g in groups), len(records))
    # A codec with weight norms can't be pickled: every process builds its own.
    own = (codec.config, codec.state_dict())
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, spawn, _take_codec, own) as pool:
        parts = pool.map(_encode_by_own, repeat(folder), groups)
        return _gathered(parts, len(records))


_own: list[EncodecModel] = []
"""The codec of a process of the pool."""


def _take_codec(config: EncodecConfig, state: Mapping[str, Tensor]) -> None:
    codec = EncodecModel(config)
    codec.load_state_dict(state)
    _own.append(codec.eval())


def _encode_by_own(folder: Path, records: Sequence[MusicRecord]) -> dict[str, NDArray[np.uint16]]:
    return _encode_group(_own[0], folder, records)


def _gathered(
    parts: Iterable[dict[str, NDArray[np.uint16]]], total: int
) -> dict[str, NDArray[np.uint16]]:
    made: dict[str, NDArray[np.uint16]] = {}
    for number, part in enumerate(parts):
        made |= part
        if number % 5 == 0:
            print(f"tokens: {len(made)} of {total} songs", flush=True)
    return made


def _encode_group(
    codec: EncodecModel, folder: Path, records: Sequence[MusicRecord]
) -> dict[str, NDArray[np.uint16]]:
    torch.set_num_threads(1)
    rate = codec.config.sampling_rate
    made = {}
    for record in records:
        song = from_first_beat(record, load_song(folder / record.path, rate), rate)
        made[record.id] = encode_songs_together(codec, [song])[0]
    return made


def codec_mark(codec: EncodecModel) -> str:
    """What codes depend on: a hash of encoder and codebooks (not of the decoder), 16 hexadecimal
    digits."""
    digest = hashlib.sha256()
    for name, value in sorted(codec.state_dict().items()):
        if name.startswith("encoder.") or name.endswith("codebook.embed"):
            digest.update(name.encode() + value.cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def expected_frames(config: EncodecConfig, record: MusicRecord) -> int:
    """Frames of a song's codes, by what the manifest says about it."""
    rate = int(config.sampling_rate)
    samples = round(record.seconds * rate) - first_sample(record, rate)
    return -(-samples // int(config.hop_length))


def write_cache(
    path: Path, codes: Codes, mark: str, songs: Mapping[str, str] | None = None
) -> None:
    """Write codes by song id as one npz file of uint16 arrays with their codec's `codec_mark`, whole or
    not at all. `songs` are the marks of the songs' files (`media.record_mark`) by id."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part.npz")
    marks = np.array(list((songs or {}).items()), dtype=np.str_).reshape(-1, 2)
    arrays: dict[str, Any] = {**codes, _MARK: np.array(mark), _SONGS: marks}
    np.savez_compressed(temporary, **arrays)
    temporary.replace(path)


def read_cache(path: Path, mark: str) -> dict[str, NDArray[np.uint16]]:
    """Read what `write_cache` wrote; an empty dictionary when there is none, or it is of a codec of
    another mark.

    Raises ValueError when the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        with np.load(path) as stored:
            if _MARK not in stored.files or str(stored[_MARK]) != mark:
                print(f"tokens: {path.name} is of another codec and is made again", flush=True)
                return {}
            return {name: stored[name] for name in stored.files if name not in (_MARK, _SONGS)}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ValueError(f"{path.name} is damaged ({error}); delete it to make it again") from error


def read_song_marks(path: Path) -> dict[str, str]:
    """The marks of the songs' files that `write_cache` was given, by id (none in caches from before
    there were any)."""
    if not path.is_file():
        return {}
    with np.load(path) as stored:
        return dict(stored[_SONGS].tolist()) if _SONGS in stored.files else {}
