"""Generates the music of the dataset: composed, rendered, captioned, listed in the manifest.

    python -m mumu_training.data.music --out DIR --count N --seconds 12 --seed S --workers 2
    python -m mumu_training.data.music --examples DIR

Compositions are numbered; number and `--seed` decide everything about one, its split included, so
a run can be stopped, resumed and extended, and two machines make the same scores (and, but for
FluidSynth's dither, the same sound).
"""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from mumu_training.data.composer import Piece, compose
from mumu_training.data.dataset import (
    EXAMPLE_SEED,
    SOUNDFONTS,
    add_options,
    make_all,
    order_of,
    refuse_kept,
    require_soundfonts,
)
from mumu_training.data.manifest import (
    MANIFEST_NAME,
    RECORDS_A_SEED,
    SAMPLE_RATE,
    MusicRecord,
    read_music,
    split_of,
)
from mumu_training.data.music_captions import full_caption, music_caption, music_captions
from mumu_training.data.render import Audio, Renderer, mix, wetness_of

__all__ = [
    "SongJob",
    "full_caption",
    "main",
    "make_song",
    "music_caption",
    "music_captions",
    "song_seed",
]

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "waltz-violin-slow": {
        "style": "waltz",
        "instrument": "violin",
        "tempo": 82.0,
        "key": "A",
        "mode": "minor",
        "mood": "sad",
        "metre": "3/4",
        "density": "medium",
    },
    "rock-guitar-fast": {
        "style": "rock",
        "instrument": "electric guitar",
        "tempo": 148.0,
        "key": "E",
        "mode": "major",
        "mood": "energetic",
        "metre": "4/4",
        "density": "dense",
    },
    "jazz-saxophone-moderate": {
        "style": "jazz",
        "instrument": "saxophone",
        "tempo": 112.0,
        "key": "Bb",
        "mode": "major",
        "mood": "happy",
        "metre": "4/4",
        "density": "medium",
    },
    "lullaby-music-box-slow": {
        "style": "lullaby",
        "instrument": "music box",
        "tempo": 66.0,
        "key": "F",
        "mode": "major",
        "mood": "dreamy",
        "metre": "6/8",
        "density": "sparse",
        "drums": False,
    },
}


def song_seed(seed: int, number: int) -> int:
    """Seed of one composition of a dataset.

    Raises:
        ValueError: the number does not fit.
    """
    if not 0 <= number < RECORDS_A_SEED:
        raise ValueError(f"Composition numbers go from 0 to {RECORDS_A_SEED - 1}, not {number}.")
    return seed * RECORDS_A_SEED + number


def song_id(seed: int, number: int) -> str:
    """Id of one composition of a dataset, such as `s1-000042`."""
    return f"s{seed}-{number:06d}"


def soundfont_of(seed: int) -> str:
    """File name of the soundfont that plays a composition."""
    rng = np.random.default_rng([seed, 2])
    names = list(SOUNDFONTS)
    return names[int(rng.choice(len(names), p=list(SOUNDFONTS.values())))]


def render_piece(piece: Piece, renderer: Renderer) -> Audio:
    """Audio of a piece, `[samples]` at 24 kHz; its mood decides how wet the room is."""
    rng = np.random.default_rng([piece.plan.seed, 3])
    stems = renderer.stems(piece.midi, piece.plan.seconds)
    return mix(stems, rng, wetness_of(piece.plan.attributes.mood))


@dataclass(frozen=True)
class SongJob:
    """What a worker needs to know to make one song."""

    out: str
    seed: int
    number: int
    seconds: float
    soundfonts: str
    """Folder of the training soundfonts."""
    soundfont: str | None = None
    """File of one soundfont to play this song whatever its seed, as for evaluation."""


_renderers: dict[Path, Renderer] = {}


def make_song(job: SongJob) -> MusicRecord:
    """Compose and render one song into the dataset folder; returns its manifest record."""
    seed = song_seed(job.seed, job.number)
    font = Path(job.soundfont) if job.soundfont else Path(job.soundfonts) / soundfont_of(seed)
    if font not in _renderers:
        _renderers[font] = Renderer(font)
    piece = compose(seed, job.seconds)
    audio = render_piece(piece, _renderers[font])
    name = song_id(job.seed, job.number)
    path = Path(job.out) / "music" / f"{name}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Readers may look while we write: the file appears whole or not at all.
    part = path.with_name(f".{name}.{os.getpid()}.part")
    soundfile.write(part, audio, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    part.replace(path)
    rng = np.random.default_rng([seed, 4])
    attributes = piece.plan.attributes
    return MusicRecord(
        id=name,
        split=split_of(job.number),
        composition=name,
        path=f"music/{name}.flac",
        seconds=round(audio.size / SAMPLE_RATE, 4),
        seed=seed,
        soundfont=font.name,
        attributes=attributes,
        captions=music_captions(attributes, rng, int(rng.integers(2, 5))),
        beats=piece.beats,
    )


def generate(
    out: Path, count: int, seconds: float, seed: int, workers: int, soundfonts: Path, resume: bool
) -> int:
    """Make compositions 0 to `count` - 1 of a seed, except those the manifest has already.

    Returns:
        How many songs were made.

    Raises:
        ValueError: the seed is kept for something else, or the folder has songs and `resume` is false.
        FileNotFoundError: a soundfont is missing.
    """
    refuse_kept(seed)
    require_soundfonts(soundfonts)
    done: set[str] = set()
    if (out / MANIFEST_NAME).is_file():
        done = {record.id for record in read_music(out)}
        if done and not resume:
            raise ValueError(f"{out} already has {len(done)} songs: add --resume to continue.")
    jobs = [
        SongJob(str(out), seed, number, seconds, str(soundfonts))
        for number in range(count)
        if song_id(seed, number) not in done
    ]
    return make_all(out, jobs, make_song, workers, "songs", lambda record: record.seconds)


def make_examples(out: Path, soundfonts: Path, seconds: float = 20.0) -> list[Path]:
    """Render the songs shipped as examples, as small MP3 files named by what they are."""
    out.mkdir(parents=True, exist_ok=True)
    renderer = Renderer(soundfonts / "FluidR3_GM.sf2")
    paths: list[Path] = []
    for number, (name, fixed) in enumerate(EXAMPLES.items()):
        piece = compose(song_seed(EXAMPLE_SEED, number), fixed={**fixed, "seconds": seconds})
        audio = render_piece(piece, renderer)
        audio *= 0.9 / np.abs(audio).max()
        path = out / f"{name}.mp3"
        title = full_caption(piece.plan.attributes)
        command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y"]
        command += ["-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "pipe:0"]
        command += ["-b:a", "96k", "-metadata", f"title={title}", str(path)]
        subprocess.run(command, input=audio.astype("<f4").tobytes(), check=True)
        print(f"{path.name}: {title}")
        paths.append(path)
    renderer.close()
    return paths


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of the generator; returns the exit status."""
    parser = argparse.ArgumentParser(prog="mumu_training.data.music", description=__doc__)
    parser.add_argument("--out", type=Path, help="dataset folder to fill")
    add_options(parser, "songs", 3000)
    parser.add_argument("--examples", type=Path, metavar="DIR", help="render the examples instead")
    options = parser.parse_args(argv)
    try:
        if options.examples:
            make_examples(options.examples, options.soundfonts)
        elif options.out:
            generate(**order_of(parser, options))
        else:
            parser.error("say where to write: --out DIR or --examples DIR")
    except (ValueError, FileNotFoundError) as error:
        parser.exit(2, f"{error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
