"""Suite "recordings": what is said of songs without truths, and how sure."""

from __future__ import annotations

from pathlib import Path

import pytest

from mumu_training.evaluation.client import Answer, MumuClient, Query, RequestFailed
from mumu_training.evaluation.recordings import evaluate_recordings, find_recordings
from mumu_training.evaluation.report import write

SAID = {
    "instrument": ("The main instrument is an electric guitar.", "62 % sure of this"),
    "tempo": ("About 140.5 bpm.", "80 % sure of this"),
    "mode": ("It is in a minor key.", "100 % sure of this"),
    "metre": ("I would not know.", ""),
    "style": ("It is a rock piece.", "74 % sure of this"),
    "mood": ("It sounds dark.", "75 % sure of this"),
}


class Listener(MumuClient):
    """A mumu that says the same of every song, and nothing of how sure it is of the metre."""

    def __init__(self) -> None:
        super().__init__("http://nowhere")

    def ask_all(self, queries: object) -> list[Answer]:
        assert isinstance(queries, list)
        assert all(isinstance(query, Query) and query.command == "ask" for query in queries)
        notes = [
            [f"By its own estimate the model is {note}."] if note else []
            for _, note in SAID.values()
        ]
        return [
            Answer(text, [], 1, {}, None, "c", own)
            for (text, _), own in zip(SAID.values(), notes, strict=True)
        ]


def test_recordings_are_found_by_their_names_and_spread(tmp_path: Path) -> None:
    for name in ("a/1.ogg", "a/2.MP3", "b/3.flac", "b/4.wav", "b/5.m4a", "b/cover.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in find_recordings(tmp_path, 9)] == [
        *("1.ogg", "2.MP3", "3.flac", "4.wav", "5.m4a")
    ]
    assert [path.name for path in find_recordings(tmp_path, 3)] == ["1.ogg", "3.flac", "5.m4a"]
    with pytest.raises(FileNotFoundError, match="no sound file below"):
        find_recordings(tmp_path / "c", 3)


def test_what_is_said_of_recordings_stands_with_how_sure(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one.ogg", "two.ogg")]
    outcome = evaluate_recordings(Listener(), files, tmp_path)
    found = outcome.results["questions"]
    assert found["instrument"] == {
        **{"answers": 2, "with_certainty": 2, "sure": 0.62, "least_sure": 0.62, "most_sure": 0.62},
        "sounds_sure": 0.0,
    }
    assert found["metre"]["with_certainty"] == 0
    assert found["metre"]["sure"] is None
    assert found["mood"]["sounds_sure"] == 1.0
    assert found["style"]["sounds_sure"] == 0.0
    assert len(outcome.rows) == 12
    assert outcome.rows[1]["read"] == 140.5
    shown = write(outcome, tmp_path)[1].read_text()
    assert "| two.ogg | electric guitar (62%) | 140.5 (80%) | minor (100%) | ? (-) |" in shown
    assert "| metre | 2 | 0 | - (- to -) | - |" in shown


def test_what_cannot_be_heard_is_left_out_and_said(tmp_path: Path) -> None:
    class Picky(Listener):
        code = "unsupported_media"

        def ask_all(self, queries: object) -> list[Answer]:
            assert isinstance(queries, list)
            if queries[0].files[0].name == "one.ogg":
                raise RequestFailed("one.ogg: This is a text file.", self.code)
            return super().ask_all(queries)

    files = [tmp_path / name for name in ("one.ogg", "two.ogg")]
    outcome = evaluate_recordings(Picky(), files, tmp_path)
    assert {row["file"] for row in outcome.rows} == {"two.ogg"}
    assert outcome.notes == ["Left out: one.ogg: one.ogg: This is a text file."]
    with pytest.raises(ValueError, match="None of the files can be heard"):
        evaluate_recordings(Picky(), files[:1], tmp_path)
    broken = Picky()
    broken.code = "engine_lost"
    with pytest.raises(RequestFailed):
        evaluate_recordings(broken, files, tmp_path)
    (tmp_path / "._a.mp3").touch()
    (tmp_path / "b.wav").mkdir()
    with pytest.raises(FileNotFoundError):
        find_recordings(tmp_path, 2)
    with pytest.raises(ValueError, match="at least 1"):
        find_recordings(tmp_path, 0)
