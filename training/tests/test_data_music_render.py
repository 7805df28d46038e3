"""Rendering and augmentation: what is heard is what the attributes say (librosa measures)."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile

from mumu_training.data.augment import (
    add_noise,
    augment,
    equalise,
    lossy,
    reverberate,
    through_lower_rate,
)
from mumu_training.data.composer import compose
from mumu_training.data.dataset import SOUNDFONT_FOLDER, SOUNDFONTS
from mumu_training.data.manifest import read_music
from mumu_training.data.music import main, render_piece
from mumu_training.data.render import SAMPLE_RATE, Renderer, balance, loudness

pytestmark = pytest.mark.skipif(
    not all((SOUNDFONT_FOLDER / name).is_file() for name in SOUNDFONTS),
    reason="the General MIDI soundfonts are not installed",
)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(SOUNDFONT_FOLDER / "TimGM6mb.sf2")


def test_the_tempo_that_librosa_hears_is_the_nominal_one(renderer: Renderer) -> None:
    agreed = []
    for seed in range(100, 108):
        piece = compose(seed)
        audio = render_piece(piece, renderer)
        envelope = librosa.onset.onset_strength(y=audio, sr=SAMPLE_RATE, hop_length=256)
        heard = librosa.feature.tempo(onset_envelope=envelope, sr=SAMPLE_RATE, hop_length=256)
        ratio = float(heard[0]) / piece.plan.attributes.tempo
        # Estimators count in halves, doubles and triplets of the beat; that is not our error.
        octaves = [abs(np.log2(ratio * f)) for f in (1, 2, 0.5, 3, 1 / 3, 1.5, 2 / 3)]
        agreed.append(min(octaves) < 0.08)
    assert np.mean(agreed) >= 0.75


def test_the_main_instrument_is_the_loudest_stem(renderer: Renderer) -> None:
    piece = compose(21, fixed={"style": "rock", "instrument": "flute", "drums": True})
    stems = balance(renderer.stems(piece.midi, piece.plan.seconds), np.random.default_rng(0))
    levels = {name: loudness(audio) for name, audio in stems.items()}
    assert set(levels) == {"melody", "accompaniment", "drums"}
    assert levels["melody"] > levels["accompaniment"] + 3.9
    assert levels["melody"] > levels["drums"] + 3.9
    # ... and it sounds most of the time.
    frames = librosa.feature.rms(y=stems["melody"])[0]
    assert np.mean(frames > 0.1 * frames.max()) > 0.5


def test_rendering_does_not_depend_on_the_song_before(renderer: Renderer) -> None:
    piece, other = compose(30, 4.0), compose(31, 4.0)
    first = renderer.stems(piece.midi, piece.plan.seconds)
    renderer.stems(other.midi, other.plan.seconds)
    again = renderer.stems(piece.midi, piece.plan.seconds)
    for name, audio in first.items():
        # FluidSynth's dither runs on, so the last bits may differ.
        assert np.abs(audio - again[name]).max() < 1e-3 * np.abs(audio).max() + 2e-4
    silence = int(SAMPLE_RATE * (piece.plan.lead_in - 0.015))
    assert silence > 0
    assert all(np.abs(audio[:silence]).max() < 1e-4 for audio in again.values())


def test_songs_are_neither_silent_nor_clipped_and_have_their_length(renderer: Renderer) -> None:
    for seed in range(40, 46):
        piece = compose(seed, 4.0)
        audio = render_piece(piece, renderer)
        assert audio.size == round(piece.plan.seconds * SAMPLE_RATE)
        assert 10 ** (-12.1 / 20) < np.abs(audio).max() < 1.0
        assert np.sqrt(np.mean(audio**2)) > 0.01


def test_instruments_differ_in_brightness(renderer: Renderer) -> None:
    def centroid(instrument: str) -> float:
        piece = compose(50, 4.0, fixed={"instrument": instrument, "mood": "calm", "style": "pop"})
        stem = renderer.stems(piece.midi, piece.plan.seconds)["melody"]
        return float(librosa.feature.spectral_centroid(y=stem, sr=SAMPLE_RATE).mean())

    assert centroid("cello") < centroid("trumpet")
    assert abs(centroid("organ") - centroid("synth")) > 300


def test_the_command_line_writes_a_dataset_and_resumes_it(tmp_path: Path) -> None:
    common = ["--out", str(tmp_path), "--seed", "5", "--workers", "1", "--seconds", "3"]
    assert main([*common, "--count", "2"]) == 0
    before = {r.id: (tmp_path / r.path).stat().st_mtime_ns for r in read_music(tmp_path)}
    assert sorted(before) == ["s5-000000", "s5-000001"]
    with pytest.raises(SystemExit):
        main([*common, "--count", "3"])
    assert main([*common, "--count", "3", "--resume"]) == 0
    records = read_music(tmp_path)
    assert sorted(r.id for r in records) == ["s5-000000", "s5-000001", "s5-000002"]
    for record in records:
        path = tmp_path / record.path
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.format) == (SAMPLE_RATE, 1, "FLAC")
        assert info.duration == pytest.approx(record.seconds, abs=1e-3)
        assert 2 <= len(record.captions) <= 4
        assert path.stat().st_mtime_ns == before.get(record.id, path.stat().st_mtime_ns)


def test_augmentation_keeps_length_type_and_level() -> None:
    rng = np.random.default_rng(0)
    tone = np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE * 2) / SAMPLE_RATE).astype(np.float32)
    for seed in range(20):
        out = augment(tone, SAMPLE_RATE, np.random.default_rng(seed))
        assert out.shape == tone.shape
        assert out.dtype == np.float32
        assert 0.12 < np.abs(out).max() <= 1.0
    again = augment(tone, SAMPLE_RATE, np.random.default_rng(3))
    assert np.array_equal(again, augment(tone, SAMPLE_RATE, np.random.default_rng(3)))
    for out in (
        equalise(tone, SAMPLE_RATE, rng),
        reverberate(tone, SAMPLE_RATE, 0.5, 0.3, rng),
        lossy(tone, SAMPLE_RATE, rng),
        through_lower_rate(tone, SAMPLE_RATE, 11025),
    ):
        assert out.shape == tone.shape
        spectrum = np.abs(np.fft.rfft(out[SAMPLE_RATE // 2 : -SAMPLE_RATE // 2]))
        assert np.argmax(spectrum) == pytest.approx(440, abs=2)


def test_noise_is_added_at_the_ratio_asked_for() -> None:
    tone = np.sin(np.arange(SAMPLE_RATE) / 7).astype(np.float32)
    noise = add_noise(tone, np.random.default_rng(0), 20.0) - tone
    ratio = 10 * np.log10(np.mean(tone**2) / np.mean(noise**2))
    assert ratio == pytest.approx(20.0, abs=0.1)


def test_a_missing_or_broken_soundfont_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No soundfont"):
        Renderer(tmp_path / "none.sf2")
    broken = tmp_path / "broken.sf2"
    broken.write_bytes(b"not a soundfont")
    with pytest.raises(ValueError, match="not a soundfont"):
        Renderer(broken)
