"""Pairs of songs before and after a change: what is heard is what the manifest says."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from mumu_training.data import vocabulary as words
from mumu_training.data.composer import Piece, compose
from mumu_training.data.dataset import (
    KEPT_SEEDS,
    SOUNDFONT_FOLDER,
    SOUNDFONTS,
)
from mumu_training.data.edits import PairJob, edit_id, generate, main, make_pair, render_edit
from mumu_training.data.edits_plan import (
    CENTS,
    FACTORS,
    OPERATIONS,
    SongEdit,
    attributes_of,
    choose_edit,
    possible_edits,
)
from mumu_training.data.edits_sound import PARTS, Band, instruments_of, mixed, notes_of, stretched
from mumu_training.data.edits_words import full_words, instructions, plain_instruction
from mumu_training.data.manifest import (
    MANIFEST_NAME,
    SAMPLE_RATE,
    EditRecord,
    append_records,
    read_edits,
    read_manifest,
    read_music,
    split_of,
)
from mumu_training.data.music import SongJob, make_song, song_id, song_seed
from mumu_training.data.render import Audio, Renderer, loudness

needs_soundfonts = pytest.mark.skipif(
    not all((SOUNDFONT_FOLDER / name).is_file() for name in SOUNDFONTS),
    reason="the General MIDI soundfonts are not installed",
)
FULL = {"style": "rock", "instrument": "flute", "drums": True, "seconds": 3.0, "mood": "dark"}


@pytest.fixture(scope="module")
def piece() -> Piece:
    """Three seconds with at least a melody, an accompaniment, a bass and drums."""
    pieces = (compose(seed, fixed=FULL) for seed in range(20, 40))
    return next(
        piece
        for piece in pieces
        if {"melody", "accompaniment", "bass", "drums"} <= set(instruments_of(piece))
    )


@pytest.fixture(scope="module")
def band(piece: Piece) -> Band:
    return Band(piece, Renderer(SOUNDFONT_FOLDER / "TimGM6mb.sf2"))


def tone(frequency: float, seconds: float = 3.0) -> Audio:
    """A steady tone with two overtones."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    waves = [np.sin(2 * np.pi * frequency * k * time) / k for k in (1, 2, 3)]
    return np.asarray(0.3 * np.sum(waves, axis=0), dtype=np.float32)


