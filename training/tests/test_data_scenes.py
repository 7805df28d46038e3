"""Drawn scenes: what is drawn can be told, rules hold, the dataset folder is whole."""

from __future__ import annotations

import itertools
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mumu_training.data import scene_vocabulary as words
from mumu_training.data import scenes, vocabulary
from mumu_training.data.clips import clip_frames, motion_energy, write_clip
from mumu_training.data.manifest import ImageRecord, VideoRecord, read_manifest
from mumu_training.data.scene_canvas import Look
from mumu_training.data.scene_painter import Painter
from mumu_training.data.scene_rules import music_for, scene_caption, scene_phrase
from mumu_training.stage0.vision import soften

PLAIN = Look("day", "clear", "field", "none", "natural")


def pixels(look: Look, seed: int = 3, size: int = 96) -> np.ndarray:
    return np.asarray(Painter(look, seed, size).frame()).astype(np.float64)


def test_same_seed_same_picture_other_seed_another() -> None:
    assert np.array_equal(pixels(PLAIN, 3), pixels(PLAIN, 3))
    assert not np.array_equal(pixels(PLAIN, 3), pixels(PLAIN, 4))
    assert pixels(PLAIN, size=128).shape == (128, 128, 3)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("time", words.TIMES),
        ("weather", words.WEATHERS),
        ("place", words.PLACES),
        ("people", words.PEOPLE),
        ("palette", words.PALETTES),
    ],
)
def test_every_value_is_to_be_seen(name: str, values: tuple[str, ...]) -> None:
    drawn = [pixels(replace(PLAIN, **{name: value})) for value in values]
    for one, other in itertools.combinations(drawn, 2):
        changed = (np.abs(one - other).max(axis=2) > 24).mean()
        assert changed > 0.01, "too few pixels tell the two apart"


def test_places_are_told_apart_across_seeds_times_and_weathers() -> None:
    """Nearest mean of small pictures, leave nothing but the place to go by: far above chance."""
    rng = np.random.default_rng(5)

    def sample(place: str) -> np.ndarray:
        look = replace(PLAIN, place=place, time=str(rng.choice(("day", "dawn"))), people="none")
        return pixels(look, int(rng.integers(10**6)), 32).ravel()

    means = np.stack([np.mean([sample(p) for _ in range(10)], axis=0) for p in words.PLACES])
    right = [
        int(np.argmin(((means - sample(place)) ** 2).sum(axis=1))) == index
        for index, place in enumerate(words.PLACES)
        for _ in range(5)
    ]
    assert np.mean(right) > 0.75


def test_light_follows_time_and_weather() -> None:
    day, night = pixels(PLAIN).mean(), pixels(replace(PLAIN, time="night")).mean()
    assert night < 0.5 * day
    storm = pixels(replace(PLAIN, weather="storm")).mean()
    assert storm < 0.8 * day
    ground = pixels(replace(PLAIN, weather="snow"))[70:].mean()
    assert ground > pixels(PLAIN)[70:].mean() + 40
    assert pixels(replace(PLAIN, weather="fog")).std() < 0.8 * pixels(PLAIN).std()


def test_motion_in_clips() -> None:
    def energy(**changes: str) -> float:
        frames = clip_frames(replace(PLAIN, **changes), 8, 4.0)
        assert frames.shape == (16, 96, 96, 3)
        assert frames.dtype == np.uint8
        return motion_energy(frames)

    still = energy(motion="still")
    walking = energy(motion="walking", people="one")
    drift, driving = energy(motion="drift"), energy(motion="driving")
    assert still == 0.0
    assert 0 < walking < driving
    assert drift < driving
    parked = energy(place="city", motion="still")
    assert energy(place="city", motion="traffic") > parked == 0.0


def test_rules_stay_inside_the_vocabulary() -> None:
    for time, weather, place, people, motion in itertools.product(
        words.TIMES, words.WEATHERS, words.PLACES, words.PEOPLE, words.MOTIONS
    ):
        music = music_for(Look(time, weather, place, people, "natural", motion), moving=True)
        assert music["mood"] in vocabulary.MOODS
        assert music["style"] in vocabulary.STYLES
        assert music["mode"] in vocabulary.MODES
        assert music["metre"] in vocabulary.METRES
        assert vocabulary.INSTRUMENTS[music["instrument"]].family == music["family"]
        low, high = vocabulary.TEMPO_RANGE
        assert low <= music["tempo"] <= high


@pytest.mark.parametrize(
    ("look", "moving", "expected"),
    [
        (
            Look("night", "snow", "forest", "none", "cold"),
            False,
            {"mood": "calm", "style": "lullaby", "instrument": "piano", "tempo": 70.0},
        ),
        (
            Look("night", "clear", "city", "crowd", "vivid"),
            False,
            {"mood": "energetic", "style": "techno", "instrument": "synth", "tempo": 140.0},
        ),
        (
            Look("day", "storm", "mountains", "none", "natural"),
            False,
            {"mood": "dark", "style": "march", "instrument": "trumpet", "mode": "minor"},
        ),
        (
            Look("day", "clear", "beach", "none", "natural", "driving"),
            True,
            {"mood": "energetic", "style": "pop", "tempo": 140.0, "mode": "major"},
        ),
        (
            Look("day", "clear", "beach", "none", "natural", "drift"),
            True,
            {"mood": "happy", "style": "pop", "tempo": 80.0},
        ),
    ],
)
def test_written_rules(look: Look, moving: bool, expected: dict[str, object]) -> None:
    music = music_for(look, moving)
    assert {name: music[name] for name in expected} == expected


