"""Composing: determinism, timing, harmony, captions and the manifest. No audio is rendered here."""

import io
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import mido
import numpy as np
import pytest

from mumu_training.data import vocabulary as words
from mumu_training.data.composer import MELODY, PERCUSSION, Piece, compose
from mumu_training.data.composer_harmony import CADENCES, PROGRESSIONS
from mumu_training.data.composer_patterns import (
    BASS,
    BEATS_A_BAR,
    COMP,
    DRUMS,
    FILLS,
    STEPS_A_BEAT,
)
from mumu_training.data.composer_plan import STYLES, make_plan
from mumu_training.data.dataset import EXAMPLE_SEED, HELD_OUT_SEED
from mumu_training.data.manifest import (
    MusicRecord,
    append_records,
    read_manifest,
    read_music,
    record_from_json,
    split_of,
)
from mumu_training.data.music import main, song_seed
from mumu_training.data.music_captions import full_caption, music_caption, music_captions
from mumu_training.data.theory import key_pitch_class, parse_chord, scale_notes, voice_chord


def onsets(piece: Piece, channel: int) -> list[tuple[float, int]]:
    """Times in seconds and pitches of a channel's notes, as any MIDI player would find them."""
    now, found = 0.0, []
    for message in mido.MidiFile(file=io.BytesIO(piece.midi)):
        now += message.time
        if message.type == "note_on" and message.channel == channel:
            found.append((now, message.note))
    return found


def test_a_seed_gives_the_same_score_and_another_seed_another() -> None:
    assert compose(7).midi == compose(7).midi
    assert compose(7).plan == compose(7).plan
    assert len({compose(seed).midi for seed in range(20)}) == 20


@pytest.mark.parametrize("seed", range(12))
def test_beats_lie_at_the_tempo_and_inside_the_clip(seed: int) -> None:
    piece = compose(seed)
    beat = 60 / piece.plan.attributes.tempo
    assert np.allclose(np.diff(piece.beats), beat, atol=2e-4)
    assert piece.beats[0] == pytest.approx(piece.plan.lead_in, abs=1e-3)
    assert piece.beats[-1] < piece.plan.seconds


@pytest.mark.parametrize("seed", range(12))
def test_something_sounds_on_the_beats_of_the_score(seed: int) -> None:
    piece = compose(seed)
    times = np.array([time for channel in range(10) for time, _ in onsets(piece, channel)])
    # The closing bar holds its chord, so the last bar's beats may be empty.
    metre = piece.plan.attributes.metre
    until = max(times) - BEATS_A_BAR[metre] * 60 / piece.plan.attributes.tempo
    checked = [beat for beat in piece.beats if beat < until]
    assert checked
    played = [bool(np.any(np.abs(times - beat) < 0.02)) for beat in checked]
    assert np.mean(played) > 0.9


def test_the_midi_file_says_tempo_metre_and_main_instrument() -> None:
    piece = compose(
        3, fixed={"metre": "6/8", "style": "folk", "tempo": 90.0, "instrument": "flute"}
    )
    messages = list(mido.MidiFile(file=io.BytesIO(piece.midi)))
    tempo = next(m.tempo for m in messages if m.type == "set_tempo")
    # A beat of 6/8 is one and a half quarters.
    assert mido.tempo2bpm(tempo) == pytest.approx(135.0, abs=0.01)
    time = next(m for m in messages if m.type == "time_signature")
    assert (time.numerator, time.denominator) == (6, 8)
    melody = next(m for m in messages if m.type == "program_change" and m.channel == MELODY)
    assert melody.program == words.INSTRUMENTS["flute"].program


@pytest.mark.parametrize("style", words.STYLES)
def test_every_style_composes_in_each_of_its_metres_and_modes(style: str) -> None:
    for metre in STYLES[style].metres:
        for mode in words.MODES:
            fixed = {"style": style, "metre": metre, "mode": mode, "tempo": 100.0, "drums": True}
            piece = compose(11, fixed=fixed)
            assert len(onsets(piece, MELODY)) > 3
            assert len(onsets(piece, PERCUSSION)) > 3