def pitch_of(audio: Audio) -> float:
    """Frequency of the strongest partial, to a hundredth of a Hz or so."""
    middle = audio[SAMPLE_RATE // 5 : -SAMPLE_RATE // 5]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size), 1 << 21))
    return float(np.argmax(spectrum) * SAMPLE_RATE / (1 << 21))


def in_16_bit(audio: Audio, band: Band, *songs: Audio) -> NDArray[np.int32]:
    """A part at the level of a pair whose songs, before they were brought to 16 bit, are given."""
    rng = np.random.default_rng([band.piece.plan.seed, 23])
    peak = 10 ** (rng.uniform(-12.0, -0.5) / 20)
    loudest = max(float(np.abs(song).max()) for song in songs)
    return np.asarray(np.rint(audio * (peak * 32767 / loudest)), dtype=np.int32)


@pytest.mark.parametrize("factor", FACTORS)
def test_a_stretched_tone_has_its_duration_and_its_pitch(factor: float) -> None:
    song = tone(440.0)
    made = stretched(song, duration=factor)
    assert len(made) / len(song) == pytest.approx(factor, rel=1e-4)
    # Not by silence at the end: it sounds until the last hundredth of a second.
    assert np.abs(made[-SAMPLE_RATE // 50 :]).max() > 0.1
    assert 1200 * np.log2(pitch_of(made) / 440.0) == pytest.approx(0, abs=10)


@pytest.mark.parametrize("cents", CENTS)
def test_a_shifted_tone_has_its_pitch_and_its_duration(cents: float) -> None:
    song = tone(440.0)
    made = stretched(song, cents=cents)
    assert len(made) == len(song)
    assert 1200 * np.log2(pitch_of(made) / 440.0) == pytest.approx(cents, abs=10)


def test_nothing_changed_is_the_same_sound() -> None:
    song = tone(200.0, 0.5)
    assert np.array_equal(stretched(song), song)


def one_note(program: int) -> bytes:
    """A score of a single A above middle C, three seconds long."""
    track = mido.MidiTrack([mido.Message("program_change", program=program)])
    track.append(mido.Message("note_on", note=69, velocity=90, time=0))
    track.append(mido.Message("note_off", note=69, time=480 * 6))
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(track)
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


@needs_soundfonts
@pytest.mark.parametrize(("factor", "cents"), [(1.0, -200.0), (1.0, 100.0), (0.7, 0.0), (1.5, 0.0)])
def test_a_rendered_note_is_changed_by_what_was_asked(factor: float, cents: float) -> None:
    renderer = Renderer(SOUNDFONT_FOLDER / "TimGM6mb.sf2")
    clarinet = words.INSTRUMENTS["clarinet"].program
    note = renderer.render(one_note(0), 3.0, {0}, {0: clarinet})
    assert np.array_equal(
        note, Renderer(SOUNDFONT_FOLDER / "TimGM6mb.sf2").render(one_note(clarinet), 3.0)
    )
    made = stretched(note, factor, cents)
    assert len(made) / len(note) == pytest.approx(factor, rel=0.01)
    assert 1200 * np.log2(pitch_of(made) / pitch_of(note)) == pytest.approx(cents, abs=10)


@needs_soundfonts
def test_a_deleted_part_is_the_whole_difference(band: Band) -> None:
    drums = instruments_of(band.piece)["drums"]
    before, after = render_edit(band, SongEdit("delete", part="drums", instrument=drums))
    rest = mixed({part: audio for part, audio in band.parts.items() if part != "drums"})
    stem = in_16_bit(band.parts["drums"], band, mixed(band.parts), rest)
    assert np.array_equal(before.astype(np.int32) - after, stem)
    assert np.abs(stem).max() > 100
    # Added, it is the same pair the other way round.
    without, whole = render_edit(band, SongEdit("add", part="drums", instrument=drums))
    assert np.array_equal(without, after)
    assert np.array_equal(whole, before)


@needs_soundfonts
def test_a_replaced_part_is_all_that_changes(band: Band, monkeypatch: pytest.MonkeyPatch) -> None:
    violin = band.instead("melody", "violin")
    # Played again, FluidSynth's dither would differ: the same sound is to be found in the song.
    monkeypatch.setattr(band, "instead", lambda part, new: violin)
    edit = SongEdit("replace", part="melody", instrument="flute", new="violin")
    before, after = render_edit(band, edit)
    flute = band.parts["melody"]
    songs = (mixed(band.parts), mixed({**band.parts, "melody": violin}))
    changed = in_16_bit(flute, band, *songs) - in_16_bit(violin, band, *songs)
    assert np.array_equal(before.astype(np.int32) - after, changed)
    # As loud as it was, and not the same sound.
    assert loudness(violin) == pytest.approx(loudness(flute), abs=1.5)
    assert np.corrcoef(flute, violin)[0, 1] < 0.9


@needs_soundfonts
@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_clips_and_nothing_is_silent(band: Band, operation: str) -> None:
    edit = next(
        edit
        for name in OPERATIONS
        if name == operation
        for edit in possible_edits(band.piece, name)
    )
    before, after = render_edit(band, edit)
    for song in (before, after):
        assert song.dtype == np.int16
        assert np.abs(song.astype(np.int32)).max() < 32767 * 10 ** (-0.4 / 20)
        assert np.sqrt(np.mean(np.square(song / 32768))) > 0.005
    ratio = edit.factor if operation == "duration" else 1.0
    assert len(after) / len(before) == pytest.approx(ratio, rel=0.01)


def test_changes_suit_the_piece_and_are_told_truly() -> None:
    drawn: Counter[str] = Counter()
    for seed in range(150):
        piece = compose(seed, 3.0)
        whole = piece.plan.attributes
        edit = choose_edit(piece, np.random.default_rng([seed, 20]))
        assert edit is not None
        drawn[edit.operation] += 1
        before, after = attributes_of(piece, edit)
        low, high = words.TEMPO_RANGE
        assert low <= after.tempo <= high
        assert after.tempo == pytest.approx(before.tempo / edit.factor, abs=0.01)
        changed = {name for name, value in asdict(before).items() if asdict(after)[name] != value}
        if edit.operation == "duration":
            assert edit.factor in FACTORS
            assert "tempo" in changed <= {"tempo", "energy"}
        elif edit.operation == "pitch":
            steps = words.KEYS.index(after.key) - words.KEYS.index(before.key)
            assert (100 * steps - edit.cents) % 1200 == 0
            assert changed == {"key"}
        elif edit.operation == "replace":
            assert changed <= {"instrument", "family", "instruments"}
            assert edit.instrument in before.instruments
            assert edit.instrument not in after.instruments
            assert (after.instrument == edit.new) == (edit.part == "melody")
            assert len(after.instruments) == len(before.instruments)
            assert edit.new in after.instruments
            if edit.new in words.INSTRUMENTS:
                voice = words.INSTRUMENTS[edit.new]
                notes = notes_of(piece.midi, PARTS[edit.part])
                assert voice.low <= min(notes) <= max(notes) <= voice.high
                assert voice.chords or edit.part == "melody"
        else:
            fewer, more = (before, after) if edit.operation == "add" else (after, before)
            assert more == whole
            assert [n for n in more.instruments if n != edit.instrument] == fewer.instruments
            assert fewer.instrument == whole.instrument
            assert fewer.drums == (whole.drums and edit.instrument != "drums")
        assert full_words(before) != full_words(after)
        for name in after.instruments:
            assert name in full_words(after)
    # Rare only because a solo piece has no part to name.
    assert all(drawn[operation] > 15 for operation in OPERATIONS)


def test_every_change_has_several_wordings_and_a_plain_one() -> None:
    edits = [SongEdit("duration", factor=factor) for factor in FACTORS]
    edits += [SongEdit("pitch", cents=cents) for cents in CENTS]
    edits += [SongEdit("add", part="drums", instrument="drums")]
    edits += [SongEdit("delete", part="bass", instrument="electric bass")]
    edits += [SongEdit("replace", part="melody", instrument="organ", new="strings")]
    plain = [plain_instruction(edit) for edit in edits]
    assert len(set(plain)) == len(edits)
    assert plain[-3:] == ["Add drums", "Delete the electric bass", "Replace the organ by strings"]
    for edit in edits:
        said = instructions(edit, np.random.default_rng(1), 4)
        assert len(set(said)) == 4
        assert not any("{" in text for text in said)
        assert said == instructions(edit, np.random.default_rng(1), 4)
        named = [name for name in (edit.instrument, edit.new) if name]
        assert all(name in text.lower() for text in said for name in named)
    assert len(instructions(edits[0], np.random.default_rng(2), 99)) > 6


@needs_soundfonts
def test_a_seed_gives_the_same_files_and_the_split_of_its_song(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    jobs = [PairJob(str(out), 5, 8, 2.0, str(SOUNDFONT_FOLDER)) for out in folders]
    first = make_pair(jobs[0])
    # Whatever was played between does not matter.
    make_pair(PairJob(str(folders[1]), 5, 2, 2.0, str(SOUNDFONT_FOLDER)))
    assert make_pair(jobs[1]) == first
    for path in (first.path, first.source_path):
        assert (folders[0] / path).read_bytes() == (folders[1] / path).read_bytes()
        info = soundfile.info(folders[0] / path)
        assert (info.samplerate, info.channels, info.subtype) == (SAMPLE_RATE, 1, "PCM_16")
    assert not list(folders[0].rglob("*.part"))
    song = make_song(SongJob(str(tmp_path), 5, 8, 2.0, str(SOUNDFONT_FOLDER)))
    assert (first.split, first.composition) == (song.split, song.composition)
    assert first.split == split_of(8) == "test"
    assert (first.seed, first.soundfont) == (song.seed, song.soundfont)
    assert first.source_seconds == song.seconds
    # One manifest takes both kinds, and neither is taken for the other.
    append_records(tmp_path, [first, song])
    assert read_edits(tmp_path) == [first]
    assert read_edits(tmp_path, "train") == []
    assert read_manifest(tmp_path) == [song]


@needs_soundfonts
def test_the_command_writes_pairs_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--out", str(tmp_path), "--seed", "5", "--workers", "1", "--seconds", "2"]
    assert main([*common, "--count", "2"]) == 0
    records = read_edits(tmp_path)
    assert sorted(record.id for record in records) == ["e5-000000", "e5-000001"]
    made = {record.path: (tmp_path / record.path).stat().st_mtime_ns for record in records}
    with pytest.raises(SystemExit):
        main([*common, "--count", "3"])
    assert "already has 2 pairs: add --resume" in capsys.readouterr().err
    lost = tmp_path / next(r for r in records if r.id == "e5-000001").source_path
    lost.unlink()
    assert main([*common, "--count", "3", "--resume"]) == 0
    records = read_edits(tmp_path)
    assert sorted(record.id for record in records) == ["e5-000000", "e5-000001", "e5-000002"]
    assert lost.is_file()
    kept = next(record.path for record in records if record.id == "e5-000000")
    assert (tmp_path / kept).stat().st_mtime_ns == made[kept]
    for record in records:
        assert record.seed == song_seed(5, int(record.id[-6:]))
        assert record.composition == song_id(5, int(record.id[-6:]))
        for path, seconds in (
            (record.path, record.seconds),
            (record.source_path, record.source_seconds),
        ):
            assert soundfile.info(tmp_path / path).duration == pytest.approx(seconds, abs=1e-3)
        assert 2 <= len(record.instructions) <= 4
    assert read_music(tmp_path) == []


def test_an_incomplete_row_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text(json.dumps({"kind": "edit", "id": "e1-000000"}) + "\n")
    assert read_manifest(tmp_path) == []
    with pytest.raises(ValueError, match=r"line 1: Incomplete edit row 'e1-000000'"):
        read_edits(tmp_path)


def test_what_cannot_be_done_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in KEPT_SEEDS:
        with pytest.raises(ValueError, match=f"Seed {seed} is kept for"):
            generate(tmp_path, 1, 3.0, seed, 1, SOUNDFONT_FOLDER, False)
    with pytest.raises(FileNotFoundError, match="No soundfont"):
        generate(tmp_path, 1, 3.0, 1, 1, tmp_path, False)
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path), "--count", "0"])
    assert "--count" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert edit_id(1, 42) == "e1-000042"
    assert "path" in EditRecord.__dataclass_fields__
