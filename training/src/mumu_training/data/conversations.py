"""Conversations about the generated world: what people type and what mumu should answer.

`examples(record, rng)` gives turns about one record of the dataset, `edit_example(record, rng)` one
about a pair of songs; `plain_examples(rng, n)` gives turns that need no file. Answers end where the
answer ends: the trainer appends the audio tokens where `makes_music` is true, and the end of
sequence everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mumu_training.data.chance import Chance, likely, pick, weighted
from mumu_training.data.manifest import (
    EditRecord,
    ImageRecord,
    MusicRecord,
    Record,
    VideoRecord,
)
from mumu_training.data.music_words import music_answer
from mumu_training.data.talk_audio import (
    FACTS,
    Turn,
    choice_turn,
    fixed_turn,
    open_turn,
    pair_turn,
    presence_turn,
    tempo_comparison,
)
from mumu_training.data.talk_choice import multiple_choice_turn
from mumu_training.data.talk_edits import EDITS, edit_turn
from mumu_training.data.talk_music import (
    Made,
    as_typed,
    random_wish,
    scene_in_words,
    text_to_music,
    wish_from,
)
from mumu_training.data.talk_other import missing_other, missing_song, refusal, small_talk
from mumu_training.data.talk_scene import (
    describe_turn,
    fact_turn,
    look_of,
    make_turn,
    suits_turn,
)


@dataclass(frozen=True)
class Example:
    """One turn: what is typed and given, and the answer. Paths are relative to the dataset."""

    instruction: str
    answer: str
    audio: str | None = None
    image: str | None = None
    video: str | None = None
    makes_music: bool = False
    music_caption: str | None = None
    kind: str = ""
    """Which sort of turn it is, e.g. "open:tempo"; for evaluation and mixing."""


_Maker = Callable[[Chance], Example]


def examples(record: Record, rng: Chance, n: int | None = None) -> list[Example]:
    """Turns about one record.

    Args:
        record: a song, picture or clip.
        rng: source of the choices (random.Random or numpy.random.Generator).
        n: how many, drawn by the weight of their kinds; None for one of every kind.
    """
    makers = _song_makers(record) if isinstance(record, MusicRecord) else _scene_makers(record)
    return _draw(makers, rng, n)


def edit_example(record: EditRecord, rng: Chance) -> Example:
    """A pair's change in one of its wordings, and the caption of the song that it becomes."""
    return Example(
        pick(rng, record.instructions),
        music_answer(record.caption),
        audio=record.source_path,
        makes_music=True,
        music_caption=record.caption,
        kind=f"change:{record.operation}",
    )


def plain_examples(rng: Chance, n: int) -> list[Example]:
    """Turns without any file: music from words, small talk, refusals, missing files."""
    return _draw(_plain_makers(), rng, n)


def _draw(makers: dict[str, tuple[float, _Maker]], rng: Chance, n: int | None) -> list[Example]:
    if n is None:
        return [make(rng) for _, make in makers.values()]
    weights = {name: weight for name, (weight, _) in makers.items()}
    return [makers[weighted(rng, weights)][1](rng) for _ in range(n)]


