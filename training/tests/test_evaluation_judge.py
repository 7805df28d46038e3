"""The judge: what it looks at is right, it learns, and a run cut short ends as one that was not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mumu_training.data.composer_plan import make_plan
from mumu_training.data.vocabulary import INSTRUMENTS, KEYS, MOODS
from mumu_training.judge.data import make_songs, read_songs
from mumu_training.judge.features import LAG_TEMPI, NOTES, RATE, Features, Floats, extract
from mumu_training.judge.model import TEMPI, Judge, key_index, read_tempo_logits, tempo_target
from mumu_training.judge.train import Song, load_judge, train


def clicks(per_minute: float, pitch: float = 440.0) -> Floats:
    time = np.arange(RATE // 8) / RATE
    pluck = 0.5 * np.sin(2 * np.pi * pitch * time) * np.exp(-time * 25)
    wave = np.random.default_rng(1).normal(0, 1e-3, 8 * RATE)
    for start in np.arange(0, 7.5, 60 / per_minute):
        place = round(start * RATE)
        wave[place : place + len(pluck)] += pluck
    return wave.astype(np.float32)


@pytest.mark.parametrize("tempo", [75.0, 110.0, 168.0])
def test_periodicities_peak_at_the_tempo(tempo: float) -> None:
    rhythm = extract(clicks(tempo)).rhythm.mean(axis=0)
    near = np.abs(LAG_TEMPI / tempo - 1) < 0.03
    between = np.abs(LAG_TEMPI / (tempo * 1.3) - 1) < 0.03
    assert rhythm[near].max() > 0.5
    assert rhythm[near].max() > 3 * rhythm[between].max()


def test_the_note_profile_has_the_note_played() -> None:
    notes = extract(clicks(120, 440 * 2 ** (3 / 12))).notes
    assert NOTES[int(notes.argmax())] == 72
    assert notes.sum() == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match="second"):
        extract(np.zeros(100, np.float32))


def test_tempo_is_written_and_read_back() -> None:
    asked = torch.tensor([61.0, 100.0, 183.0])
    assert torch.allclose(read_tempo_logits(tempo_target(asked).log()), asked, rtol=0.012)
    assert TEMPI[-1] > 185


def test_a_profile_finds_any_key() -> None:
    model = Judge(4)
    triads = {"major": (0, 4, 7), "minor": (0, 3, 7)}
    with torch.no_grad():
        model.profiles.fill_(-1.0)
        for place, tones in enumerate(triads.values()):
            model.profiles[place, :, list(tones)] = 1.0
            model.profiles[place, :, 0] = 1.5
    for mode, tones in triads.items():
        for tonic in (0, 5, 11):
            notes = torch.zeros(1, len(NOTES))
            for tone in tones:
                notes[0, (tonic + tone) % 12] = 1.0
                notes[0, 36 + (tonic + tone) % 12] = 1.0
            assert int(model._key(notes).argmax()) == key_index(KEYS[tonic], mode)


def learnable(count: int) -> list[Song]:
    """Made-up features that give instrument, mood, key and tempo away."""
    songs = []
    for number in range(count):
        rng = np.random.default_rng(number)
        attributes = replace(
            make_plan(number).attributes,
            instrument=list(INSTRUMENTS)[number % 3],
            mood=MOODS[number % 2],
            tempo=80.0 if number % 2 else 140.0,
        )
        mel = rng.normal(0, 0.2, (300, 64)).astype(np.float32)
        mel[:, 20 * (number % 3) : 20 * (number % 3) + 12] += 1
        rhythm = rng.normal(0, 0.05, (8, 126)).astype(np.float32)
        rhythm[:, np.abs(LAG_TEMPI / attributes.tempo - 1) < 0.03] = 1
        notes = np.full(60, 0.1, np.float32)
        notes[KEYS.index(attributes.key) :: 12] = 1.0
        songs.append((Features(mel, rhythm, notes / notes.sum()), attributes))
    return songs


def test_it_learns_and_is_read_back(tmp_path: Path) -> None:
    measures = train(learnable(96), tmp_path, epochs=8, width=4)
    assert measures["instrument"]["right"] > 0.8
    assert measures["tempo"]["right"] > 0.8
    judge = load_judge(tmp_path)
    assert judge.measures["tested"] == measures["tested"]
    assert (tmp_path / "judge.pt").stat().st_size < 1_000_000
    features, truth = learnable(4)[3]
    tags = judge.tags(features)
    assert tags.instrument == truth.instrument
    assert tags.tempo == pytest.approx(truth.tempo, rel=0.08)
    assert set(tags.moods) == set(MOODS)
    assert judge.embed(features).shape == (96,)


def test_a_run_cut_short_ends_as_one_that_was_not(tmp_path: Path) -> None:
    songs = learnable(40)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(songs, whole, epochs=3, width=4)
    train(songs, cut, epochs=3, minutes=1e-6, width=4)
    stopped = torch.load(cut / "training.pt", weights_only=True)
    assert stopped["epoch"] == 1
    train(songs, cut, epochs=3, width=4)
    ours = torch.load(cut / "judge.pt", weights_only=True)["model"]
    theirs = torch.load(whole / "judge.pt", weights_only=True)["model"]
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_no_judge_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"mumu_training\.judge"):
        load_judge(tmp_path)
    with pytest.raises(ValueError, match="too few"):
        train(learnable(3), tmp_path)


FONTS = Path("/usr/share/sounds")
SMALL = "sf2/sf_GMbank.sf2"


@pytest.mark.skipif(not (FONTS / SMALL).is_file(), reason="csound-soundfont is not installed")
def test_songs_are_rendered_once_and_never_by_a_packs_soundfont(tmp_path: Path) -> None:
    make_songs(tmp_path, 1, FONTS, soundfonts={SMALL: 1.0})
    first = (tmp_path / "features" / "000000.npz").stat().st_mtime_ns
    make_songs(tmp_path, 2, FONTS, soundfonts={SMALL: 1.0})
    assert (tmp_path / "features" / "000000.npz").stat().st_mtime_ns == first
    songs = read_songs(tmp_path, 2)
    assert len(songs) == 2
    assert songs[0][0].mel.shape[1] == 64
    assert songs[0][1].instrument in INSTRUMENTS
    with pytest.raises(ValueError, match="plays training songs"):
        make_songs(tmp_path, 3, FONTS, soundfonts={"sf2/TimGM6mb.sf2": 1.0})
    with pytest.raises(FileNotFoundError):
        make_songs(tmp_path, 3, FONTS, soundfonts={"sf2/none.sf2": 1.0})
