"""Fingerprints of compositions and pictures, so that what is tested was never trained on.

A composition's fingerprint is the contour of its melody: the same tune in another key, at another
tempo or on another instrument has the same one. A picture's is which pixels are darker than their
right neighbours at 17 x 16 (a "difference hash"), a clip's that of three of its frames.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mumu_training.data.composer import MELODY, compose
from mumu_training.data.composer_plan import make_plan
from mumu_training.data.manifest import ImageRecord, MusicRecord, Record, VideoRecord

_NOTES = 24
"""Notes of the melody that are compared."""
_GRID = 120
"""Ticks that starts are rounded to: a quarter of a quarter note, as players are never exact."""


def score_fingerprint(midi: bytes) -> str:
    """Fingerprint of a standard MIDI file: steps and gaps of the first notes of its melody."""
    starts: list[int] = []
    pitches: list[int] = []
    for track in mido.MidiFile(file=io.BytesIO(midi)).tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "note_on" and message.velocity and message.channel == MELODY:
                starts.append(now)
                pitches.append(message.note)
    if not starts:
        raise ValueError("The score has no melody.")
    gaps = np.round(np.diff(starts[: _NOTES + 1]) / _GRID).astype(int)
    steps = np.diff(pitches[: _NOTES + 1])
    shape = ",".join(f"{step}:{gap}" for step, gap in zip(steps, gaps, strict=True))
    return hashlib.sha256(shape.encode()).hexdigest()[:24]


def song_fingerprint(record: MusicRecord) -> str:
    """Fingerprint of a song of a dataset: composed again from its seed and length."""
    # The generator draws a song's length around a mean that the record does not keep.
    share = make_plan(record.seed, 12.0).seconds / 12.0
    return score_fingerprint(compose(record.seed, record.seconds / share).midi)


def picture_fingerprint(pixels: NDArray[np.uint8]) -> str:
    """Difference hash of a picture, uint8 `[height, width, 3]`."""
    small = np.asarray(Image.fromarray(pixels).convert("L").resize((17, 16)), dtype=np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()


def clip_fingerprint(frames: NDArray[np.uint8]) -> str:
    """Difference hashes of the first, middle and last frame, uint8 `[frames, height, width, 3]`."""
    places = (0, len(frames) // 2, len(frames) - 1)
    return "-".join(picture_fingerprint(frames[place]) for place in places)


def record_fingerprint(record: Record, folder: Path) -> str:
    """Fingerprint of any record of a dataset folder.

    Raises:
        FileNotFoundError: the picture or clip is not there.
    """
    if isinstance(record, MusicRecord):
        return song_fingerprint(record)
    if isinstance(record, ImageRecord):
        with Image.open(folder / record.path) as picture:
            return picture_fingerprint(np.asarray(picture.convert("RGB")))
    with np.load(folder / record.path) as clip:
        return clip_fingerprint(clip["frames"])


def dataset_fingerprints(
    records: Iterable[Record], folder: Path, report: Callable[[str], None] = lambda line: None
) -> dict[str, set[str]]:
    """Fingerprints of records by kind: music, image, video."""
    found: dict[str, set[str]] = {"music": set(), "image": set(), "video": set()}
    for number, record in enumerate(records, start=1):
        if isinstance(record, VideoRecord) and not record.path.endswith(".npz"):
            continue
        found[record.kind].add(record_fingerprint(record, folder))
        if number % 500 == 0:
            report(f"{number} records of {folder} fingerprinted")
    return found