def _song_makers(record: MusicRecord) -> dict[str, tuple[float, _Maker]]:
    a = record.attributes

    def turn(kind: str, make: Callable[[Chance], Turn], noise: bool = True) -> _Maker:
        def example(rng: Chance) -> Example:
            asked, answer = make(rng)
            typed = as_typed(asked, rng) if noise else asked
            return Example(typed, answer, audio=record.path, kind=kind)

        return example

    def made(kind: str, make: Callable[[Chance], Made], heard: bool) -> _Maker:
        def example(rng: Chance) -> Example:
            asked, answer, caption = make(rng)
            audio = record.path if heard else None
            return Example(
                asked, answer, audio=audio, makes_music=True, music_caption=caption, kind=kind
            )

        return example

    def fixed(which: int) -> _Maker:
        # Word for word in most cases: these four are MusicQA's own questions.
        return turn(f"fixed:{which}", lambda rng: _maybe_typed(fixed_turn(a, which), rng), False)

    def opened(name: str) -> _Maker:
        return turn(f"open:{name}", lambda rng: open_turn(a, name, rng))

    def edited(name: str) -> _Maker:
        return made(f"edit:{name}", lambda rng: edit_turn(a, rng, name), heard=True)

    often = {"instrument": 2.5, "tempo": 2.5, "mode": 1.5, "metre": 1.5, "style": 2.0, "mood": 1.5}
    often |= {"key": 0.7, "family": 0.5, "energy": 0.5}
    makers = {f"fixed:{which}": (1.0, fixed(which)) for which in range(4)}
    makers |= {f"open:{name}": (often.get(name, 1.0), opened(name)) for name in FACTS}
    makers |= {f"edit:{name}": (0.6, edited(name)) for name in EDITS}
    makers["pair"] = (1.5, turn("pair", lambda rng: pair_turn(a, rng)))
    makers["faster"] = (0.8, turn("faster", lambda rng: tempo_comparison(a, rng)))
    makers["presence"] = (1.2, turn("presence", lambda rng: presence_turn(a, rng)))
    makers["choice"] = (1.2, turn("choice", lambda rng: choice_turn(a, rng)))
    makers["multiple-choice"] = (
        1.5,
        turn("multiple-choice", lambda rng: multiple_choice_turn(a, rng), False),
    )
    makers["text-to-music"] = (
        2.0,
        made("text-to-music", lambda rng: text_to_music(wish_from(a, rng), rng), heard=False),
    )
    return makers


def _maybe_typed(turn: Turn, rng: Chance) -> Turn:
    return (as_typed(turn[0], rng) if likely(rng, 0.3) else turn[0]), turn[1]


def _scene_makers(record: ImageRecord | VideoRecord) -> dict[str, tuple[float, _Maker]]:
    look, moving = look_of(record.attributes), isinstance(record, VideoRecord)

    def shown(rng: Chance, kind: str, turn: Turn, caption: str | None = None) -> Example:
        return Example(
            as_typed(turn[0], rng),
            turn[1],
            image=None if moving else record.path,
            video=record.path if moving else None,
            makes_music=caption is not None,
            music_caption=caption,
            kind=kind,
        )

    makers: dict[str, tuple[float, _Maker]] = {
        "describe": (
            2.0,
            lambda rng: shown(rng, "describe", describe_turn(look, record.music, moving, rng)),
        ),
        "suits": (
            1.0,
            lambda rng: shown(rng, "suits", suits_turn(look, record.music, moving, rng)),
        ),
        "make": (
            4.0,
            lambda rng: shown(
                rng,
                "make",
                make_turn(look, record.music_caption, moving, rng),
                record.music_caption,
            ),
        ),
    }
    facts = ["time", "weather", "place", "people", "mood", *(["motion"] if moving else [])]
    for name in facts:
        kind = f"scene:{name}"

        def fact(rng: Chance, name: str = name, kind: str = kind) -> Example:
            return shown(rng, kind, fact_turn(look, record.music, moving, name, rng))

        makers[kind] = (0.7, fact)
    return makers


def _plain_makers() -> dict[str, tuple[float, _Maker]]:
    def made(kind: str, make: Callable[[Chance], Made]) -> _Maker:
        def example(rng: Chance) -> Example:
            asked, answer, caption = make(rng)
            return Example(asked, answer, makes_music=True, music_caption=caption, kind=kind)

        return example

    def said(kind: str, make: Callable[[Chance], Turn]) -> _Maker:
        def example(rng: Chance) -> Example:
            asked, answer = make(rng)
            return Example(asked, answer, kind=kind)

        return example

    return {
        "text-to-music": (
            6.0,
            made("text-to-music", lambda rng: text_to_music(random_wish(rng), rng)),
        ),
        "scene-in-words": (1.5, made("scene-in-words", scene_in_words)),
        "small-talk": (0.6, said("small-talk", small_talk)),
        "refusal": (1.0, said("refusal", refusal)),
        "missing-song": (0.7, said("missing-song", missing_song)),
        "missing-other": (0.5, said("missing-other", missing_other)),
    }
