"""The conversations every text-reading job learns from, drawn at random from the dataset's records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mumu_training.data import vocabulary
from mumu_training.data.conversations import Example, edit_example, examples, plain_examples
from mumu_training.data.manifest import (
    EditRecord,
    ImageRecord,
    MusicAttributes,
    MusicRecord,
    Record,
    VideoRecord,
    made_by,
    read_edits,
    read_manifest,
)
from mumu_training.recipe import Recipe
from mumu_training.stage0.media import DataError, of_seeds

SHARES: Mapping[str, float] = {
    "music": 0.55,
    "image": 0.15,
    "video": 0.15,
    "plain": 0.15,
    "edit": 0.1,
}
"""How often a row talks about each kind of thing: `edit` is a pair of songs before and after a
change, `plain` nothing. Kinds that the dataset has none of are left out, the others keep their ratio."""


@dataclass(frozen=True)
class Row:
    """One question with its answer and the records it talks about."""

    instruction: str
    answer: str
    makes_music: bool
    music_caption: str | None
    kind: str = ""
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
        shuffle_attributes: float = 0.0,
        shares: Mapping[str, float] = SHARES,
        seeds: Sequence[int] | None = None,
    ) -> None:
        """`seeds` keeps only what was made with these seeds of the generators."""
        self.records: dict[str, list[Record]] = {"music": [], "image": [], "video": []}
        for record in read_manifest(recipe.data):
            if record.split == split and made_by(record, seeds):
                self.records[record.kind].append(record)
        self.pairs: list[EditRecord] = []
        if shares.get("edit", 0) > 0:
            pairs = read_edits(recipe.data, split)  # type: ignore[arg-type]
            self.pairs = [pair for pair in pairs if made_by(pair, seeds)]
        self.kinds = [
            kind
            for kind, share in shares.items()
            if share > 0
            and (kind == "plain" or (self.pairs if kind == "edit" else self.records[kind]))
        ]
        if self.kinds in ([], ["plain"]):
            raise DataError(f"{recipe.data} has no {split} records{of_seeds(seeds)} to talk about")
        weights = np.array([shares[kind] for kind in self.kinds])
        self._weights = weights / weights.sum()
        self._shuffle = shuffle_attributes

    def _record(self, kind: str, rng: np.random.Generator) -> Record:
        record = self.records[kind][int(rng.integers(len(self.records[kind])))]
        if isinstance(record, MusicRecord) and rng.random() < self._shuffle:
            record = replace(record, attributes=shuffled_attributes(record.attributes, rng))
        return record

    def _pair(self, rng: np.random.Generator) -> EditRecord:
        return self.pairs[int(rng.integers(len(self.pairs)))]

    def draw(self, rng: np.random.Generator) -> Row:
        """One random row."""
        kind = self.kinds[int(rng.choice(len(self.kinds), p=self._weights))]
        if kind == "plain":
            return row_of(plain_examples(rng, 1)[0], None)
        if kind == "edit":
            pair = self._pair(rng)
            return row_of(edit_example(pair, rng), pair.source_song())
        record = self._record(kind, rng)
        return row_of(examples(record, rng, 1)[0], record)

    def sample(self, rng: np.random.Generator, count: int, music: bool | None = None) -> list[Row]:
        """`count` random rows of similar length, so that a batch of them needs little padding.

        `music` keeps only rows that make music (True) or don't (False).
        """
        groups = 4
        pool: list[Row] = []
        while len(pool) < groups * count:
            row = self.draw(rng)
            if music is None or row.makes_music == music:
                pool.append(row)
        pool.sort(key=lambda row: len(row.instruction) + len(row.answer))
        start = count * int(rng.integers(groups))
        return pool[start : start + count]

    def captions(self, rng: np.random.Generator) -> list[str]:
        """The captions of a random record."""
        kind = str(rng.choice([k for k in self.kinds if k != "plain"]))
        if kind == "edit":
            pair = self._pair(rng)
            return [pair.source_caption, pair.caption]
        record = self._record(kind, rng)
        return record.captions if isinstance(record, MusicRecord) else [record.caption]


def row_of(example: Example, record: Record | None) -> Row:
    """An example with its record in place of the paths (None: it needs no file)."""
    return Row(
        instruction=example.instruction,
        answer=example.answer,
        makes_music=example.makes_music,
        music_caption=example.music_caption,
        kind=example.kind,
        audio=record if isinstance(record, MusicRecord) and example.audio else None,
        image=record if isinstance(record, ImageRecord) and example.image else None,
        video=record if isinstance(record, VideoRecord) and example.video else None,
    )


def documents(
    recipe: Recipe, rng: np.random.Generator, count: int, seeds: Sequence[int] | None = None
) -> Iterator[str]:
    """Texts for the tokenizer: whole conversations, captions, and the template now and then.

    `seeds` keeps only what was made with these seeds of the generators. Raises DataError when the
    train split has nothing of them.
    """
    conversations = Conversations(recipe, "train", shuffle_attributes=0.5, seeds=seeds)
    for made in range(count):
        row = conversations.draw(rng)
        if made % 20 == 0:
            yield str(recipe.prompt["template"]).format(instruction=row.instruction)
        yield row.instruction
        yield " " + row.answer
        if row.music_caption:
            yield row.music_caption
        if made % 3 == 0:
            yield from conversations.captions(rng)
