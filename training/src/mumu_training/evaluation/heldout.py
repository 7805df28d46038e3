"""Makes the evaluation set: songs, pictures and clips that no training may have seen.

Compositions and scenes come from a seed that the generators' datasets do not use, songs are played
by a soundfont that no training song is played by, and whatever has the fingerprint of something in
a training set is refused and replaced by the next number, also when it is there from an earlier run
and the training set came later. Everything is in the split "test".
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from itertools import count as numbers
from pathlib import Path

from mumu_training.data.clips import write_clip
from mumu_training.data.composer import compose
from mumu_training.data.dataset import HELD_OUT_SEED, SOUNDFONTS
from mumu_training.data.manifest import (
    MANIFEST_NAME,
    RECORDS_A_SEED,
    Record,
    VideoRecord,
    append_records,
    made_by,
    read_edits,
    read_manifest,
)
from mumu_training.data.music import SongJob, make_song, song_id, song_seed
from mumu_training.data.scenes import Job, draw_scene
from mumu_training.evaluation.fingerprints import (
    Fingerprints,
    Known,
    NearMarks,
    clip_look,
    clip_seconds,
    record_fingerprint,
    score_fingerprint,
)

HELD_OUT_SOUNDFONT = Path("/usr/share/sounds/sf3/MuseScore_General_Full.sf3")
"""Debian's musescore-general-soundfont. Some of its recordings are Fluid's, edited anew
(docs/evaluation.md); OPL-3_FM_128M.sf2 (opl3-soundfont) shares none."""
_CLIP_SIZE = 192
"""Pixels of a side of the mp4 files; the video encoder sees fewer."""
_FINGERPRINTS = "fingerprints.json"


def new_songs(
    known: set[str], seed: int, count: int, seconds: float, there: Collection[str] = ()
) -> Iterator[int]:
    """Numbers of compositions whose melodies are nowhere else; adds to `known` what it yields.

    Songs whose ids are in `there` are made already, and passed over.
    """
    for number in numbers():
        if count <= 0:
            return
        if song_id(seed, number) in there:
            continue
        mark = score_fingerprint(compose(song_seed(seed, number), seconds).midi)
        if mark not in known:
            known.add(mark)
            count -= 1
            yield number


def new_scenes(
    known: NearMarks,
    folder: Path,
    seed: int,
    count: int,
    moving: bool,
    there: Collection[str] = (),
) -> Iterator[Record]:
    """Draws scenes that look like no other; adds to `known` what it yields.

    Scenes whose ids are in `there` are made already, and passed over.
    """
    for number in numbers():
        if count <= 0:
            return
        job = Job(str(folder), number, song_seed(seed, number), moving)
        if job.id in there:
            continue
        # Compared as the file that a training set would have: encoding a picture changes its mark.
        scene = draw_scene(job)
        mark = record_fingerprint(scene, folder)
        if mark in known:
            (folder / scene.path).unlink()
            continue
        known.add(mark)
        count -= 1
        yield scene


def _playable(record: VideoRecord, folder: Path) -> VideoRecord:
    """The clip as an mp4 file, which is what people send, in place of frames in an array."""
    path = Path(record.path).with_suffix(".mp4")
    write_clip(folder / path, clip_look(record), record.seed, clip_seconds(record), _CLIP_SIZE)
    (folder / record.path).unlink()
    return replace(record, path=str(path))


def _keep(
    out: Path, known: Known, fingerprints: Fingerprints, report: Callable[[str], None]
) -> list[Record]:
    """The records of an earlier run that may stay; drops the others, files and all.

    Adds the fingerprints of those that stay to `known`.
    """
    if not (out / MANIFEST_NAME).is_file():
        return []
    kept: list[Record] = []
    dropped: list[Record] = []
    for record in read_manifest(out):
        reason = ""
        if not (out / record.path).is_file():
            reason = f"{record.path} is missing"
        else:
            mark, marks = fingerprints.of(record, out), known.of(record.kind)
            if mark in marks:
                reason = "the like of it is in a training set now, or in this set before it"
            else:
                marks.add(mark)
        if reason:
            report(f"{record.id} ({record.kind}) dropped, another takes its place: {reason}")
        (dropped if reason else kept).append(record)
    fingerprints.save()
    if dropped:
        _rewrite(out, dropped)
    return kept


def _rewrite(out: Path, dropped: Sequence[Record]) -> None:
    """Take records out of the manifest, then remove their files (nobody else may write meanwhile)."""
    gone = {(record.kind, record.id) for record in dropped}
    manifest = out / MANIFEST_NAME
    rows = [line for line in manifest.read_text(encoding="utf-8").splitlines() if line.strip()]
    part = manifest.with_suffix(".part")
    with part.open("w", encoding="utf-8") as stream:
        for line in rows:
            row = json.loads(line)
            if (row["kind"], row["id"]) not in gone:
                stream.write(line + "\n")
    part.replace(manifest)
    for record in dropped:
        (out / record.path).unlink(missing_ok=True)


def _learnt_from(folder: Path) -> list[Record]:
    """All records of a training set; of pairs the song before the change, as the tune stays."""
    return [*read_manifest(folder), *(pair.source_song() for pair in read_edits(folder))]


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

    What the folder has already is compared again, and replaced where a training set has it now.

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
    trained = {folder: _learnt_from(folder) for folder in against}
    seeds = {r.seed // RECORDS_A_SEED for records in trained.values() for r in records}
    if seed in seeds:
        raise ValueError(f"Seed {seed} made a training set: evaluation needs another.")
    known, fingerprints = Known(), Fingerprints(out / _FINGERPRINTS)
    for folder, records in trained.items():
        fingerprints.learn(known, records, folder, report)
    kept = [record for record in _keep(out, known, fingerprints, report) if made_by(record, [seed])]
    there = {record.id for record in kept}

    def missing(kind: str, wanted: int) -> int:
        return wanted - sum(record.kind == kind for record in kept)

    jobs = [
        SongJob(str(out), seed, number, seconds, "", str(soundfont))
        for number in new_songs(known.music, seed, missing("music", songs), seconds, there)
    ]
    made = 0
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for record in pool.imap_unordered(make_song, jobs):
            append_records(out, [replace(record, split="test")])
            made += 1
            if made % 25 == 0:
                report(f"{made}/{len(jobs)} songs")
    for moving, wanted in ((False, images), (True, videos)):
        kind = "video" if moving else "image"
        marks = known.video if moving else known.image
        for scene in new_scenes(marks, out, seed, missing(kind, wanted), moving, there):
            whole = _playable(scene, out) if isinstance(scene, VideoRecord) else scene
            append_records(out, [replace(whole, split="test")])
        report(f"{wanted} {'clips' if moving else 'pictures'}")
    held = read_manifest(out)
    return {kind: sum(r.kind == kind for r in held) for kind in ("music", "image", "video")}