def test_captions_say_what_is_there() -> None:
    rng = np.random.default_rng(0)
    look = Look("night", "snow", "forest", "one", "natural", "walking")
    assert scene_phrase(look) == "a snowy forest at night"
    for _ in range(30):
        caption = scene_caption(look, rng, moving=True)
        assert "forest" in caption
        assert "snow" in caption
        assert "night" in caption
    assert scene_phrase(replace(PLAIN, place="room", weather="rain")) == (
        "a room by day with rain outside"
    )


def test_drawn_looks_are_possible() -> None:
    rng = np.random.default_rng(1)
    for _ in range(400):
        look = scenes.draw_look(rng, moving=True)
        assert (look.place, look.weather) != ("desert", "snow")
        assert look.motion != "dancing" or look.people == "crowd"
        assert look.motion != "walking" or look.people == "one"
        assert look.motion != "traffic" or look.place == "city"
        assert look.motion != "falling" or look.weather in ("rain", "snow", "storm")
        assert look.motion not in ("drift", "driving") or look.place != "room"


def test_dataset_folder(tmp_path: Path) -> None:
    asked = ["--out", str(tmp_path), "--images", "5", "--clips", "2", "--seed", "7"]
    assert scenes.main(asked) == 0
    records = read_manifest(tmp_path)
    pictures = [r for r in records if isinstance(r, ImageRecord)]
    clips = [r for r in records if isinstance(r, VideoRecord)]
    assert (len(pictures), len(clips)) == (5, 2)
    with Image.open(tmp_path / pictures[0].path) as picture:
        assert picture.size == (scenes.PICTURE_SIZE, scenes.PICTURE_SIZE)
    with np.load(tmp_path / clips[0].path) as archive:
        assert archive["frames"].shape == (16, 96, 96, 3)
    for record in records:
        assert not isinstance(record, ImageRecord) or "motion" not in record.attributes
        look = Look(**{"motion": "still", **_look_fields(record)})
        assert record.music == music_for(look, isinstance(record, VideoRecord))

    assert scenes.main(asked) == 2, "drawing the same scenes again needs --resume"
    (tmp_path / pictures[0].path).unlink()
    assert scenes.main([*asked, "--resume"]) == 0
    more = ["--out", str(tmp_path), "--images", "7", "--clips", "2", "--seed", "7", "--resume"]
    assert scenes.main(more) == 0
    ids = [record.id for record in read_manifest(tmp_path)]
    assert len(ids) == len(set(ids)) == 9


def _look_fields(record: object) -> dict[str, str]:
    assert isinstance(record, ImageRecord | VideoRecord)
    return {name: value for name, value in record.attributes.items() if name != "seconds"}


def test_wrong_options_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        scenes.main([])
    assert left.value.code == 2
    assert "--out" in capsys.readouterr().err


def test_clip_is_a_playable_mp4(tmp_path: Path) -> None:
    file = tmp_path / "clip.mp4"
    write_clip(file, replace(PLAIN, motion="driving"), 5, 1.0, size=96)
    probe = subprocess.run(
        ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", str(file)],
        capture_output=True,
        check=True,
    )
    stream = json.loads(probe.stdout)["streams"][0]
    assert (stream["codec_name"], stream["width"], stream["nb_read_frames"]) == ("h264", 96, "24")


def test_unwritable_clip_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ffmpeg could not write"):
        write_clip(tmp_path / "no-such-folder" / "clip.mp4", PLAIN, 5, 0.2, size=96)


def test_half_of_the_clips_are_softened() -> None:
    rng = np.random.default_rng(5)
    clips = rng.integers(0, 256, (40, 2, 8, 8, 3), dtype=np.uint8)
    flat = np.full_like(clips, 77)
    assert np.array_equal(soften(flat, rng), flat)
    soft = soften(clips, rng)
    changed = np.array([not np.array_equal(a, b) for a, b in zip(soft, clips, strict=True)])
    assert 10 <= changed.sum() <= 30
    assert soft[changed].std() < 0.9 * clips[changed].std()
    frames = soft[changed].mean(axis=(2, 3)) - clips[changed].mean(axis=(2, 3))
    assert np.abs(frames).max() < 1
    impulse = np.zeros((8, 1, 9, 9, 3), dtype=np.uint8)
    impulse[:, 0, 4, 4] = 200
    spread = soften(impulse, rng).astype(int)
    assert spread[:, 0, :, 0].max() == 0, "only the nearest pixels"
    assert np.array_equal(spread, spread.transpose(0, 1, 3, 2, 4)), "as much across as down"