def test_melodies_stay_in_range_and_mostly_in_key() -> None:
    inside = []
    for seed in range(40):
        piece = compose(seed)
        attributes = piece.plan.attributes
        voice = words.INSTRUMENTS[attributes.instrument]
        pitches = [pitch for _, pitch in onsets(piece, MELODY)]
        assert min(pitches) >= voice.low - 1
        assert max(pitches) <= voice.high
        tonic = key_pitch_class(attributes.key)
        scale = {note % 12 for note in scale_notes(tonic, attributes.mode, 0, 127)}
        inside += [pitch % 12 in scale for pitch in pitches]
    assert np.mean(inside) > 0.9


def test_density_orders_the_notes_a_second() -> None:
    rates = {}
    for density in words.DENSITIES:
        counts = []
        for seed in range(15):
            piece = compose(seed, fixed={"density": density, "instrument": "violin"})
            times = [t for t, _ in onsets(piece, MELODY) if t < piece.plan.seconds]
            counts.append(len(times) / piece.plan.seconds)
        rates[density] = np.mean(counts)
    assert 1.4 * rates["sparse"] < rates["medium"]
    assert 1.3 * rates["medium"] < rates["dense"]


def test_patterns_and_progressions_fit_their_bars() -> None:
    for style in words.STYLES:
        for metre in STYLES[style].metres:
            steps = STEPS_A_BEAT[metre] * BEATS_A_BAR[metre]
            rows = [*BASS[style][metre], *COMP[style][metre]]
            rows += [row for groove in DRUMS[style][metre] for row in groove.values()]
            rows += list(FILLS[metre].values())
            assert {len(row) for row in rows} == {steps}, (style, metre)
        for mode in words.MODES:
            for progression in PROGRESSIONS[mode][style]:
                bars = progression.split("|")
                assert len(bars) == 4
                for symbol in " ".join(bars).split():
                    parse_chord(symbol, 0)
    for cadences in CADENCES.values():
        for bars in cadences.values():
            for symbol in " ".join(bars).split():
                parse_chord(symbol, 0)


def test_chords_have_the_right_notes() -> None:
    assert parse_chord("V7", 0).pitch_classes == (7, 11, 2, 5)
    assert parse_chord("bVI", 9).pitch_classes == (5, 9, 0)
    assert parse_chord("ii7", 2).pitch_classes == (4, 7, 11, 2)
    assert voice_chord(parse_chord("I", 0), 60) == [60, 64, 67] or voice_chord(
        parse_chord("I", 0), 60
    ) == [55, 60, 64]
    # The dominant in minor brings the leading note and drops its neighbours.
    scale = {note % 12 for note in scale_notes(9, "minor", 60, 83, parse_chord("V", 9))}
    assert 8 in scale
    assert 7 not in scale
    with pytest.raises(ValueError, match="Not a chord symbol"):
        parse_chord("H7", 0)


def test_attributes_are_complete_and_in_the_vocabulary() -> None:
    families, tempos = Counter(), []
    for seed in range(300):
        attributes = make_plan(seed).attributes
        assert attributes.instrument in words.INSTRUMENTS
        assert attributes.instruments[0] == attributes.instrument
        assert attributes.key in words.KEYS
        assert attributes.mode in words.MODES
        assert attributes.metre in words.METRES
        assert attributes.style in words.STYLES
        assert attributes.mood in words.MOODS
        assert attributes.density in words.DENSITIES
        assert attributes.energy in words.ENERGIES
        assert (words.DRUMS in attributes.instruments) == attributes.drums
        assert words.TEMPO_RANGE[0] <= attributes.tempo <= words.TEMPO_RANGE[1]
        families[attributes.family] += 1
        tempos.append(np.log(attributes.tempo / 55) / np.log(185 / 55))
    assert set(families) == set(words.FAMILIES)
    assert len(families) >= 10
    # Evenly spread over the logarithm: each quarter of the range has its share.
    shares = np.histogram(tempos, bins=4, range=(0, 1))[0] / 300
    assert shares.min() > 0.17


