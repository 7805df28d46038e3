"""Makes the evaluation set: songs, pictures and clips that no training may have seen.

Compositions and scenes come from a seed that the generators' datasets do not use, songs are played
by a soundfont that no training song is played by, and whatever has the fingerprint of something in
a training set is refused and replaced by the next number. Everything is in the split "test".
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from mumu_training.data.clips import clip_frames, write_clip
from mumu_training.data.composer import compose
from mumu_training.data.manifest import (
    MANIFEST_NAME,
    MusicRecord,
    Record,
    VideoRecord,
    append_records,
    read_manifest,
)
from mumu_training.data.music import SOUNDFONTS, SongJob, make_song, song_id, song_seed
from mumu_training.data.scene_canvas import Look
from mumu_training.data.scene_painter import Painter
from mumu_training.data.scenes import PICTURE_SIZE, Job, draw_look, draw_scene
from mumu_training.evaluation.fingerprints import (
    clip_fingerprint,
    dataset_fingerprints,
    picture_fingerprint,
    score_fingerprint,
)

HELD_OUT_SEED = 777
HELD_OUT_SOUNDFONT = Path("/usr/share/sounds/sf3/MuseScore_General_Full.sf3")
"""Debian's musescore-general-soundfont. Some of its recordings are Fluid's, edited anew
(docs/evaluation.md); OPL-3_FM_128M.sf2 (opl3-soundfont) shares none."""
_CLIP_SIZE = 192
"""Pixels of a side of the mp4 files; the video encoder sees fewer."""
_FINGERPRINTS = "fingerprints.json"

Known = dict[str, set[str]]


def known_fingerprints(
    against: list[Path], out: Path, report: Callable[[str], None]
) -> dict[str, set[str]]:
    """Fingerprints of what was trained on, kept in `out` as they take minutes to make.

    Raises:
        FileNotFoundError: a folder has no dataset.
    """
    sizes = {str(folder): len(read_manifest(folder)) for folder in against}
    cache = out / _FINGERPRINTS
    if cache.is_file():
        kept = json.loads(cache.read_text())
        if kept["sizes"] == sizes:
            return {kind: set(marks) for kind, marks in kept["fingerprints"].items()}
    known: Known = {"music": set(), "image": set(), "video": set()}
    for folder in against:
        for kind, marks in dataset_fingerprints(read_manifest(folder), folder, report).items():
            known[kind] |= marks
    out.mkdir(parents=True, exist_ok=True)
    lists = {kind: sorted(marks) for kind, marks in known.items()}
    cache.write_text(json.dumps({"sizes": sizes, "fingerprints": lists}))
    return known


def new_songs(known: set[str], seed: int, count: int, seconds: float) -> Iterator[int]:
    """Numbers of compositions whose melodies are nowhere else; adds to `known` what it yields."""
    number = 0
    while count:
        mark = score_fingerprint(compose(song_seed(seed, number), seconds).midi)
        if mark not in known:
            known.add(mark)
            count -= 1
            yield number
        number += 1


def new_scenes(known: set[str], seed: int, count: int, moving: bool) -> Iterator[Job]:
    """Scenes that look like no other; adds to `known` what it yields. Folders are left empty."""
    number = 0
    while count:
        job = Job("", number, song_seed(seed, number), moving)
        rng = np.random.default_rng([job.seed, int(moving)])
        look = draw_look(rng, moving)
        if moving:
            seconds = round(float(rng.uniform(2.5, 6.5)), 2)
            mark = clip_fingerprint(clip_frames(look, job.seed, seconds))
        else:
            mark = picture_fingerprint(
                np.asarray(Painter(look, job.seed, PICTURE_SIZE).frame().convert("RGB"))
            )
        if mark not in known:
            known.add(mark)
            count -= 1
            yield job
        number += 1


def _playable(record: VideoRecord, folder: Path) -> VideoRecord:
    """The clip as an mp4 file, which is what people send, in place of frames in an array."""
    path = Path(record.path).with_suffix(".mp4")
    look = Look(**{key: value for key, value in record.attributes.items() if key != "seconds"})
    write_clip(folder / path, look, record.seed, record.attributes["seconds"], _CLIP_SIZE)
    (folder / record.path).unlink()
    return replace(record, path=str(path), split="test")


def make_held_out(
    out: Path,
    against: list[Path],
    songs: int = 300,
    images: int = 150,
    videos: int = 100,
    seconds: float = 12.0,
    soundfont: Path = HELD_OUT_SOUNDFONT,
    seed: int = HELD_OUT_SEED,
    workers: int = 1,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, int]:
    """Fill a folder with the evaluation set; continues where it was stopped.

    Args:
        against: dataset folders of the training, which nothing may overlap with.
        seconds: mean length of a song.

    Returns:
        How many of each kind the folder holds now.

    Raises:
        FileNotFoundError: the soundfont or a training set is missing.
        ValueError: the soundfont is one of training, or the seed one of a training set.
    """
    if not soundfont.is_file():
        raise FileNotFoundError(
            f"No soundfont at {soundfont}: install musescore-general-soundfont or give another."
        )
    if soundfont.name in SOUNDFONTS:
        raise ValueError(f"{soundfont.name} plays training songs: evaluation needs another.")
    seeds = {record.seed // 1_000_000 for folder in against for record in read_manifest(folder)}
    if seed in seeds:
        raise ValueError(f"Seed {seed} made a training set: evaluation needs another.")
    known = known_fingerprints(against, out, report)
    done: dict[str, Record] = {}
    if (out / MANIFEST_NAME).is_file():
        done = {record.id: record for record in read_manifest(out)}
    jobs = [
        SongJob(str(out), seed, number, seconds, "", str(soundfont))
        for number in new_songs(known["music"], seed, songs, seconds)
        if song_id(seed, number) not in done
    ]
    made = 0
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for record in pool.imap_unordered(make_song, jobs):
            append_records(out, [replace(record, split="test")])
            made += 1
            if made % 25 == 0:
                report(f"{made}/{len(jobs)} songs")
    for moving, count in ((False, images), (True, videos)):
        for job in new_scenes(known["video" if moving else "image"], seed, count, moving):
            if job.id in done:
                continue
            scene = draw_scene(replace(job, folder=str(out)))
            if isinstance(scene, VideoRecord):
                append_records(out, [_playable(scene, out)])
            elif not isinstance(scene, MusicRecord):
                append_records(out, [replace(scene, split="test")])
        report(f"{count} {'clips' if moving else 'pictures'}")
    held = read_manifest(out)
    return {kind: sum(r.kind == kind for r in held) for kind in ("music", "image", "video")}
