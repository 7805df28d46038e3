"""Loading of the generated songs, pictures and clips into memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from mumu_training.data.manifest import (
    RECORDS_A_SEED,
    ImageRecord,
    MusicRecord,
    Record,
    VideoRecord,
    made_by,
    read_edits,
    read_manifest,
)


class DataError(RuntimeError):
    """The dataset folder is not what a job needs."""


_ENDS = 4096
"""Bytes at either end of a file that a mark looks at."""


def record_mark(folder: Path, record: Record) -> str | None:
    """What is kept of a record depends on this: a hash of its file and what else of it is read, 16
    hexadecimal digits; None where the file is gone.

    Data that is made again keeps its ids. Of the file its length and both ends are hashed: they hold
    a checksum of all the rest (FLAC's MD5 at the start, PNG's and zip's CRC at the end). Its time
    isn't: data that is copied to another machine stays the same data.
    """
    try:
        with (folder / record.path).open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(0)
            ends = stream.read(_ENDS)
            stream.seek(max(0, size - _ENDS))
            ends += stream.read()
    except FileNotFoundError:
        return None
    # Codes begin with the first beat, which only the manifest knows.
    song = (record.seconds, record.beats[:1]) if isinstance(record, MusicRecord) else ()
    digest = hashlib.sha256(repr((size, record.seed, *song)).encode() + ends)
    return digest.hexdigest()[:16]


def read_samples(folder: Path, record: MusicRecord) -> NDArray[np.int16]:
    """All samples of a song (24 kHz mono, 16 bit)."""
    samples, _ = soundfile.read(folder / record.path, dtype="int16")
    return np.asarray(samples)


def read_pixels(folder: Path, record: ImageRecord, size: int) -> NDArray[np.uint8]:
    """A picture as `[size, size, 3]`; resized (bilinear) where it was drawn at another size."""
    with Image.open(folder / record.path) as file:
        picture = file.convert("RGB")
        if picture.size != (size, size):
            picture = picture.resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(picture)


def read_frames(folder: Path, record: VideoRecord) -> NDArray[np.uint8]:
    """A clip's frames `[frames, height, width, 3]`."""
    with np.load(folder / record.path) as archive:
        return np.asarray(archive[archive.files[0]])


def music(folder: Path, split: str, seeds: Sequence[int] | None = None) -> list[MusicRecord]:
    """Songs of one split (of these seeds only). Raises DataError when there are none."""
    return [r for r in _of(folder, split, "music", seeds) if isinstance(r, MusicRecord)]


def images(folder: Path, split: str, seeds: Sequence[int] | None = None) -> list[ImageRecord]:
    """Pictures of one split (of these seeds only). Raises DataError when there are none."""
    return [r for r in _of(folder, split, "image", seeds) if isinstance(r, ImageRecord)]


def videos(folder: Path, split: str, seeds: Sequence[int] | None = None) -> list[VideoRecord]:
    """Clips of one split (of these seeds only). Raises DataError when there are none."""
    return [r for r in _of(folder, split, "video", seeds) if isinstance(r, VideoRecord)]


def of_seeds(seeds: Sequence[int] | None) -> str:
    """Which records are meant, in words to follow them; nothing where all are."""
    return "" if seeds is None else f" of seed {', '.join(map(str, seeds))}"


def require_seeds(folder: Path, wanted: Mapping[str, Sequence[int]]) -> None:
    """Raises DataError when a job is to learn from a seed that the dataset has nothing of.

    `wanted` has the seeds by job.
    """
    records = [*read_manifest(folder), *read_edits(folder)]
    there = {record.seed // RECORDS_A_SEED for record in records}
    for job, seeds in wanted.items():
        for seed in seeds:
            if seed in there:
                continue
            raise DataError(
                f"{job} is to learn from seed {seed}, of which {folder} has nothing: make songs and "
                f"scenes with --seed {seed}, or change the job's option seeds"
            )


def _of(
    folder: Path, split: str, kind: str, seeds: Sequence[int] | None = None
) -> Sequence[Record]:
    try:
        records = read_manifest(folder)
    except FileNotFoundError as error:
        raise DataError(str(error)) from error
    chosen = [r for r in records if r.kind == kind and r.split == split and made_by(r, seeds)]
    if not chosen:
        raise DataError(f"{folder} has no {kind} records{of_seeds(seeds)} in its {split} split")
    return chosen
