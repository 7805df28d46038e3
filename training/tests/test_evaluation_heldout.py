"""The evaluation set: never heard, never seen, and refused where it overlaps."""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path

import mido
import numpy as np
import pytest

from mumu_training.data.composer import PERCUSSION, compose
from mumu_training.data.manifest import read_manifest
from mumu_training.data.music import SOUNDFONT_FOLDER, SongJob, generate, make_song
from mumu_training.data.scenes import draw_dataset
from mumu_training.evaluation import heldout
from mumu_training.evaluation.fingerprints import (
    picture_fingerprint,
    score_fingerprint,
    song_fingerprint,
)
from mumu_training.evaluation.heldout import make_held_out, new_songs

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


def test_different_compositions_differ() -> None:
    marks = {score_fingerprint(compose(seed, 8.0).midi) for seed in range(40)}
    assert len(marks) == 40


def test_numbers_with_known_melodies_are_passed_over() -> None:
    free = list(islice(new_songs(set(), 777, 3, 8.0), 3))
    assert free == [0, 1, 2]
    known = {score_fingerprint(compose(777_000_001, 8.0).midi)}
    assert list(new_songs(known, 777, 3, 8.0)) == [0, 2, 3]
    assert len(known) == 4


def test_pictures_are_told_apart_and_known_again() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 250, (64, 64, 1)).astype(np.uint8)
    picture = np.repeat(grey, 3, axis=2)
    assert len(picture_fingerprint(picture)) == 64
    assert picture_fingerprint(picture) == picture_fingerprint(picture.copy())
    assert picture_fingerprint(picture) != picture_fingerprint(picture[:, ::-1].copy())


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
