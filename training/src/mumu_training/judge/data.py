"""The judge's own songs: another seed and other soundfonts than any pack is trained on.

Only features are kept, 60 KB a song. Most songs are damaged a little before (equalisation, noise,
lossy coding, low rates), and half are rebuilt from their magnitude spectrum alone, some of it in
coarse bands: what packs generate comes out of a codec, and a judge that knows clean renderings only
can't hear who plays through one. No pack's codec is used for that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mumu_training.data.augment import augment
from mumu_training.data.composer import compose
from mumu_training.data.dataset import JUDGE_SEED, SOUNDFONTS
from mumu_training.data.manifest import MusicAttributes
from mumu_training.data.music import render_piece, song_seed
from mumu_training.data.render import Renderer
from mumu_training.judge.features import RATE, Features, extract
from mumu_training.judge.resynthesis import resynthesise

JUDGE_SOUNDFONTS: dict[str, float] = {
    "sf3/MuseScore_General_Full.sf3": 0.55,
    "sf2/sf_GMbank.sf2": 0.3,
    "sf2/OPL-3_FM_128M.sf2": 0.15,
}
"""Debian's musescore-general-, csound- and opl3-soundfont, and the share of songs each plays."""
SONG_SECONDS = 8.0
_AUGMENTED = 0.7
_RESYNTHESISED = 0.5
_INDEX = "songs.jsonl"


def make_songs(
    folder: Path,
    count: int,
    fonts: Path,
    seed: int = JUDGE_SEED,
    soundfonts: Mapping[str, float] = MappingProxyType(JUDGE_SOUNDFONTS),
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Render songs 0 to `count` - 1 and keep their features; songs there already are kept.

    Args:
        fonts: folder that the names of `soundfonts` are relative to.
        soundfonts: the share of songs that each plays.

    Raises:
        FileNotFoundError: a soundfont is missing.
        ValueError: a soundfont is one that plays training songs.
    """
    for name in soundfonts:
        if not (fonts / name).is_file():
            raise FileNotFoundError(f"No soundfont {name} in {fonts}; see docs/evaluation.md.")
        if Path(name).name in SOUNDFONTS:
            raise ValueError(f"{name} plays training songs: the judge needs another.")
    (folder / "features").mkdir(parents=True, exist_ok=True)
    index = folder / _INDEX
    done = {json.loads(line)["number"] for line in _lines(index)}
    renderers: dict[str, Renderer] = {}
    shares = list(soundfonts.values())
    for number in range(count):
        if number in done:
            continue
        rng = np.random.default_rng([song_seed(seed, number), 9])
        font = list(soundfonts)[int(rng.choice(len(shares), p=shares))]
        if font not in renderers:
            renderers[font] = Renderer(fonts / font)
        piece = compose(song_seed(seed, number), SONG_SECONDS)
        audio = render_piece(piece, renderers[font])
        if rng.random() < _RESYNTHESISED:
            audio = resynthesise(audio, RATE, rng)
        if rng.random() < _AUGMENTED:
            audio = augment(audio, RATE, rng)
        made = extract(audio)
        np.savez(
            folder / "features" / f"{number:06d}.npz",
            mel=made.mel.astype(np.float16),
            rhythm=made.rhythm,
            notes=made.notes,
        )
        row = {"number": number, "font": font, "attributes": asdict(piece.plan.attributes)}
        with index.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        if (number + 1) % 50 == 0:
            report(f"{number + 1}/{count} songs of the judge rendered")


def read_songs(folder: Path, count: int) -> list[tuple[Features, MusicAttributes]]:
    """Features and attributes of songs 0 to `count` - 1, in the order of their numbers."""
    rows = {row["number"]: row for row in map(json.loads, _lines(folder / _INDEX))}
    songs = []
    for number in sorted(rows):
        if number >= count:
            break
        with np.load(folder / "features" / f"{number:06d}.npz") as kept:
            features = Features(kept["mel"].astype(np.float32), kept["rhythm"], kept["notes"])
        songs.append((features, MusicAttributes(**rows[number]["attributes"])))
    return songs


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []
