"""Suite "qa": multiple choice in MuChoMusic's format, marks, and a whole run against a server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mumu_training.data.composer_plan import make_plan
from mumu_training.data.manifest import MusicRecord
from mumu_training.data.talk_choice import (
    TESTED,
    choice_question,
    choice_value,
    multiple_choice_turn,
)
from mumu_training.evaluation.calibration import calibration, read_certainty
from mumu_training.evaluation.choices import make_choice, make_choices, read_choice
from mumu_training.evaluation.client import Answer, MumuClient, Query
from mumu_training.evaluation.qa import QUESTIONS, compare, evaluate_qa
from mumu_training.evaluation.report import write


def song(number: int) -> MusicRecord:
    attributes = make_plan(5_000_000 + number).attributes
    return MusicRecord(
        f"s5-{number:06d}", "test", f"{number}", f"{number}.flac", 12.0, number, "x.sf2",
        attributes, [],
    )  # fmt: skip


def test_a_choice_has_one_right_and_three_kinds_of_wrong_options() -> None:
    piece = song(3)
    choice = make_choice(piece, "style", np.random.default_rng(0))
    kinds = dict(zip(choice.order, choice.answers, strict=True))
    truths = {str(value) for value in vars(piece.attributes).values()} | {
        "slow",
        "moderate",
        "fast",
    }
    assert kinds[0] == piece.attributes.style
    assert choice.answers[choice.right] == kinds[0]
    assert kinds[1] != kinds[0]
    assert kinds[2] in truths
    assert len(set(choice.answers)) == 4
    assert choice.prompt.startswith("Question: What is the style? Options: (A) ")
    assert choice.prompt.endswith("The correct answer is: ")
    entry = choice.entry("a.flac", "jazz", "A")
    assert set(entry) == {
        "id", "prompt", "answers", "answer_orders", "dataset", "genre", "reasoning", "knowledge",
        "audio_path", "model_output",
    }  # fmt: skip
    assert entry["answers"][entry["answer_orders"].index(0)] == piece.attributes.style


@pytest.mark.parametrize(
    ("reply", "place"),
    [
        ("B", 1),
        ("(C) jazz", 2),
        ("The correct answer is: D", 3),
        ("The style is jazz.", 2),
        ("A or B", None),
        ("I cannot tell.", None),
    ],
)
def test_replies_are_read_by_the_benchmarks_rules(reply: str, place: int | None) -> None:
    assert read_choice(reply, ["rock", "waltz", "jazz", "folk"]) == place


def test_the_interval_is_of_the_paired_difference() -> None:
    entry = compare([True] * 8 + [False] * 2, [False] * 10)
    assert entry["accuracy"] == pytest.approx(0.8)
    assert entry["difference"] == pytest.approx(0.8)
    low, high = entry["difference_interval"]
    assert 0.4 <= low < 0.8 <= high <= 1.0
    same = compare([True, False] * 5, [True, False] * 5)
    assert same["difference_interval"] == [0.0, 0.0]
    assert not same["significant"]


class Listener(MumuClient):
    """A client whose answers come from the file's name: it hears styles perfectly, nothing else."""

    def __init__(self, songs: list[MusicRecord]) -> None:
        super().__init__("http://nowhere")
        self.songs = {piece.path: piece for piece in songs}

    def ask(
        self,
        command: str,
        text: str = "",
        files: list[Path] | None = None,
        options: dict[str, Any] | None = None,
        conversation: str | None = None,
    ) -> Answer:
        assert command == "ask"
        assert files is not None
        heard = self.songs[files[0].name]
        said = f"The style is {heard.attributes.style}." if "tyle" in text else "I cannot tell."
        return Answer(said, [], 1, {}, None, "c")


def test_a_whole_run_credits_what_is_heard_and_nothing_else(tmp_path: Path) -> None:
    songs = [song(number) for number in range(24)]
    outcome = evaluate_qa(Listener(songs), songs, tmp_path)
    assert outcome.results["style"]["accuracy"] == 1
    assert outcome.results["style"]["swapped"] < 0.4
    assert outcome.results["style"]["significant"]
    assert outcome.results["style"]["goal"]["reached"]
    assert outcome.results["instrument"]["accuracy"] == 0
    assert outcome.results["instrument"]["unread"] == 24
    # One question in six is about style, and a reply that repeats an option's text chooses it.
    assert outcome.results["choice"]["accuracy"] >= 4 / 24
    files = write(outcome, tmp_path / "report")
    assert [file.name for file in files] == ["qa.json", "qa.md", "qa-1.png"]
    rows = json.loads(files[0].read_text())["rows"]
    assert len(rows) == 24
    assert set(rows[0]["answers"]) == {question.name for question in QUESTIONS}
    assert "| style | 100% (100% to 100%)" in files[1].read_text()
    assert files[2].read_bytes()[1:4] == b"PNG"


def test_answers_come_in_the_order_of_the_questions(tmp_path: Path) -> None:
    songs = [song(number) for number in range(4)]
    asked = [Query("ask", "What style?", [tmp_path / piece.path]) for piece in songs]
    answers = [answer.text for answer in Listener(songs).ask_all(asked)]
    assert answers == [f"The style is {piece.attributes.style}." for piece in songs]


def test_every_attribute_gets_its_questions() -> None:
    names = [choice.name for choice in make_choices([song(number) for number in range(12)])]
    assert sorted(set(names)) == ["instrument", "metre", "mode", "mood", "style", "tempo"]
    assert all(names.count(name) == 2 for name in names)


def test_choices_repeat_by_seed() -> None:
    songs = [song(number) for number in range(6)]
    assert make_choices(songs, seed=4) == make_choices(songs, seed=4)
    assert make_choices(songs, seed=4) != make_choices(songs, seed=5)


def test_what_it_says_of_being_sure_is_read_and_compared() -> None:
    note = "By its own estimate the model is 83 % sure of the least certain part of this."
    assert read_certainty(["Only the first song was taken.", note]) == 0.83
    assert read_certainty(["100 bpm"]) is None
    bins = calibration([0.1, 0.6, 0.7, 0.99, 0.95, None], [False, True, False, True, True, False])
    assert [entry["answers"] for entry in bins] == [1, 2, 2]
    assert [entry["right"] for entry in bins] == [0, 0.5, 1]
    assert bins[1]["sure"] == pytest.approx(0.65)


def test_turns_to_learn_the_form_from_name_the_letter_of_the_right_option() -> None:
    for number in range(40):
        a = song(number).attributes
        asked, answer = multiple_choice_turn(a, np.random.default_rng(number))
        text, letter = answer.removesuffix(").").split(" (")
        assert f"({letter}) {text}. " in asked
        name = next(name for name in TESTED if choice_question(name) in asked)
        assert text == choice_value(a, name)
        assert read_choice(answer, re.findall(r"\([A-D]\) (.+?)\. ", asked)) == "ABCD".index(letter)
