"""Suites that judge music, run whole against makers whose work is known."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from mumu_training.__main__ import main as training
from mumu_training.data.composer_plan import make_plan
from mumu_training.data.dataset import SOUNDFONT_FOLDER
from mumu_training.data.manifest import ImageRecord, MusicRecord
from mumu_training.data.music_captions import full_caption
from mumu_training.evaluation.__main__ import SUITES, main, parser
from mumu_training.evaluation.client import Answer, MumuClient, RequestFailed
from mumu_training.evaluation.editing import EDITS, evaluate_editing, exact
from mumu_training.evaluation.editing_parts import add_parts, cases
from mumu_training.evaluation.embedding import judge_embedding
from mumu_training.evaluation.pieces import Jury
from mumu_training.evaluation.report import Outcome, write
from mumu_training.evaluation.round_trip import checkpoint_codec, evaluate_codec
from mumu_training.evaluation.scene2music import evaluate_scenes, mood_partners, said
from mumu_training.evaluation.text2music import evaluate_text2music
from mumu_training.judge.model import Judge
from mumu_training.judge.tagger import Tagger

RATE = 24_000
FONT = "TimGM6mb.sf2"


@pytest.fixture
def jury() -> Jury:
    """An untrained judge: the suites' arithmetic is tested, not its ears."""
    judge = Tagger(Judge(4), {"songs": 0})
    return Jury(judge, judge_embedding(judge))


