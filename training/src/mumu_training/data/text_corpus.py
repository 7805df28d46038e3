"""Plain text of the generated world, without its sounds and pictures.

    python -m mumu_training.data.text_corpus --out FILE --lines N [--seed S]

For the base language model and the tokenizer: conversations in the prompt template about songs and
scenes that are only drawn up, never rendered, captions, and sentences about music from a small
grammar. One JSON object a line, {"text": ...}, because a conversation has several lines.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mumu_training.data import vocabulary as words
from mumu_training.data.chance import Chance, pick, weighted
from mumu_training.data.composer_plan import make_plan
from mumu_training.data.conversations import Example, examples, plain_examples
from mumu_training.data.manifest import ImageRecord, MusicRecord, VideoRecord
from mumu_training.data.music_captions import full_caption, music_caption
from mumu_training.data.music_words import MOOD_SYNONYMS, TEMPO_PHRASES, article
from mumu_training.data.scene_rules import music_for, scene_caption, scene_phrase
from mumu_training.data.scenes import draw_look
from mumu_training.data.talk_music import PURPOSES

TEMPLATE = (
    "Below is an instruction that describes a task. Write a response that appropriately completes "
    "the request.\n\n### Instruction:\n{instruction}\n\n### Response:"
)
"""The prompt of M2UGen and MuMu-LLaMA."""
_SOUNDS: dict[str, str] = {
    "piano": "hammers strike its strings",
    "harpsichord": "quills pluck its strings",
    "music box": "pins pluck a small steel comb",
    "vibraphone": "mallets strike metal bars",
    "marimba": "mallets strike wooden bars",
    "organ": "air blows through its pipes",
    "accordion": "bellows push air over reeds",
    "acoustic guitar": "fingers pluck its strings",
    "electric guitar": "an amplifier makes its strings loud",
    "violin": "a bow is drawn over its strings",
    "cello": "a bow is drawn over its deep strings",
    "strings": "many bows play together",
    "choir": "many people sing together",
    "trumpet": "the player's lips buzz in the mouthpiece",
    "trombone": "a slide makes its notes longer",
    "saxophone": "a reed trembles on its mouthpiece",
    "clarinet": "a single reed trembles",
    "flute": "air is blown across a hole",
    "synth": "electronic circuits make its waves",
    "banjo": "fingers pluck strings over a drum skin",
}


def song_on_paper(seed: int) -> MusicRecord:
    """The record of a composition that is planned but not rendered."""
    attributes = make_plan(seed).attributes
    return MusicRecord(f"paper-{seed}", "train", "paper", "", 0.0, seed, "", attributes, [])


def scene_on_paper(rng: Chance, moving: bool) -> ImageRecord | VideoRecord:
    """The record of a scene that is made up but not drawn."""
    look = draw_look(rng, moving)
    music = music_for(look, moving)
    kind = VideoRecord if moving else ImageRecord
    caption = scene_caption(look, rng, moving)
    return kind("paper", "train", "", 0, asdict(look), caption, music, full_caption(music))


def sentence(rng: Chance) -> str:
    """A true sentence about music from a small grammar."""
    name = pick(rng, list(words.INSTRUMENTS))
    mood, style = pick(rng, words.MOODS), pick(rng, words.STYLES)
    pace, purpose = pick(rng, words.TEMPO_WORDS), pick(rng, list(PURPOSES))
    bpm = 55 + int(rng.random() * 130)
    key = f"{pick(rng, words.KEYS)} {pick(rng, words.MODES)}"
    family = words.INSTRUMENTS[name].family
    scene = scene_phrase(draw_look(rng, False), rng)
    forms = (
        f"{article(name).capitalize()} {'sound' if name == 'strings' else 'sounds'} when "
        f"{_SOUNDS[name]}.",
        f"The family of the {name} is {family}.",
        f"A tempo of {bpm} bpm is {words.tempo_word(bpm)}.",
        f"{bpm} beats per minute is {words.tempo_word(bpm)}.",
        f"Music that is {pick(rng, MOOD_SYNONYMS[mood])} has the mood {mood}.",
        f"{pick(rng, TEMPO_PHRASES[pace]).capitalize()} music has a {pace} tempo.",
        f"For {purpose} people like {PURPOSES[purpose][1]} {PURPOSES[purpose][0]} music.",
        f"{article(words.STYLE_NOUNS[style][-1]).capitalize()} is a piece in the style {style}.",
        f"The song is in {key}, and {article(name)} plays the melody.",
        f"We see {scene}, and we hear {article(name)}.",
        f"The music for {scene} should be {pick(rng, MOOD_SYNONYMS[mood])}.",
        "A waltz has three beats in a bar.",
        "A metre of 4/4 has four beats in a bar, and 3/4 has three.",
        "Pieces in minor often sound sad or dark, pieces in major often sound happy.",
    )
    return pick(rng, forms)


def _in_template(example: Example) -> str:
    return f"{TEMPLATE.format(instruction=example.instruction)} {example.answer}"


def documents(rng: np.random.Generator, count: int) -> Iterator[str]:
    """Texts, each whole: a conversation turn in the prompt template, a caption or sentences."""
    shares = {"song": 0.4, "plain": 0.25, "scene": 0.15, "caption": 0.1, "sentences": 0.1}
    for _ in range(count):
        kind = weighted(rng, shares)
        if kind == "song":
            record = song_on_paper(int(rng.integers(2**31)))
            yield _in_template(examples(record, rng, 1)[0])
        elif kind == "plain":
            yield _in_template(plain_examples(rng, 1)[0])
        elif kind == "scene":
            yield _in_template(examples(scene_on_paper(rng, rng.random() < 0.5), rng, 1)[0])
        elif kind == "caption":
            attributes = make_plan(int(rng.integers(2**31))).attributes
            yield full_caption(attributes) if rng.random() < 0.4 else music_caption(attributes, rng)
        else:
            yield " ".join(sentence(rng) for _ in range(1 + int(rng.integers(3))))


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write plain text of the generated world.")
    parser.add_argument("--out", type=Path, required=True, help="file to write (JSON lines)")
    parser.add_argument("--lines", type=int, default=20000, help="texts (default 20000)")
    parser.add_argument("--seed", type=int, default=1, help="seed (default 1)")
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", encoding="utf-8") as stream:
        for text in documents(np.random.default_rng(options.seed), options.lines):
            stream.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
