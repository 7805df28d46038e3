"""What is known about a song or a scene as a dense vector: the language model's teacher.

While the language model learns to speak (stage 0), it is told the true attributes through the same
injection that the adapters will use: a table per modality turns the vector into a feature of LLaMA's
width. Stage 1 then only has to teach the adapters to say the same from encoder states. The tables
are thrown away with the encoders' supervised heads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mumu_training.data import scene_vocabulary, vocabulary
from mumu_training.data.manifest import MusicAttributes, MusicRecord, Record

TEMPO_BINS = 60
TEMPO_LOW, TEMPO_HIGH = 45.0, 230.0
Vector = NDArray[np.float32]

_MUSIC: dict[str, Sequence[str]] = {
    "instrument": list(vocabulary.INSTRUMENTS),
    "family": vocabulary.FAMILIES,
    "key": vocabulary.KEYS,
    "mode": vocabulary.MODES,
    "metre": vocabulary.METRES,
    "style": vocabulary.STYLES,
    "mood": vocabulary.MOODS,
    "density": vocabulary.DENSITIES,
    "energy": vocabulary.ENERGIES,
}
_ENSEMBLE = (
    *vocabulary.INSTRUMENTS,
    *vocabulary.BASSES,
    vocabulary.PAD,
    vocabulary.DRUMS,
)
_SCENE: dict[str, Sequence[str]] = {
    "time": scene_vocabulary.TIMES,
    "weather": scene_vocabulary.WEATHERS,
    "place": scene_vocabulary.PLACES,
    "people": scene_vocabulary.PEOPLE,
    "palette": scene_vocabulary.PALETTES,
    "motion": scene_vocabulary.MOTIONS,
}
_SCENE_MUSIC = ("instrument", "mode", "metre", "style", "mood")
MUSIC_WIDTH = sum(map(len, _MUSIC.values())) + len(_ENSEMBLE) + TEMPO_BINS
SCENE_WIDTH = (
    sum(map(len, _SCENE.values())) + sum(len(_MUSIC[name]) for name in _SCENE_MUSIC) + TEMPO_BINS
)


def tempo_centres() -> NDArray[np.float64]:
    """Centres of the log-spaced tempo bins, beats a minute."""
    return np.geomspace(TEMPO_LOW, TEMPO_HIGH, TEMPO_BINS)


def tempo_bell(tempo: float) -> Vector:
    """A bell over the bins around a tempo `[bins]` (deviation one bin, 2.8 %), summing to 1."""
    step = math.log(TEMPO_HIGH / TEMPO_LOW) / (TEMPO_BINS - 1)
    place = math.log(tempo / TEMPO_LOW) / step
    bell = np.exp(-0.5 * (np.arange(TEMPO_BINS) - place) ** 2)
    return np.asarray(bell / bell.sum(), dtype=np.float32)


def _one_hot(word: object, words: Sequence[str]) -> Vector:
    return np.array([str(word) == entry for entry in words], dtype=np.float32)


def music_vector(attributes: MusicAttributes) -> Vector:
    """`[MUSIC_WIDTH]` of a song."""
    parts = [_one_hot(getattr(attributes, name), words) for name, words in _MUSIC.items()]
    sounding = set(attributes.instruments)
    parts.append(np.array([name in sounding for name in _ENSEMBLE], dtype=np.float32))
    parts.append(2 * tempo_bell(attributes.tempo))
    return np.concatenate(parts)


def scene_vector(attributes: Mapping[str, object], music: Mapping[str, object]) -> Vector:
    """`[SCENE_WIDTH]` of a picture or clip with the music that suits it."""
    parts = [_one_hot(attributes.get(name, ""), words) for name, words in _SCENE.items()]
    parts += [_one_hot(music.get(name, ""), _MUSIC[name]) for name in _SCENE_MUSIC]
    tempo = music.get("tempo")
    bell = np.zeros(TEMPO_BINS, dtype=np.float32)
    parts.append(2 * tempo_bell(float(str(tempo))) if tempo is not None else bell)
    return np.concatenate(parts)


def vector_of(record: Record) -> Vector:
    """The vector of a record of any kind."""
    if isinstance(record, MusicRecord):
        return music_vector(record.attributes)
    return scene_vector(record.attributes, record.music)


class AttributeTables(nn.Module):
    """The three tables: `audio`, `image` and `video`, vector to feature `[batch, dim]`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.audio = nn.Linear(MUSIC_WIDTH, dim, bias=False)
        self.image = nn.Linear(SCENE_WIDTH, dim, bias=False)
        self.video = nn.Linear(SCENE_WIDTH, dim, bias=False)
        for table in (self.audio, self.image, self.video):
            nn.init.normal_(
                table.weight, std=1.0
            )  # loud enough to be heard in the residual stream at once