class Maker(MumuClient):
    """A mumu whose music is plucks at the tempo asked for, and whose edits are exact."""

    def __init__(self, captions: dict[str, str] | None = None) -> None:
        super().__init__("http://nowhere", parallel=1)
        self.captions = captions or {}
        self.sounds: list[NDArray[np.float32]] = []

    def ask(
        self,
        command: str,
        text: str = "",
        files: list[Path] | None = None,
        options: dict[str, Any] | None = None,
        conversation: str | None = None,
    ) -> Answer:
        options = options or {}
        if command == "remix":
            assert files
            edit = next((edit for edit in EDITS if edit.instruction == text), None)
            self.sounds.append(exact(files[0], edit) if edit else self.change(files[0], text))
        else:
            found = re.search(r"(\d+) bpm", text)
            tempo = float(found.group(1)) if found else 160 if "fast" in text else 80
            self.sounds.append(self.plucks(tempo, options["seconds"], options["seed"]))
        caption = self.captions.get(files[0].name) if files else text
        file = {"key": str(len(self.sounds) - 1), "name": "a.wav"}
        return Answer("Here is music.", [file], options["seed"], {}, caption, "c")

    def change(self, song: Path, text: str) -> NDArray[np.float32]:
        """What is made of a wish for another instrument: the song as it was."""
        return np.asarray(soundfile.read(song, dtype="float32")[0])

    def download(self, answer: Answer, index: int, folder: Path) -> Path:
        path = folder / f"{answer.files[index]['key']}.wav"
        soundfile.write(path, self.sounds[int(answer.files[index]["key"])], RATE)
        return path

    @staticmethod
    def plucks(tempo: float, seconds: float, seed: int) -> NDArray[np.float32]:
        rng = np.random.default_rng(seed)
        wave = rng.normal(0, 2e-3, round(seconds * RATE))
        time = np.arange(RATE // 6) / RATE
        for start in np.arange(0, seconds - 0.2, 60 / tempo):
            pitch = 220 * 2 ** (rng.integers(24) / 12)
            place = round(start * RATE)
            pluck = 0.4 * np.sin(2 * np.pi * pitch * time) * np.exp(-25 * time)
            wave[place : place + len(pluck)] += pluck[: len(wave) - place]
        return wave.astype(np.float32)


def test_text2music_counts_what_was_made(jury: Jury, tmp_path: Path) -> None:
    outcome = evaluate_text2music(Maker(), jury, 4, 1, 1, 1, 2.0)
    results = outcome.results
    assert results["speed"]["fast_measures_faster"] == 1
    assert results["seeds"]["same_seed_likeness"] > 0.99
    assert results["seeds"]["other_seeds_differ"]
    assert results["largest_length_error"] == 0
    assert results["silent"] == results["clipped"] == 0
    assert set(results["marks"]) == {
        "tempo", "tempo half or double", "tempo by librosa", "instrument", "mood in pairs",
    }  # fmt: skip
    assert results["marks"]["tempo"]["pieces"] == 4
    assert all({"chance", "swapped", "difference"} <= set(m) for m in results["marks"].values())
    assert results["marks"]["instrument"]["chance"] == 0.25
    assert results["marks"]["mood in pairs"]["chance"] == 0.5
    chart = outcome.charts[0].series
    assert list(chart) == ["generated", "true renderings", "for another's", "chance"]
    assert math.isnan(chart["chance"][list(results["marks"]).index("tempo half or double")])
    assert results["frechet"]["true_to_true_in_halves"] >= 0
    text = write(outcome, tmp_path)[1].read_text()
    assert "| fast measures faster (onset rate) | 100% (100% to 100%) |" in text
    assert "(text2music-1.png)" in text
    assert "| chance | for another's | difference (95 %) |" in text


def scenes(folder: Path) -> list[ImageRecord]:
    """Four pictures that want different music."""
    records = []
    for number, (instrument, mood, tempo) in enumerate(
        [("flute", "calm", 70.0), ("synth", "energetic", 140.0), ("cello", "dark", 76.0),
         ("banjo", "happy", 126.0)]
    ):  # fmt: skip
        wish = {"instrument": instrument, "mood": mood, "tempo": tempo, "style": "folk"}
        wish |= {"mode": "major", "metre": "4/4"}
        name = f"{number}.webp"
        (folder / name).write_bytes(b"picture")
        records.append(
            ImageRecord(name, "test", name, number, {}, "a scene", wish, full_caption(wish))
        )
    return records


def test_scenes_are_marked_by_the_rules_and_by_anothers(jury: Jury, tmp_path: Path) -> None:
    pictures = scenes(tmp_path)
    seeing = Maker({scene.path: scene.music_caption for scene in pictures})
    results = evaluate_scenes(seeing, jury, pictures, tmp_path, 2.0).results
    assert results["caption"]["instrument"]["right"] == 1
    assert results["caption"]["instrument"]["swapped"] == 0
    assert results["caption"]["mood"]["difference"] == 1
    assert "swapped" in results["marks"]["tempo"]
    assert results["marks"]["instrument"]["chance"] == 0.25
    assert {"swapped", "difference_interval"} <= set(results["moods"]["mood in pairs"])
    blind = Maker({scene.path: pictures[0].music_caption for scene in pictures})
    results = evaluate_scenes(blind, jury, pictures, tmp_path, 2.0).results
    assert results["caption"]["instrument"]["right"] == 0.25
    assert results["caption"]["style"]["difference"] == 0


def test_pairs_have_different_moods_and_nobody_twice() -> None:
    wishes = [{"mood": mood} for mood in ("calm", "calm", "sad", "dark", "calm", "sad", "happy")]
    pairs = mood_partners(wishes)
    flat = [place for pair in pairs for place in pair]
    assert len(flat) == len(set(flat)) >= 4
    assert all(wishes[a]["mood"] != wishes[b]["mood"] for a, b in pairs)


def test_what_a_caption_says() -> None:
    wish = {"instrument": "organ", "mood": "dark", "style": "rock", "tempo": 130.0}
    assert said("a fast dark rock piece with organ at 130 bpm", wish) == {
        "instrument": 1, "mood": 1, "style": 1, "tempo word": 1,
    }  # fmt: skip
    assert said(None, wish)["instrument"] == 0
    assert said("a slow organism", wish) == {
        "instrument": 0, "mood": 0, "style": 0, "tempo word": 0,
    }  # fmt: skip


def test_an_exact_editor_is_right(jury: Jury, tmp_path: Path) -> None:
    attributes = make_plan(3).attributes
    song = MusicRecord("s", "test", "s", "s.flac", 3.0, 3, "x", attributes, [])
    soundfile.write(tmp_path / "s.flac", Maker.plucks(100, 3.0, 1), RATE)
    outcome = evaluate_editing(Maker(), jury, [song], tmp_path)
    edits = outcome.results["edits"]
    assert len(edits) == 8
    for entry in edits.values():
        assert entry["duration_right"] == 1
        assert entry["pitch_right"] == 1
        # The answer went through a 16 bit file.
        assert entry["distance"] < 0.3 * entry["distance_unedited"]
    # Its soundfont, "x", is nowhere: it cannot be played part by part.
    assert outcome.results["parts"] == {}
    assert outcome.notes == [
        "Add, delete and replace are not measured on 1 of 1 songs: their soundfont is not installed."
    ]


def drummed_songs(count: int) -> list[MusicRecord]:
    """Short songs that can be played part by part; their files are not needed."""
    plans = [make_plan(seed, fixed={"seconds": 2.0}) for seed in range(20)]
    return [
        MusicRecord(f"s{plan.seed}", "test", "c", "", 2.0, plan.seed, FONT, plan.attributes, [])
        for plan in plans
        if plan.attributes.drums
    ][:count]


class Lazy(Maker):
    """A mumu that leaves the song as it was, and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, str] = {}

    def change(self, song: Path, text: str) -> NDArray[np.float32]:
        self.asked[song.stem] = text
        return super().change(song, text)


class Arranger(Maker):
    """A mumu whose changes of instruments are exact."""

    def __init__(self, songs: list[MusicRecord]) -> None:
        super().__init__()
        self.true = {f"{case.song.id}-{case.edit.operation}": case.true for case in cases(songs)}

    def change(self, song: Path, text: str) -> NDArray[np.float32]:
        return self.true[song.stem]


@pytest.mark.skipif(not (SOUNDFONT_FOLDER / FONT).is_file(), reason=f"{FONT} is not installed")
def test_changed_instruments_are_compared_with_the_true_edit(jury: Jury, tmp_path: Path) -> None:
    songs = drummed_songs(2)
    lazy = Lazy()
    outcomes = {}
    for name, mumu in (("lazy", lazy), ("exact", Arranger(songs))):
        outcomes[name] = Outcome(name, "", {})
        add_parts(outcomes[name], mumu, jury, songs)
    rows = outcomes["exact"].rows
    assert len(rows) == 6
    for row in rows:
        old, new = row["instrument"], row.get("new")
        text = {"add": f"^Add .*{old}$", "delete": f"^Delete the {old}$"}
        text["replace"] = f"^Replace the {old} by .*{new}$"
        assert re.match(text[row["edit"]], lazy.asked[f"{row['song']}-{row['edit']}"])
        song = next(song for song in songs if song.id == row["song"])
        assert (row["edit"] == "replace") == (song.attributes.instrument == old)
    exact, idle = (outcomes[name].results["parts"] for name in ("exact", "lazy"))
    assert list(exact) == ["add", "delete", "replace"]
    for kind, entry in exact.items():
        assert entry["pieces"] == 2
        # Both went through 16 bit files, the true edit again on its own.
        assert entry["distance"] < 0.05 * entry["distance_unedited"]
        assert entry["main_right"] == entry["main_right_of_exact"]
        assert entry["tempo_right"] == entry["tempo_right_of_exact"]
        assert entry["distance_of_another"] > entry["distance_unedited"] > 0
        assert idle[kind]["distance"] == pytest.approx(idle[kind]["distance_unedited"], rel=0.01)
        assert idle[kind]["main_right"] == idle[kind]["main_right_of_unedited"]
    assert not outcomes["exact"].notes
    shown = write(outcomes["exact"], tmp_path)[1].read_text()
    assert "Instruments added, deleted and replaced" in shown
    assert "| replace the main instrument | 2 |" in shown
    # One song has no other to be compared with.
    alone = Outcome("alone", "", {})
    add_parts(alone, Arranger(songs[:1]), jury, songs[:1])
    assert alone.results["parts"]["add"]["distance_of_another"] is None
    assert alone.tables[0].rows[0][-1] == "-"


def test_what_a_pack_never_learned_is_counted(jury: Jury) -> None:
    songs = drummed_songs(1)

    class Modest(Lazy):
        code = "cannot_do"

        def ask(self, command: str, text: str = "", *given: Any, **named: Any) -> Answer:
            if text.startswith("Delete"):
                raise RequestFailed("I never learned that.", self.code)
            return super().ask(command, text, *given, **named)

    outcome = Outcome("modest", "", {})
    add_parts(outcome, Modest(), jury, songs)
    assert list(outcome.results["parts"]) == ["add", "replace"]
    assert outcome.results["refused"] == {"delete": 1}
    assert outcome.notes == [
        "Refused 1 times: delete an instrument, the first as follows. I never learned that."
    ]
    broken = Modest()
    broken.code = "internal"
    with pytest.raises(RequestFailed, match="never learned"):
        add_parts(Outcome("broken", "", {}), broken, jury, songs)


def test_an_answer_without_music_is_said(jury: Jury, tmp_path: Path) -> None:
    class Refuser(Maker):
        def ask(self, *given: Any, **named: Any) -> Answer:
            return Answer("I would rather not.", [], 1, {}, None, "c")

    with pytest.raises(RequestFailed, match="rather not"):
        evaluate_scenes(Refuser(), jury, scenes(tmp_path), tmp_path, 2.0)


def test_the_codec_of_the_shipped_checkpoint_is_measured(jury: Jury, tmp_path: Path) -> None:
    attributes = make_plan(3).attributes
    soundfile.write(tmp_path / "s.flac", 0.5 * Maker.plucks(100, 2.0, 1), RATE)
    song = MusicRecord("s", "test", "s", "s.flac", 2.0, 3, "x", attributes, [])
    codec = checkpoint_codec(Path(__file__).resolve().parents[2] / "models" / "mini")
    outcome = evaluate_codec(codec, jury, [song], tmp_path)
    found = outcome.results["measures"]
    assert 0 < found["lsd_db"]["mean"] < 20
    assert 0 <= found["onset_f1"]["mean"] <= 1
    assert {"tempo", "instrument", "mode", "mood"} <= set(outcome.results["marks"])
    assert "What it costs the judge" in outcome.markdown()


def test_every_suite_has_its_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in SUITES:
        options = ["--server", "x", "--out", "o", "--judge", "j", "--data", "d"]
        if name in ("qa", "caption", "speed", "recordings"):
            options = [word for word in options if word not in ("--judge", "j")]
        if name in ("text2music", "speed", "recordings"):
            options = [word for word in options if word not in ("--data", "d")]
        if name == "recordings":
            options += ["--files", "f"]
        assert parser().parse_args([name, *options]).command == name
    nobody = "http://127.0.0.1:9"
    assert main(["qa", "--server", nobody, "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "evaluation: " in capsys.readouterr().err
    suite = ["evaluate", "--suite", "qa", "--server", nobody, "--data", str(tmp_path)]
    assert training([*suite, "--out", str(tmp_path)]) == 2
    assert "evaluation: " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        training(["evaluate", "--suite", "nonsense"])
    assert "invalid choice: 'nonsense'" in capsys.readouterr().err
