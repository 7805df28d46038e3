"""Makes pairs of songs: before and after a change that is asked for in words, as MUEdit has them.

    python -m mumu_training.data.edits --out DIR --count N --seed S --workers 2

Songs are composed and played as `data.music` does, from the same seeds, numbers and splits. Each
composition gives one pair. Changes: duration x 0.5, 0.7, 1.3 or 1.5 at the same pitch (WSOLA), pitch
by 100 or 200 cents either way at the same duration, and an instrument added, deleted or replaced,
where all other parts stay the same to the bit. A seed gives the same files wherever the same
soundfonts, FluidSynth and ffmpeg are.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from mumu_training.data.composer import compose
from mumu_training.data.dataset import (
    add_options,
    make_all,
    order_of,
    refuse_kept,
    require_soundfonts,
)
from mumu_training.data.edits_plan import SongEdit, attributes_of, choose_edit
from mumu_training.data.edits_sound import Band, Pcm, at_one_level, mixed, stretched
from mumu_training.data.edits_words import full_words, instructions
from mumu_training.data.manifest import (
    MANIFEST_NAME,
    SAMPLE_RATE,
    EditRecord,
    read_edits,
    split_of,
)
from mumu_training.data.music import song_id, song_seed, soundfont_of
from mumu_training.data.render import Renderer


def edit_id(seed: int, number: int) -> str:
    """Id of the pair that a composition of a dataset gives, such as `e1-000042`."""
    return f"e{seed}-{number:06d}"


def render_edit(band: Band, edit: SongEdit) -> tuple[Pcm, Pcm]:
    """A song before and after a change, `[samples]` mono at 24 kHz each, 16 bit.

    Both are at one level: nothing that the change leaves alone differs, and neither clips.

    Raises:
        FileNotFoundError: ffmpeg is missing.
        RuntimeError: ffmpeg failed.
        ValueError: a part renders to silence.
    """
    before, after = dict(band.parts), dict(band.parts)
    if edit.operation in ("duration", "pitch"):
        before = {"mix": mixed(before)}
        after = {"mix": stretched(before["mix"], edit.factor, edit.cents)}
    elif edit.operation == "replace":
        after[edit.part] = band.instead(edit.part, edit.new)
    else:
        del (before if edit.operation == "add" else after)[edit.part]
    rng = np.random.default_rng([band.piece.plan.seed, 23])
    return at_one_level(before, after, 10 ** (rng.uniform(-12.0, -0.5) / 20))


@dataclass(frozen=True)
class PairJob:
    """What a worker needs to know to make one pair."""

    out: str
    seed: int
    number: int
    seconds: float
    """Mean length of a song before the change."""
    soundfonts: str
    """Folder of the training soundfonts."""


def make_pair(job: PairJob) -> EditRecord:
    """Compose, change and write one pair into the dataset folder; returns its manifest record.

    Raises:
        FileNotFoundError: a soundfont, or ffmpeg, is missing.
        RuntimeError: ffmpeg failed.
        ValueError: a soundfont is broken, or a part renders to silence.
    """
    seed = song_seed(job.seed, job.number)
    piece = compose(seed, job.seconds)
    edit = choose_edit(piece, np.random.default_rng([seed, 20]))
    assert edit is not None  # every piece can be shifted in pitch
    font = Path(job.soundfonts) / soundfont_of(seed)
    # A synthesizer of its own for each song: see Band. It takes a tenth of a second.
    renderer = Renderer(font)
    try:
        before, after = render_edit(Band(piece, renderer), edit)
    finally:
        renderer.close()
    name = edit_id(job.seed, job.number)
    paths = [f"edits/{name}-source.flac", f"edits/{name}.flac"]
    for path, samples in zip(paths, (before, after), strict=True):
        _write(Path(job.out) / path, samples)
    words = np.random.default_rng([seed, 24])
    source, changed = attributes_of(piece, edit)
    return EditRecord(
        id=name,
        split=split_of(job.number),
        composition=song_id(job.seed, job.number),
        path=paths[1],
        source_path=paths[0],
        seconds=round(after.size / SAMPLE_RATE, 4),
        source_seconds=round(before.size / SAMPLE_RATE, 4),
        seed=seed,
        soundfont=font.name,
        operation=edit.operation,
        parameters=edit.parameters(),
        instructions=instructions(edit, words, int(words.integers(2, 5))),
        attributes=changed,
        source_attributes=source,
        caption=full_words(changed),
        source_caption=full_words(source),
    )


def _write(path: Path, samples: Pcm) -> None:
    """Write a FLAC file whole or not at all, as readers may look meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part")
    try:
        soundfile.write(part, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _done(out: Path) -> set[str]:
    """Ids of the pairs whose rows and files are there."""
    if not (out / MANIFEST_NAME).is_file():
        return set()
    return {
        record.id
        for record in read_edits(out)
        if (out / record.path).is_file() and (out / record.source_path).is_file()
    }


def generate(
    out: Path, count: int, seconds: float, seed: int, workers: int, soundfonts: Path, resume: bool
) -> int:
    """Make the pairs of compositions 0 to `count` - 1 of a seed, except those that are there.

    Returns:
        How many pairs were made.

    Raises:
        ValueError: the seed is kept for something else, or the folder has pairs and `resume` is false.
        FileNotFoundError: a soundfont, or ffmpeg, is missing.
    """
    refuse_kept(seed)
    require_soundfonts(soundfonts)
    if shutil.which("ffmpeg") is None:
        raise FileNotFoundError("ffmpeg is needed to stretch music: install it.")
    done = _done(out)
    if done and not resume:
        raise ValueError(f"{out} already has {len(done)} pairs: add --resume to continue.")
    jobs = [
        PairJob(str(out), seed, number, seconds, str(soundfonts))
        for number in range(count)
        if edit_id(seed, number) not in done
    ]
    return make_all(
        out, jobs, make_pair, workers, "pairs", lambda pair: pair.source_seconds + pair.seconds
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of the generator; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="mumu_training.data.edits",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="dataset folder to fill")
    add_options(parser, "pairs", 1000)
    order = order_of(parser, parser.parse_args(argv))
    try:
        generate(**order)
    except (ValueError, FileNotFoundError, RuntimeError) as error:
        parser.exit(2, f"{error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
