"""Drawn scenes, still and moving, with captions and the music they call for.

    python -m mumu_training.data.scenes --out DIR --images N --clips N --seed S --workers 2 [--resume]
    python -m mumu_training.data.scenes --examples DIR

The first draws into a dataset folder (images/, videos/ and rows of its manifest), the second
draws three large pictures and a clip, from seeds that no dataset uses, for people to try.
What may be seen is in scene_vocabulary, which music suits it in scene_rules.
A scene's number gives its seed and its split, so no scene is ever in two splits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mumu_training.data import scene_vocabulary as words
from mumu_training.data.chance import Chance, likely, pick, weighted
from mumu_training.data.clips import clip_frames, write_clip
from mumu_training.data.dataset import refuse_kept
from mumu_training.data.manifest import (
    RECORDS_A_SEED,
    ImageRecord,
    Record,
    VideoRecord,
    append_records,
    read_manifest,
    split_of,
)
from mumu_training.data.music_captions import full_caption
from mumu_training.data.scene_canvas import Look
from mumu_training.data.scene_painter import Painter
from mumu_training.data.scene_rules import music_for, scene_caption

PICTURE_SIZE = 192
"""Pixels of a side as drawn; the image encoder sees 128."""
_EXAMPLE_SEED = 9_000_000_000
"""Far past any seed of a dataset."""
_EXAMPLES: dict[str, Look] = {
    "snowy-forest-night": Look("night", "snow", "forest", "none", "natural"),
    "beach-sunset": Look("sunset", "clear", "beach", "one", "natural"),
    "city-party-night": Look("night", "clear", "city", "crowd", "vivid"),
}
_EXAMPLE_CLIP = Look("day", "clear", "field", "none", "vivid", "driving")


@dataclass(frozen=True)
class Job:
    """One scene to draw."""

    folder: str
    number: int
    seed: int
    moving: bool

    @property
    def id(self) -> str:
        """Name of the scene in the dataset."""
        return f"{'clip' if self.moving else 'scene'}-{self.seed}"

    @property
    def path(self) -> str:
        """File of the scene, relative to the dataset folder."""
        return f"videos/{self.id}.npz" if self.moving else f"images/{self.id}.webp"


def draw_look(rng: Chance, moving: bool) -> Look:
    """A random scene that can be: no snow in the desert, cars in cities, dancers for dancing."""
    people = weighted(rng, {"none": 0.45, "one": 0.27, "crowd": 0.28})
    place, weather = pick(rng, words.PLACES), pick(rng, words.WEATHERS)
    motion = "still"
    if moving:
        motion = pick(rng, words.MOTIONS)
        if motion == "falling":
            weather = pick(rng, ("rain", "snow", "storm"))
        elif motion == "still":
            weather = pick(rng, ("clear", "fog"))
        if motion == "traffic":
            place = "city"
        elif motion in ("drift", "driving") and place == "room":
            place = pick(rng, words.PLACES[:-1])
        if motion in ("walking", "dancing"):
            people = {"walking": "one", "dancing": "crowd"}[motion]
        elif motion == "driving" or people == "crowd":
            people = "none"
    if place == "desert" and weather == "snow":
        place = "mountains"
    palette = "natural" if likely(rng, 0.5) else pick(rng, words.PALETTES[1:])
    return Look(pick(rng, words.TIMES), weather, place, people, palette, motion)


def draw_scene(job: Job) -> Record:
    """Draw one scene into its file (unless it is there already) and return its record."""
    rng = np.random.default_rng([job.seed, int(job.moving)])
    look = draw_look(rng, job.moving)
    seconds = round(float(rng.uniform(2.5, 6.5)), 2)
    file = Path(job.folder) / job.path
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")  # a half-written file must not pass for a whole one
        with part.open("wb") as stream:
            if job.moving:
                np.savez_compressed(stream, frames=clip_frames(look, job.seed, seconds))
            else:
                picture = Painter(look, job.seed, PICTURE_SIZE).frame()
                picture.save(stream, format="WEBP", quality=88, method=2)
        part.replace(file)
    attributes = asdict(look)
    music = music_for(look, job.moving)
    caption = scene_caption(look, rng, job.moving)
    called_for = full_caption(music)
    split = split_of(job.number)
    if job.moving:
        attributes["seconds"] = seconds
        return VideoRecord(
            job.id, split, job.path, job.seed, attributes, caption, music, called_for
        )
    del attributes["motion"]
    return ImageRecord(job.id, split, job.path, job.seed, attributes, caption, music, called_for)


def draw_dataset(
    folder: Path, images: int, clips: int, seed: int, workers: int, resume: bool
) -> Iterator[int]:
    """Draw a dataset's scenes and append them to its manifest; yields how many are done.

    Raises:
        FileExistsError: the folder has some of these scenes already and `resume` is false.
        ValueError: the seed is kept for something that nothing may be trained on.
    """
    refuse_kept(seed)
    jobs = [Job(str(folder), n, seed * RECORDS_A_SEED + n, False) for n in range(images)]
    jobs += [Job(str(folder), n, seed * RECORDS_A_SEED + n, True) for n in range(clips)]
    known: set[str] = set()
    if (folder / "manifest.jsonl").exists():
        known = {record.id for record in read_manifest(folder)}
    left = [job for job in jobs if job.id not in known]
    if len(left) < len(jobs) and not resume:
        raise FileExistsError(f"{folder} has scenes of seed {seed} already: give --resume.")
    done = len(jobs) - len(left)
    with ProcessPoolExecutor(max_workers=workers) as pool:
        for start in range(0, len(left), 64):
            records = list(pool.map(draw_scene, left[start : start + 64], chunksize=8))
            append_records(folder, records)
            done += len(records)
            yield done


def draw_examples(folder: Path) -> list[Path]:
    """Draw the page's example pictures (512 x 512 WebP) and clip (6 s mp4); returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for n, (name, look) in enumerate(_EXAMPLES.items()):
        files.append(folder / f"{name}.webp")
        picture = Painter(look, _EXAMPLE_SEED + n, 512).frame()
        picture.save(files[-1], format="WEBP", quality=86, method=6)
    files.append(folder / "country-drive.mp4")
    write_clip(files[-1], _EXAMPLE_CLIP, _EXAMPLE_SEED, 6.0)
    return files


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Draw scenes that call for music.")
    parser.add_argument("--out", type=Path, help="dataset folder to draw into")
    parser.add_argument("--images", type=int, default=2500, help="still scenes (default 2500)")
    parser.add_argument("--clips", type=int, default=900, help="moving scenes (default 900)")
    parser.add_argument("--seed", type=int, default=1, help="seed, 0 to 999 (default 1)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--resume", action="store_true", help="draw only what is missing")
    parser.add_argument("--examples", type=Path, help="folder to draw the page's examples into")
    options = parser.parse_args(arguments)
    if (options.out is None) == (options.examples is None):
        parser.error("give either --out or --examples")
    if not 0 <= options.seed < 1000 or options.workers < 1:
        parser.error("--seed is 0 to 999 and --workers at least 1")
    if options.examples is not None:
        for file in draw_examples(options.examples):
            print(f"{file.name}: {file.stat().st_size // 1024} KiB")
        return 0
    total = options.images + options.clips
    try:
        for done in draw_dataset(
            options.out,
            options.images,
            options.clips,
            options.seed,
            options.workers,
            options.resume,
        ):
            print(f"{done} of {total} scenes", flush=True)
    except (FileExistsError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
