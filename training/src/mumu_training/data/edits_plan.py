"""Which change a song gets, and what is known of it before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

import numpy as np

from mumu_training.data import vocabulary as words
from mumu_training.data.composer import Piece
from mumu_training.data.composer_plan import choose, make_plan
from mumu_training.data.edits_sound import PARTS, instruments_of, notes_of
from mumu_training.data.manifest import MusicAttributes, Operation

FACTORS: Final[tuple[float, ...]] = (0.5, 0.7, 1.3, 1.5)
"""Of the duration; MUEdit's, as the cents are."""
CENTS: Final[tuple[float, ...]] = (-200.0, -100.0, 100.0, 200.0)
OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
_ALWAYS: Final[str] = "melody"
"""The part without which a song's main instrument would not sound."""
_TUNED: Final[tuple[str, ...]] = ("melody", "accompaniment", "bass")
"""Parts that other instruments can play."""


@dataclass(frozen=True)
class SongEdit:
    """One change of a song; which fields say something depends on the operation."""

    operation: Operation
    factor: float = 1.0
    """Of the duration, at the same pitch."""
    cents: float = 0.0
    """Of the pitch, at the same duration."""
    part: str = ""
    """The part (of `PARTS`) that is added, deleted or played by another instrument."""
    instrument: str = ""
    """What plays the part (before, where it is replaced)."""
    new: str = ""
    """What plays the part after it was replaced."""

    def parameters(self) -> dict[str, float | str]:
        """What the manifest says of the change."""
        if self.operation == "duration":
            return {"factor": self.factor}
        if self.operation == "pitch":
            return {"cents": self.cents}
        said: dict[str, float | str] = {"part": self.part, "instrument": self.instrument}
        return said | {"new": self.new} if self.new else said


def possible_edits(piece: Piece, operation: Operation) -> list[SongEdit]:
    """Every change of a kind that suits a piece: none where no part can be named by its instrument.

    Durations keep the tempo within `TEMPO_RANGE`, which captions and trainers know; a part is added,
    deleted or replaced only where nothing else plays its instrument, so the words mean one thing.
    """
    attributes = piece.plan.attributes
    if operation == "duration":
        low, high = words.TEMPO_RANGE
        return [
            SongEdit("duration", factor=factor)
            for factor in FACTORS
            if low <= attributes.tempo / factor <= high
        ]
    if operation == "pitch":
        return [SongEdit("pitch", cents=cents) for cents in CENTS]
    played = instruments_of(piece)
    named = [part for part, name in played.items() if list(played.values()).count(name) == 1]
    if operation == "replace":
        return [
            SongEdit("replace", part=part, instrument=played[part], new=new)
            for part in named
            if part in _TUNED
            for new in _substitutes(piece, part, played)
        ]
    return [
        SongEdit(operation, part=part, instrument=played[part]) for part in named if part != _ALWAYS
    ]


def _substitutes(piece: Piece, part: str, played: dict[str, str]) -> list[str]:
    """Instruments that can play a part and do not sound in the piece yet."""
    if part == "bass":
        return [name for name in words.BASSES if name not in played.values()]
    notes = notes_of(piece.midi, PARTS[part])
    fitting = []
    for name, voice in words.INSTRUMENTS.items():
        inside = voice.low <= min(notes) and max(notes) <= voice.high
        if name not in played.values() and inside and (voice.chords or part == "melody"):
            fitting.append(name)
    return fitting


def choose_edit(
    piece: Piece, rng: np.random.Generator, operations: Sequence[Operation] = OPERATIONS
) -> SongEdit | None:
    """Draw a change: the operation evenly among those that suit the piece, then its part (or factor,
    or cents), then the new instrument. None where none suits."""
    options = {name: possible_edits(piece, name) for name in operations}
    kinds = [name for name, edits in options.items() if edits]
    if not kinds:
        return None
    edits = options[kinds[int(rng.integers(len(kinds)))]]
    # A part that many instruments could play is no likelier than another.
    part = choose(rng, list(dict.fromkeys(edit.part for edit in edits)))
    chosen = [edit for edit in edits if edit.part == part]
    return chosen[int(rng.integers(len(chosen)))]


def attributes_of(piece: Piece, edit: SongEdit) -> tuple[MusicAttributes, MusicAttributes]:
    """What is known of the song before and after a change."""
    whole = piece.plan.attributes
    if edit.operation == "duration":
        return whole, _energised(piece, tempo=round(whole.tempo / edit.factor, 2))
    if edit.operation == "pitch":
        place = words.KEYS.index(whole.key) + round(edit.cents / 100)
        return whole, replace(whole, key=words.KEYS[place % len(words.KEYS)])
    if edit.operation == "replace":
        names = [edit.new if name == edit.instrument else name for name in whole.instruments]
        after = replace(whole, instruments=names)
        if edit.part == "melody":
            family = words.INSTRUMENTS[edit.new].family
            after = replace(after, instrument=edit.new, family=family)
        return whole, after
    fewer = _energised(piece, drums=whole.drums and edit.part != "drums")
    left = [name for name in whole.instruments if name != edit.instrument]
    fewer = replace(fewer, instruments=left)
    return (fewer, whole) if edit.operation == "add" else (whole, fewer)


def _energised(
    piece: Piece, tempo: float | None = None, drums: bool | None = None
) -> MusicAttributes:
    """A piece's attributes at another tempo, or without drums: its energy may have another word."""
    whole = piece.plan.attributes
    changed = replace(
        whole,
        tempo=whole.tempo if tempo is None else tempo,
        drums=whole.drums if drums is None else drums,
    )
    names = ("instrument", "tempo", "key", "mode", "metre", "style", "mood", "density", "drums")
    fixed = {name: getattr(changed, name) for name in names}
    return replace(changed, energy=make_plan(piece.plan.seed, fixed=fixed).attributes.energy)
