"""Fingerprints of compositions and pictures, so that what is tested was never trained on.

A composition's fingerprint is the contour of its melody: the same tune in another key, at another
tempo or on another instrument has the same one. A picture's is which pixels are darker than their
right neighbours at 17 x 16 (a "difference hash"), a clip's that of three of its frames. Pictures and
clips are compared by how many bits differ.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mumu_training.data.clips import clip_frames
from mumu_training.data.composer import MELODY, compose
from mumu_training.data.composer_plan import make_plan
from mumu_training.data.manifest import ImageRecord, MusicRecord, Record, VideoRecord
from mumu_training.data.scene_canvas import Look

NEAR_BITS = 4
"""Pictures with at most this many of 256 bits different are the same one.

Measured on drawings of the generator: a picture drawn again and sent through the same encoder
differs in 0 bits (60 of 60). Different scenes differ in 8 and more (600 pictures of a training set),
the nearest ones, rooms alike in the fog, in 6 and more (500 rooms among 4,031 scenes: 2 of 124,750
pairs at 6, 16 within 8). Encoded with other settings (or not at all), the same picture differs in 0
to 42 bits, median 7, as flat grounds have no dark side: so no distance can stand in for the same
encoding, and this one only allows for another build of the encoder."""
_NOTES = 24
"""Notes of the melody that are compared."""
_GRID = 120
"""Ticks that starts are rounded to: a quarter of a quarter note, as players are never exact."""
_VERSION = 2
"""Of the file of fingerprints; version 1 had no number and did not say whose they were."""


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


class NearMarks:
    """Fingerprints of pictures, or of clips, in which near ones are found too."""

    def __init__(self, marks: Iterable[str] = ()) -> None:
        self._bits: set[int] = set()
        for mark in marks:
            self.add(mark)

    def add(self, mark: str) -> None:
        """Remember a fingerprint."""
        self._bits.add(int(mark.replace("-", ""), 16))

    def __len__(self) -> int:
        return len(self._bits)

    def __contains__(self, mark: str) -> bool:
        """Whether this fingerprint, or one with at most NEAR_BITS different a picture, is here."""
        # A clip's three frames stand in a row. Clips differ in 54 bits and more (300 and 100 clips).
        reach = NEAR_BITS * (1 + mark.count("-"))
        bits = int(mark.replace("-", ""), 16)
        return any((bits ^ other).bit_count() <= reach for other in self._bits)


class Known:
    """What may not come again: fingerprints by kind."""

    def __init__(self) -> None:
        self.music: set[str] = set()
        self.image = NearMarks()
        self.video = NearMarks()

    def of(self, kind: str) -> set[str] | NearMarks:
        """Fingerprints of a kind: music, image, video."""
        kinds: dict[str, set[str] | NearMarks] = {
            "music": self.music,
            "image": self.image,
            "video": self.video,
        }
        return kinds[kind]


def _kept_as_file(record: Record) -> bool:
    return isinstance(record, ImageRecord) or record.path.endswith(".npz")


def record_fingerprint(record: Record, folder: Path) -> str:
    """Fingerprint of any record of a dataset folder.

    Songs are composed again, clips that people can play (mp4) drawn again, as encoding changed them.

    Raises:
        FileNotFoundError: the picture or clip is not there.
    """
    if isinstance(record, MusicRecord):
        return song_fingerprint(record)
    if isinstance(record, ImageRecord):
        with Image.open(folder / record.path) as picture:
            return picture_fingerprint(np.asarray(picture.convert("RGB")))
    if _kept_as_file(record):
        with np.load(folder / record.path) as clip:
            return clip_fingerprint(clip["frames"])
    return clip_fingerprint(clip_frames(clip_look(record), record.seed, clip_seconds(record)))


def clip_look(record: VideoRecord) -> Look:
    """What a clip shows."""
    return Look(**{key: value for key, value in record.attributes.items() if key != "seconds"})


def clip_seconds(record: VideoRecord) -> float:
    """How long a clip is."""
    return float(record.attributes["seconds"])


class Fingerprints:
    """Fingerprints by what they are made from, kept in a file as thousands take minutes to make.

    The key is the content itself (the bytes of a picture's file; a song's seed, length and size), so
    data made anew are not taken for the old, and what did not change is not looked at again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._marks: dict[str, str] = {}
        if file.is_file():
            kept = json.loads(file.read_text())
            if kept.get("version") == _VERSION:
                self._marks = kept["marks"]
        self._saved = len(self._marks)

    def of(self, record: Record, folder: Path) -> str:
        """Fingerprint of a record of a dataset folder.

        Raises:
            FileNotFoundError: the picture or clip is not there.
        """
        path = folder / record.path
        if _kept_as_file(record):
            source = path.read_bytes()
        else:
            # Thousands of songs are too much to read; one played anew has another size at least.
            size = path.stat().st_size if path.is_file() else 0
            made_of = record.seconds if isinstance(record, MusicRecord) else record.attributes
            source = json.dumps([record.seed, size, made_of], sort_keys=True).encode()
        key = f"{record.kind} {hashlib.sha256(source).hexdigest()[:32]}"
        if key not in self._marks:
            self._marks[key] = record_fingerprint(record, folder)
        return self._marks[key]

    def learn(
        self,
        known: Known,
        records: Iterable[Record],
        folder: Path,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Add the records of a dataset folder to what is known; keeps what it got to if stopped."""
        try:
            for number, record in enumerate(records, start=1):
                known.of(record.kind).add(self.of(record, folder))
                if number % 500 == 0:
                    report(f"{number} records of {folder} fingerprinted")
        finally:
            self.save()

    def save(self) -> None:
        """Write the file, whole or not at all."""
        if len(self._marks) == self._saved:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps({"version": _VERSION, "marks": self._marks}))
        part.replace(self._file)
        self._saved = len(self._marks)
