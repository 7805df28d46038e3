"""Conversations: answers agree with the record, captions with the request, whatever the wording."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mumu_training.data import text_corpus, vocabulary
from mumu_training.data.composer_plan import make_plan
from mumu_training.data.conversations import Example, examples, plain_examples
from mumu_training.data.manifest import MusicAttributes, MusicRecord
from mumu_training.data.music_captions import full_caption
from mumu_training.data.music_words import caption_in, music_answer, plain_caption
from mumu_training.data.talk_audio import FIXED_QUESTIONS
from mumu_training.data.talk_edits import EDITS, edit_turn, song_wish
from mumu_training.data.talk_music import as_typed, text_to_music
from mumu_training.data.talk_other import CAN_DO


def song(seed: int) -> MusicRecord:
    attributes = make_plan(seed).attributes
    return MusicRecord(
        f"s{seed}", "train", f"s{seed}", f"music/s{seed}.flac", 10.0, seed, "x.sf2", attributes, []
    )


def told(answer: str) -> dict[str, str]:
    """The facts of an answer, by their fixed sentences."""
    forms = {
        "instrument": r"main instrument is (?:an? )?([a-z ]+)\.",
        "tempo": r"tempo is about (\d+) bpm",
        "key": r"key is ([A-G][b#]?) (?:major|minor)\.",
        "metre": r"metre is (\d/\d)\.",
        "style": r"style is (\w+)",
        "mood": r"mood is (\w+)",
        "mode": r"mode is (\w+)\.",
        "density": r"texture is (\w+)\.",
        "energy": r"energy is (\w+)\.",
        "family": r"family is ([a-z ]+)\.",
    }
    found = {name: re.search(form, answer) for name, form in forms.items()}
    return {name: match[1] for name, match in found.items() if match}


def truth(a: MusicAttributes, name: str) -> str:
    return str(round(a.tempo)) if name == "tempo" else str(getattr(a, name))


@pytest.mark.parametrize("seed", range(12))
def test_answers_about_a_song_are_true(seed: int) -> None:
    record = song(seed)
    a = record.attributes
    seen: set[str] = set()
    for example in examples(record, random.Random(seed)):
        if example.makes_music:
            continue
        assert example.audio == record.path
        facts = told(example.answer)
        assert facts == {name: truth(a, name) for name in facts}, example
        seen |= facts.keys()
    assert {"instrument", "tempo", "key", "metre", "style", "mood", "density", "energy"} <= seen


def test_yes_and_no_are_right() -> None:
    rng = np.random.default_rng(0)
    answers = {"Yes": 0, "No": 0}
    for seed in range(60):
        record = song(seed)
        a = record.attributes
        for example in examples(record, rng):
            word = example.answer.split(",")[0]
            if word not in answers:
                continue
            answers[word] += 1
            asked = example.instruction.lower().rstrip("?.")
            if example.kind == "faster":
                bound = int(re.findall(r"\d+", asked)[0])
                above = "faster" in asked or "above" in asked
                assert (word == "Yes") == ((a.tempo > bound) == above)
            elif example.kind == "presence":
                forms = r"(?:there|hear|have) (?:an? )?([a-z ]+?)(?: in this \w+)?(?:, please)?$"
                name = re.search(forms, asked)
                assert name is not None, asked
                assert (word == "Yes") == (name[1] in a.instruments), (asked, a.instruments)
            elif example.kind == "choice":
                name = re.search(r"is the (\w+ ?\w*?) (?:an? )?([\w/ ]+?)(?:, please)?$", asked)
                assert name is not None
                fact = told(example.answer)
                assert (word == "Yes") == (next(iter(fact.values())) in asked)
    assert min(answers.values()) > 20


def test_the_four_fixed_questions_come_word_for_word() -> None:
    record = song(3)
    asked = [e.instruction for s in range(20) for e in examples(record, random.Random(s))]
    for fixed in FIXED_QUESTIONS:
        assert asked.count(fixed) >= 10


def _music_turns() -> list[Example]:
    rng = random.Random(1)
    turns = plain_examples(rng, 400)
    for seed in range(8):
        turns += examples(song(seed), rng)
    for moving in (False, True):
        for _ in range(20):
            turns += examples(text_corpus.scene_on_paper(rng, moving), rng)
    return turns


def test_answers_that_make_music_carry_their_caption() -> None:
    made = [turn for turn in _music_turns() if turn.makes_music]
    assert len(made) > 200
    for turn in made:
        assert turn.music_caption is not None
        assert caption_in(turn.answer) == turn.music_caption
        assert len(turn.music_caption.split()) <= 20
    others = [turn for turn in _music_turns() if not turn.makes_music]
    assert all(turn.music_caption is None and caption_in(turn.answer) is None for turn in others)


def test_no_turn_is_empty_or_long() -> None:
    for turn in _music_turns():
        assert turn.instruction.strip()
        assert "{" not in turn.instruction + turn.answer
        assert len(turn.instruction) < 200
        assert len(turn.answer) < 420
        assert turn.answer[-1] in ".!"


def test_plain_caption_is_the_full_caption_of_what_it_knows() -> None:
    for seed in range(20):
        attributes = make_plan(seed).attributes
        assert plain_caption(song_wish(attributes)) == full_caption(attributes)
    assert plain_caption({"tempo_word": "slow", "extra": ["drums"], "instrument": "piano"}) == (
        "a slow piece of music with piano and drums"
    )


def test_captions_hold_exactly_what_was_asked() -> None:
    wish = {"tempo": 140.0, "mood": "happy", "style": "rock", "instrument": "electric guitar"}
    for seed in range(60):
        asked, answer, caption = text_to_music(wish, random.Random(seed))
        if "140" in asked and " for " not in asked:
            assert caption == "a fast happy rock piece with electric guitar at 140 bpm"
            assert answer == music_answer(caption)


def test_requests_come_in_many_wordings() -> None:
    wish = {"tempo_word": "fast", "mood": "happy", "style": "rock", "instrument": "violin"}
    texts = {text_to_music(wish, random.Random(seed))[0] for seed in range(300)}
    assert len(texts) > 280


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_changes_one_thing(kind: str) -> None:
    for seed in range(15):
        a = make_plan(seed).attributes
        instruction, _, caption = edit_turn(a, random.Random(seed), kind)
        before = plain_caption(song_wish(a))
        assert instruction
        rest_kept = {
            "tempo": (
                re.sub(r" at \d+ bpm", "", caption).split()[2:]
                == re.sub(r" at \d+ bpm", "", before).split()[2:]
            ),
            "instrument": caption.split(" with ")[0] == before.split(" with ")[0],
            "style": caption.split(" in ")[1] == before.split(" in ")[1],
            "mood": caption.split()[3:] == before.split()[3:],
            "mode": caption == before.replace(*_other_mode(a)),
            "add": re.sub(r" and [a-z ]+(?= at )", "", caption) == before,
            "again": caption == before,
        }
        assert rest_kept[kind], (instruction, before, caption)
        assert (caption == before) == (kind == "again") or kind == "tempo"


def _other_mode(a: MusicAttributes) -> tuple[str, str]:
    old, new = a.mode, "minor" if a.mode == "major" else "major"
    return f"{a.key} {old}", f"{a.key} {new}"


def test_scene_answers_are_true() -> None:
    rng = random.Random(2)
    for _ in range(40):
        record = text_corpus.scene_on_paper(rng, moving=True)
        for turn in examples(record, rng):
            assert turn.video == record.path
            assert turn.image is None
            if turn.kind == "scene:time":
                assert turn.answer == f"The time is {record.attributes['time']}."
            if turn.kind in ("scene:mood", "describe"):
                assert f"The mood is {record.music['mood']}." in turn.answer
            if turn.kind == "make":
                assert turn.music_caption == record.music_caption


def test_outside_its_world_it_says_what_it_can_do() -> None:
    turns = plain_examples(np.random.default_rng(3), 300)
    refused = [turn for turn in turns if turn.kind == "refusal"]
    assert refused
    assert all(turn.answer.endswith(CAN_DO) and not turn.makes_music for turn in refused)
    assert any(turn.kind == "missing-song" and "upload a song" in turn.answer for turn in turns)


def test_same_seed_same_turns_and_count_is_kept() -> None:
    record = song(1)
    assert examples(record, random.Random(4), 9) == examples(record, random.Random(4), 9)
    assert len(examples(record, np.random.default_rng(1), 9)) == 9
    other = replace(record, attributes=make_plan(2).attributes)
    assert examples(other, random.Random(4), 9) != examples(record, random.Random(4), 9)


def test_typing_keeps_the_words() -> None:
    for seed in range(40):
        typed = as_typed("Make it 120 bpm?", random.Random(seed)).lower()
        assert typed.startswith("make it 120 bpm")


def test_text_corpus_file(tmp_path: Path) -> None:
    file = tmp_path / "corpus.jsonl"
    assert text_corpus.main(["--out", str(file), "--lines", "120", "--seed", "2"]) == 0
    texts = [json.loads(line)["text"] for line in file.read_text().splitlines()]
    assert len(texts) == 120
    assert sum("### Response: " in text for text in texts) > 60
    joined = " ".join(texts)
    assert sum(name in joined for name in vocabulary.INSTRUMENTS) > 12
