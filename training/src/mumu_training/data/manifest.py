"""Records of the generated dataset and the manifest (`manifest.jsonl`) that lists them.

One JSON object a line. Paths are relative to the dataset folder. Writers append whole lines in one
write, under a lock, so several generators may fill the same folder.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

Split = Literal["train", "valid", "test"]
Operation = Literal["duration", "pitch", "add", "delete", "replace"]
"""A change of a song, as MUEdit has them."""
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


@dataclass(frozen=True)
class EditRecord:
    """A song before and after a change, and the change in words: two 24 kHz mono 16 bit FLACs.

    `path`, `seconds`, `attributes` and `caption` are of the changed song, those with `source_` of
    the song before.
    """

    id: str
    split: Split
    composition: str
    """Id of the composition, the one that a song of the same seed and number has."""
    path: str
    source_path: str
    seconds: float
    source_seconds: float
    seed: int
    soundfont: str
    operation: Operation
    parameters: dict[str, float | str]
    """duration: factor; pitch: cents; add and delete: part, instrument; replace: also new."""
    instructions: list[str]
    """Different wordings of the change."""
    attributes: MusicAttributes
    source_attributes: MusicAttributes
    caption: str
    source_caption: str
    kind: Literal["edit"] = "edit"

    def source_song(self) -> MusicRecord:
        """The song before the change, as a record of its own (`<id>-source`)."""
        return MusicRecord(
            id=f"{self.id}-source",
            split=self.split,
            composition=self.composition,
            path=self.source_path,
            seconds=self.source_seconds,
            seed=self.seed,
            soundfont=self.soundfont,
            attributes=self.source_attributes,
            captions=[self.source_caption],
        )


Record = MusicRecord | ImageRecord | VideoRecord
"""What is heard or seen by itself; a pair of songs is an EditRecord."""
AnyRecord = TypeVar("AnyRecord", bound=MusicRecord | ImageRecord | VideoRecord | EditRecord)
Built = TypeVar("Built")


def made_by(record: Record | EditRecord, seeds: Sequence[int] | None) -> bool:
    """Whether a record was made with one of these seeds of the generators (None: any)."""
    return seeds is None or record.seed // RECORDS_A_SEED in seeds


def split_of(composition: int) -> Split:
    """Split of a composition by its number: 90 % train, 3 % valid, 7 % test, spread evenly."""
    place = (composition * 37) % 100
    if place < 90:
        return "train"
    return "valid" if place < 93 else "test"


def record_from_json(row: Mapping[str, Any]) -> Record:
    """Build the record of one manifest row of music, an image or a video.

    Unknown fields are ignored, so that a generator may add some.

    Raises:
        ValueError: the row's kind is another or a field is missing.
    """
    kinds: dict[str, type[MusicRecord] | type[ImageRecord] | type[VideoRecord]] = {
        "music": MusicRecord,
        "image": ImageRecord,
        "video": VideoRecord,
    }
    kind = kinds.get(str(row.get("kind")))
    if kind is None:
        raise ValueError(f"Unknown kind of manifest row: {row.get('kind')!r}.")
    return _record(kind, row, ["attributes"] if kind is MusicRecord else [])


def _record(kind: type[AnyRecord], row: Mapping[str, Any], of_music: Sequence[str]) -> AnyRecord:
    """A record of this kind; the fields in `of_music` become MusicAttributes."""
    values = {name: row[name] for name in kind.__dataclass_fields__ if name in row}
    try:
        for field_name in of_music:
            attributes = row[field_name]
            fields = MusicAttributes.__dataclass_fields__
            values[field_name] = MusicAttributes(**{name: attributes[name] for name in fields})
        return kind(**values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"Incomplete {row['kind']} row {row.get('id')!r}: {error}.") from error


def _read(
    folder: str | Path, edits: bool, build: Callable[[Mapping[str, Any]], Built]
) -> Iterator[Built]:
    """What `build` makes of the rows of a folder's manifest that are edits, or that are not."""
    path = Path(folder) / MANIFEST_NAME
    if not path.is_file():
        raise FileNotFoundError(f"No {MANIFEST_NAME} in {folder}: generate the data first.")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if (row.get("kind") == "edit") != edits:
                continue
            record = build(row)
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from error
        yield record


def read_manifest(folder: str | Path) -> list[Record]:
    """Read every song, picture and clip of a dataset folder, in the order of writing, each id once.

    Pairs (kind "edit") are left out, so that what learns from songs never takes one for a song:
    `read_edits` reads them.

    Raises:
        FileNotFoundError: the folder has no manifest.
        ValueError: a row is not understood (the message has its line number).
    """
    records: dict[tuple[str, str], Record] = {}
    for record in _read(folder, False, record_from_json):
        records[(record.kind, record.id)] = record
    return list(records.values())


def read_edits(folder: str | Path, split: Split | None = None) -> list[EditRecord]:
    """The pairs of a dataset folder, all or those of one split, in the order of writing, each once.

    Raises:
        FileNotFoundError: the folder has no manifest.
        ValueError: a row is not understood (the message has its line number).
    """

    def build(row: Mapping[str, Any]) -> EditRecord:
        return _record(EditRecord, row, ["attributes", "source_attributes"])

    records = {record.id: record for record in _read(folder, True, build)}
    return [record for record in records.values() if split in (None, record.split)]


def read_music(folder: str | Path, split: Split | None = None) -> list[MusicRecord]:
    """The music records of a dataset folder, all or those of one split."""
    return [
        record
        for record in read_manifest(folder)
        if isinstance(record, MusicRecord) and split in (None, record.split)
    ]


def append_records(folder: str | Path, records: Iterable[Record | EditRecord]) -> None:
    """Append records to the folder's manifest: one locked write, so lines never interleave."""
    lines = "".join(json.dumps(asdict(record), ensure_ascii=False) + "\n" for record in records)
    path = Path(folder) / MANIFEST_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(lines)
        stream.flush()
