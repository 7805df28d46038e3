"""The conversations every text-reading job learns from, drawn at random from the dataset's records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mumu_training.data import vocabulary
from mumu_training.data.conversations import Example, examples
from mumu_training.data.manifest import (
    ImageRecord,
    MusicAttributes,
    MusicRecord,
    Record,
    VideoRecord,
    read_manifest,
)
from mumu_training.recipe import Recipe
from mumu_training.stage0.media import DataError

# How often a row talks about each kind of thing.
SHARES: Mapping[str, float] = {"music": 0.55, "image": 0.25, "video": 0.2}


@dataclass(frozen=True)
class Row:
    """One question with its answer and the records it talks about."""

    instruction: str
    answer: str
    makes_music: bool
    music_caption: str | None
    audio: MusicRecord | None = None
    image: ImageRecord | None = None
    video: VideoRecord | None = None

    def media(self) -> dict[str, Record]:
        """The records by modality, absent ones left out."""
        chosen = {"audio": self.audio, "image": self.image, "video": self.video}
        return {name: record for name, record in chosen.items() if record is not None}


def shuffled_attributes(attributes: MusicAttributes, rng: np.random.Generator) -> MusicAttributes:
    """The same song with a random tempo and each other fact changed half of the time."""

    def one(words: tuple[str, ...]) -> str:
        return words[int(rng.integers(len(words)))]

    changes: dict[str, object] = {
        "tempo": float(np.exp(rng.uniform(*np.log(vocabulary.TEMPO_RANGE))))
    }
    closed = {
        "key": vocabulary.KEYS,
        "mode": vocabulary.MODES,
        "metre": vocabulary.METRES,
        "style": vocabulary.STYLES,
        "mood": vocabulary.MOODS,
        "density": vocabulary.DENSITIES,
        "energy": vocabulary.ENERGIES,
    }
    changes |= {name: one(words) for name, words in closed.items() if rng.random() < 0.5}
    if rng.random() < 0.5:
        name = one(tuple(vocabulary.INSTRUMENTS))
        others = [other for other in attributes.instruments[1:] if other != name]
        changes["instrument"] = name
        changes["family"] = vocabulary.INSTRUMENTS[name].family
        changes["instruments"] = [name, *others]
    return replace(attributes, **changes)  # type: ignore[arg-type]


class Conversations:
    """Random rows over the records of a split."""

    def __init__(
        self,
        recipe: Recipe,
        split: str,
        seed: int = 0,
        shuffle_attributes: float = 0.0,
        shares: Mapping[str, float] = SHARES,
    ) -> None:
        self.records: dict[str, list[Record]] = {"music": [], "image": [], "video": []}
        for record in read_manifest(recipe.data):
            if record.split == split:
                self.records[record.kind].append(record)
        self.kinds = [kind for kind in shares if self.records[kind] and shares[kind] > 0]
        if not self.kinds:
            raise DataError(f"{recipe.data} has no {split} records to talk about")
        weights = np.array([shares[kind] for kind in self.kinds])
        self._weights = weights / weights.sum()
        self._shuffle = shuffle_attributes

    def record(self, rng: np.random.Generator) -> Record:
        """A random record."""
        kind = self.kinds[int(rng.choice(len(self.kinds), p=self._weights))]
        record = self.records[kind][int(rng.integers(len(self.records[kind])))]
        if isinstance(record, MusicRecord) and rng.random() < self._shuffle:
            record = replace(record, attributes=shuffled_attributes(record.attributes, rng))
        return record

    def rows_of(self, record: Record, rng: np.random.Generator) -> list[Row]:
        """Every conversation about a record, randomly worded."""
        return [row_of(example, record) for example in examples(record, rng)]

    def sample(self, rng: np.random.Generator, count: int, music: bool | None = None) -> list[Row]:
        """`count` random rows of similar length, so that a batch of them needs little padding.

        `music` keeps only rows that make music (True) or don't (False).
        """
        pool: list[Row] = []
        groups = 4
        while len(pool) < groups * count:
            rows = self.rows_of(self.record(rng), rng)
            rows = [row for row in rows if music is None or row.makes_music == music]
            if rows:
                pool.append(rows[int(rng.integers(len(rows)))])
        pool.sort(key=lambda row: len(row.instruction) + len(row.answer))
        start = count * int(rng.integers(groups))
        return pool[start : start + count]


def row_of(example: Example, record: Record) -> Row:
    """An example with its record in place of the paths."""
    return Row(
        instruction=example.instruction,
        answer=example.answer,
        makes_music=example.makes_music,
        music_caption=example.music_caption,
        audio=record if isinstance(record, MusicRecord) and example.audio else None,
        image=record if isinstance(record, ImageRecord) and example.image else None,
        video=record if isinstance(record, VideoRecord) and example.video else None,
    )


def documents(recipe: Recipe, rng: np.random.Generator, count: int) -> Iterator[str]:
    """Texts for the tokenizer: whole conversations, captions, and the template now and then."""
    conversations = Conversations(recipe, "train", shuffle_attributes=0.5)
    made = 0
    while made < count:
        record = conversations.record(rng)
        captions = record.captions if isinstance(record, MusicRecord) else [record.caption]
        yield from captions
        for row in conversations.rows_of(record, rng):
            if made % 20 == 0:
                yield str(recipe.prompt["template"]).format(instruction=row.instruction)
            yield row.instruction
            yield " " + row.answer
            made += 1
