"""The evaluation set: never heard, never seen, and refused where it overlaps."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import mido
import numpy as np
import pytest

from mumu_training.data.composer import PERCUSSION, compose
from mumu_training.data.composer_plan import make_plan
from mumu_training.data.dataset import SOUNDFONT_FOLDER
from mumu_training.data.edits import PairJob, make_pair
from mumu_training.data.manifest import (
    ImageRecord,
    MusicRecord,
    Record,
    append_records,
    read_manifest,
)
from mumu_training.data.music import SongJob, generate, make_song
from mumu_training.data.scenes import draw_dataset
from mumu_training.evaluation import fingerprints as marking
from mumu_training.evaluation import heldout
from mumu_training.evaluation.fingerprints import (
    NEAR_BITS,
    Fingerprints,
    Known,
    NearMarks,
    picture_fingerprint,
    score_fingerprint,
    song_fingerprint,
)
from mumu_training.evaluation.heldout import make_held_out, new_scenes, new_songs

# Any font that is not one of training will do here; the evaluation's own is larger.
FONT = next(
    (
        path
        for path in (Path("/usr/share/sounds/sf2/sf_GMbank.sf2"), heldout.HELD_OUT_SOUNDFONT)
        if path.is_file()
    ),
    None,
)
needs_font = pytest.mark.skipif(FONT is None, reason="no soundfont but those of training")


def varied(midi: bytes) -> bytes:
    """The score a third higher, faster, on another instrument, and begun later."""
    file = mido.MidiFile(file=io.BytesIO(midi))
    for track in file.tracks:
        for place, message in enumerate(track):
            if message.type in ("note_on", "note_off") and message.channel != PERCUSSION:
                track[place] = message.copy(note=message.note + 4)
            elif message.type == "program_change":
                track[place] = message.copy(program=40)
            elif message.type == "set_tempo":
                track[place] = message.copy(tempo=message.tempo * 3 // 4)
        track.insert(0, mido.MetaMessage("text", text="late", time=100))
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def test_a_tune_is_known_again_in_another_key_tempo_and_instrument() -> None:
    midi = compose(11, 8.0).midi
    assert varied(midi) != midi
    assert score_fingerprint(varied(midi)) == score_fingerprint(midi)
    assert score_fingerprint(compose(12, 8.0).midi) != score_fingerprint(midi)


@pytest.mark.skipif(not (SOUNDFONT_FOLDER / "TimGM6mb.sf2").is_file(), reason="no soundfont")
def test_the_tunes_of_pairs_are_known(tmp_path: Path) -> None:
    pairs, songs = tmp_path / "pairs", tmp_path / "songs"
    pairs.mkdir()
    job = PairJob(str(pairs), 5, 3, 4.0, str(SOUNDFONT_FOLDER))
    pair = make_pair(job)
    append_records(pairs, [pair])
    song = make_song(SongJob(str(songs), 5, 3, 4.0, str(SOUNDFONT_FOLDER)))
    assert song_fingerprint(pair.source_song()) == song_fingerprint(song)
    font = tmp_path / "other.sf2"
    font.touch()
    with pytest.raises(ValueError, match="Seed 5 made a training set"):
        make_held_out(tmp_path / "out", [pairs], 1, 0, 0, soundfont=font, seed=5)
    known, seen = Known(), Fingerprints(tmp_path / "marks.json")
    seen.learn(known, [pair.source_song()], pairs)
    numbers = list(islice(new_songs(known.music, 5, 4, 4.0), 4))
    assert numbers == [0, 1, 2, 4]


def test_different_compositions_differ() -> None:
    marks = {score_fingerprint(compose(seed, 8.0).midi) for seed in range(40)}
    assert len(marks) == 40


def test_numbers_with_known_melodies_are_passed_over() -> None:
    free = list(islice(new_songs(set(), 777, 3, 8.0), 3))
    assert free == [0, 1, 2]
    known = {score_fingerprint(compose(777_000_001, 8.0).midi)}
    assert list(new_songs(known, 777, 3, 8.0)) == [0, 2, 3]
    assert len(known) == 4
    # What is there already is neither composed again nor counted.
    there = {"s777-000000", "s777-000002"}
    assert list(new_songs(known, 777, 1, 8.0, there)) == [4]


def test_pictures_are_told_apart_and_known_again() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 250, (64, 64, 1)).astype(np.uint8)
    picture = np.repeat(grey, 3, axis=2)
    assert len(picture_fingerprint(picture)) == 64
    assert picture_fingerprint(picture) == picture_fingerprint(picture.copy())
    assert picture_fingerprint(picture) != picture_fingerprint(picture[:, ::-1].copy())


def test_marks_are_near_up_to_a_few_bits_a_picture() -> None:
    mark = 0x5A << 200
    marks = NearMarks([f"{mark:064x}"])
    assert f"{mark ^ (1 << NEAR_BITS) - 1:064x}" in marks
    assert f"{mark ^ (1 << NEAR_BITS + 1) - 1:064x}" not in marks
    clip = f"{mark:064x}-{0:064x}-{mark:064x}"
    clips = NearMarks([clip])
    assert f"{mark:064x}-{(1 << 3 * NEAR_BITS) - 1:064x}-{mark:064x}" in clips
    assert f"{mark:064x}-{(1 << 3 * NEAR_BITS + 1) - 1:064x}-{mark:064x}" not in clips


@pytest.mark.parametrize("moving", [False, True])
def test_a_scene_stored_in_a_training_set_is_refused(tmp_path: Path, moving: bool) -> None:
    training, out = tmp_path / "training", tmp_path / "heldout"
    list(draw_dataset(training, 0 if moving else 6, 2 if moving else 0, 5, 1, False))
    trained = read_manifest(training)
    known = Known()
    Fingerprints(tmp_path / "marks.json").learn(known, trained, training)
    # The same seed: the first numbers are the training set's own scenes.
    marks = known.video if moving else known.image
    assert len(marks) == len(trained)
    free = list(new_scenes(marks, out, 5, 2, moving))
    assert [scene.seed for scene in free] == [5_000_000 + len(trained) + i for i in (0, 1)]
    assert len([path for path in out.rglob("*") if path.is_file()]) == 2


def test_fingerprints_follow_the_data_and_are_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    real = marking.record_fingerprint

    def counted(record: Record, folder: Path) -> str:
        made.append(record.id)
        return real(record, folder)

    monkeypatch.setattr(marking, "record_fingerprint", counted)
    attributes = make_plan(3).attributes

    def song(seed: int) -> MusicRecord:
        # One id for all: only the content tells them apart.
        return MusicRecord("s", "train", "s", "s.flac", 4.0, seed, "x.sf2", attributes, [])

    def learnt(seeds: list[int]) -> set[str]:
        known = Known()
        Fingerprints(tmp_path / "marks.json").learn(known, map(song, seeds), tmp_path)
        return known.music

    first = learnt([1_000_001, 1_000_002])
    assert len(made) == 2
    assert learnt([1_000_001, 1_000_002]) == first
    assert len(made) == 2
    # As many, of other seeds: none of the old marks stands for them.
    assert not learnt([2_000_001, 2_000_002]) & first
    assert len(made) == 4
    assert learnt([1_000_001, 1_000_002, 1_000_003]) > first
    assert len(made) == 5
    # A file of the earlier form says not whose its marks are.
    old = {"sizes": {str(tmp_path): 2}, "fingerprints": {"music": ["0"], "image": [], "video": []}}
    (tmp_path / "marks.json").write_text(json.dumps(old))
    assert learnt([1_000_001, 1_000_002]) == first


@needs_font
def test_what_a_training_set_has_since_is_dropped_and_replaced(tmp_path: Path) -> None:
    training, out = tmp_path / "training", tmp_path / "heldout"
    assert FONT is not None
    for seed in (3, 777):
        make_held_out(out, [], 1, 1, 1, 2.0, FONT, seed)
    generate(training, 1, 2.0, 3, 1, SOUNDFONT_FOLDER, False)
    list(draw_dataset(training, 1, 1, 3, 1, False))
    held = {record.id: record for record in read_manifest(out)}
    picture = held["scene-777000000"]
    assert isinstance(picture, ImageRecord)
    shutil.copy(out / picture.path, training / "images" / "taken.webp")
    append_records(training, [replace(picture, id="taken", path="images/taken.webp", seed=5)])
    lines: list[str] = []
    counts = make_held_out(out, [training], 1, 1, 1, 2.0, FONT, report=lines.append)
    assert counts == {"music": 1, "image": 1, "video": 1}
    left = {record.id: record for record in read_manifest(out)}
    assert set(left) == {"s777-000000", "clip-777000000", "scene-777000001"}
    said = sorted(line.split()[0] for line in lines if "dropped" in line)
    assert said == ["clip-3000000", "s3-000000", "scene-3000000", "scene-777000000"]
    assert left["s777-000000"] == held["s777-000000"]
    files = {path.relative_to(out) for path in out.rglob("*") if path.is_file()}
    kept = {Path("manifest.jsonl"), Path("fingerprints.json")}
    assert files == kept | {Path(record.path) for record in left.values()}


@needs_font
def test_the_set_is_whole_all_test_and_apart_from_training(tmp_path: Path) -> None:
    training, out = tmp_path / "training", tmp_path / "heldout"
    assert FONT is not None
    generate(training, 2, 2.0, 1, 1, SOUNDFONT_FOLDER, False)
    list(draw_dataset(training, 2, 1, 1, 1, False))
    counts = make_held_out(out, [training], 2, 2, 1, 2.0, FONT)
    assert counts == {"music": 2, "image": 2, "video": 1}
    records = read_manifest(out)
    assert {record.split for record in records} == {"test"}
    assert all((out / record.path).stat().st_size > 500 for record in records)
    assert next(r.path for r in records if r.kind == "video").endswith(".mp4")
    assert {r.soundfont for r in records if r.kind == "music"} == {FONT.name}
    # Again: nothing is made twice.
    assert make_held_out(out, [training], 2, 2, 1, 2.0, FONT) == counts
    assert read_manifest(out) == records
    assert len((out / "manifest.jsonl").read_text().splitlines()) == 5
    with pytest.raises(ValueError, match="evaluation needs another"):
        make_held_out(out, [training], 1, 0, 0, 2.0, FONT, seed=1)
    with pytest.raises(ValueError, match="evaluation needs another"):
        make_held_out(out, [training], 1, 0, 0, 2.0, SOUNDFONT_FOLDER / "TimGM6mb.sf2")


@needs_font
def test_a_songs_fingerprint_is_found_again_from_its_record(tmp_path: Path) -> None:
    record = make_song(SongJob(str(tmp_path), 3, 7, 2.5, "", str(FONT)))
    midi = compose(record.seed, 2.5).midi
    assert song_fingerprint(record) == score_fingerprint(midi)