def test_no_style_decides_instrument_or_tempo_word() -> None:
    plans = [make_plan(seed).attributes for seed in range(900)]
    for style in words.STYLES:
        of_style = [a for a in plans if a.style == style]
        assert len({a.instrument for a in of_style}) >= 12
        assert {words.tempo_word(a.tempo) for a in of_style} == set(words.TEMPO_WORDS)


def test_captions_are_short_and_true() -> None:
    rng = np.random.default_rng(0)
    for seed in range(200):
        attributes = make_plan(seed).attributes
        for caption in music_captions(attributes, rng, 4):
            assert len(caption.split()) <= 22
            others = set(words.KEYS) - {attributes.key}
            assert not any(f" {key} {mode}" in caption for key in others for mode in words.MODES)
            wrong = set(words.TEMPO_WORDS) - {words.tempo_word(attributes.tempo)}
            assert not any(word in caption.split() for word in wrong)
            assert attributes.instrument in caption or any(
                noun in caption for noun in words.STYLE_NOUNS[attributes.style]
            )


def test_the_full_caption_is_worded_as_agreed() -> None:
    fixed = {"style": "rock", "mood": "happy", "tempo": 140.0, "key": "C", "mode": "major"}
    attributes = make_plan(1, fixed={**fixed, "instrument": "electric guitar"}).attributes
    expected = "a fast happy rock piece in C major with electric guitar at 140 bpm"
    assert full_caption(attributes) == expected
    # A scene suggests only some attributes.
    assert full_caption({"style": "lullaby", "tempo": 60, "mode": "major"}) == (
        "a slow lullaby in a major key at 60 bpm"
    )
    assert music_caption({"mood": "calm", "instrument": "harp"}, np.random.default_rng(1))


def test_splits_are_by_composition_and_have_their_shares() -> None:
    counts = Counter(split_of(number) for number in range(3000))
    assert counts == {"train": 2700, "valid": 90, "test": 210}
    # The composition alone decides, whatever else is in the dataset.
    assert [split_of(n) for n in range(50)] == [split_of(n) for n in range(100)][:50]
    with pytest.raises(ValueError, match="Composition numbers"):
        song_seed(1, 1_000_000)


def test_the_manifest_gives_back_what_was_written(tmp_path: Path) -> None:
    piece = compose(5)
    record = MusicRecord(
        "s1-5", "train", "s1-5", "music/s1-5.flac", 12.0, 5, "a.sf2", piece.plan.attributes, ["x"],
        piece.beats,
    )  # fmt: skip
    append_records(tmp_path, [record])
    append_records(tmp_path, [record])
    assert read_manifest(tmp_path) == [record]
    assert read_music(tmp_path, "test") == []
    row = asdict(record)
    del row["attributes"]["tempo"]
    with pytest.raises(ValueError, match="Incomplete music row"):
        record_from_json(row)
    with pytest.raises(FileNotFoundError, match="generate the data first"):
        read_manifest(tmp_path / "none")


def test_bad_arguments_get_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in [
        (["--out", str(tmp_path), "--soundfonts", str(tmp_path)], "No soundfont"),
        (["--out", str(tmp_path), "--seed", str(EXAMPLE_SEED)], "kept for the examples"),
        (["--out", str(tmp_path), "--seed", str(HELD_OUT_SEED)], "kept for the evaluation set"),
        (["--out", str(tmp_path), "--count", "0"], "--count and --workers are at least 1"),
        ([], "say where to write"),
    ]:
        with pytest.raises(SystemExit) as exit_status:
            main(arguments)
        assert exit_status.value.code == 2
        assert message in capsys.readouterr().err
