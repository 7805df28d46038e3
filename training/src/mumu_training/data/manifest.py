"""Records of the generated dataset and the manifest (`manifest.jsonl`) that lists them.

One JSON object a line. Paths are relative to the dataset folder. Writers append whole lines in one
write, under a lock, so several generators may fill the same folder.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

Split = Literal["train", "valid", "test"]
MANIFEST_NAME: Final[str] = "manifest.jsonl"
SAMPLE_RATE: Final[int] = 24000
"""Hz, of every song."""
RECORDS_A_SEED: Final[int] = 1_000_000
"""The seed of a record is that of its dataset times this, plus its number."""


@dataclass(frozen=True)
class MusicAttributes:
    """What is known exactly about a composition (words are those of `vocabulary`)."""

    instrument: str
    """The main instrument, which carries the melody."""
    family: str
    instruments: list[str]
    """Everything that sounds, main instrument first."""
    tempo: float
    """Beats a minute; a beat of 6/8 is a dotted quarter."""
    key: str
    mode: str
    metre: str
    style: str
    mood: str
    density: str
    energy: str
    drums: bool
    swing: bool


@dataclass(frozen=True)
class MusicRecord:
    """One rendered composition: 24 kHz mono 16 bit FLAC."""

    id: str
    split: Split
    composition: str
    path: str
    seconds: float
    seed: int
    soundfont: str
    attributes: MusicAttributes
    captions: list[str]
    beats: list[float] = field(default_factory=list)
    """Times of the beats inside the clip, in seconds."""
    kind: Literal["music"] = "music"


@dataclass(frozen=True)
class ImageRecord:
    """One drawn scene and the music that would suit it."""

    id: str
    split: Split
    path: str
    seed: int
    attributes: dict[str, Any]
    caption: str
    music: dict[str, Any]
    music_caption: str
    kind: Literal["image"] = "image"


@dataclass(frozen=True)
class VideoRecord:
    """One animated scene (uint8 frames `[frames, 96, 96, 3]`) and the music that would suit it."""

    id: str
    split: Split
    path: str
    seed: int
    attributes: dict[str, Any]
    caption: str
    music: dict[str, Any]
    music_caption: str
    kind: Literal["video"] = "video"


Record = MusicRecord | ImageRecord | VideoRecord


def made_by(record: Record, seeds: Sequence[int] | None) -> bool:
    """Whether a record was made with one of these seeds of the generators (None: any)."""
    return seeds is None or record.seed // RECORDS_A_SEED in seeds


def split_of(composition: int) -> Split:
    """Split of a composition by its number: 90 % train, 3 % valid, 7 % test, spread evenly."""
    place = (composition * 37) % 100
    if place < 90:
        return "train"
    return "valid" if place < 93 else "test"


def record_from_json(row: Mapping[str, Any]) -> Record:
    """Build the record of one manifest row.

    Unknown fields are ignored, so that a generator may add some.

    Raises:
        ValueError: the row's kind is unknown or a field is missing.
    """
    kinds: dict[str, type[MusicRecord] | type[ImageRecord] | type[VideoRecord]] = {
        "music": MusicRecord,
        "image": ImageRecord,
        "video": VideoRecord,
    }
    kind = kinds.get(str(row.get("kind")))
    if kind is None:
        raise ValueError(f"Unknown kind of manifest row: {row.get('kind')!r}.")
    values = {name: row[name] for name in kind.__dataclass_fields__ if name in row}
    try:
        if kind is MusicRecord:
            attributes = row["attributes"]
            fields = MusicAttributes.__dataclass_fields__
            values["attributes"] = MusicAttributes(**{name: attributes[name] for name in fields})
        return kind(**values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"Incomplete {row['kind']} row {row.get('id')!r}: {error}.") from error


def read_manifest(folder: str | Path) -> list[Record]:
    """Read every record of a dataset folder, in the order of writing, each id once.

    Raises:
        FileNotFoundError: the folder has no manifest.
        ValueError: a row is not understood (the message has its line number).
    """
    path = Path(folder) / MANIFEST_NAME
    if not path.is_file():
        raise FileNotFoundError(f"No {MANIFEST_NAME} in {folder}: generate the data first.")
    records: dict[tuple[str, str], Record] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = record_from_json(json.loads(line))
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from error
        records[(record.kind, record.id)] = record
    return list(records.values())


def read_music(folder: str | Path, split: Split | None = None) -> list[MusicRecord]:
    """The music records of a dataset folder, all or those of one split."""
    return [
        record
        for record in read_manifest(folder)
        if isinstance(record, MusicRecord) and split in (None, record.split)
    ]


def append_records(folder: str | Path, records: Iterable[Record]) -> None:
    """Append records to the folder's manifest: one locked write, so lines never interleave."""
    lines = "".join(json.dumps(asdict(record), ensure_ascii=False) + "\n" for record in records)
    path = Path(folder) / MANIFEST_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(lines)
        stream.flush()
