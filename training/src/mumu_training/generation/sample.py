"""Listen to what was trained: captions to WAV files, with figures that need no ears.

python -m mumu_training.generation.sample --caption "a fast rock piece" --seconds 10 --out x.wav
python -m mumu_training.generation.sample --check 4
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from transformers import MusicgenForConditionalGeneration

from mumu_training.generation.measures import onset_times
from mumu_training.generation.music_model import caption_batch, whole_model
from mumu_training.recipe import Recipe, load_recipe
from mumu_training.stage0.music_decoder import load_codec, load_music_model, load_tokenizer
from mumu_training.text import PromptTokenizer

DEFAULT_RECIPE = Path(__file__).parents[3] / "recipes" / "mini.yaml"


@dataclass
class Sampling:
    """How codes are drawn; the recipe's values unless told."""

    guidance_scale: float
    top_k: int
    temperature: float = 1.0
    seed: int = 0


class Musician:
    """The trained generation side with its tokenizer, through transformers' own `generate`."""

    def __init__(
        self, model: MusicgenForConditionalGeneration, tokenizer: PromptTokenizer, longest: int
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.longest = longest

    @property
    def rate(self) -> int:
        """Sampling rate of what is made, in Hz."""
        return int(self.model.config.audio_encoder.sampling_rate)

    @torch.inference_mode()
    def play(
        self, captions: Sequence[str], seconds: float, sampling: Sampling
    ) -> NDArray[np.float32]:
        """Waveforms `[captions, samples]` of about `seconds`."""
        ids, mask = caption_batch([self.tokenizer.encode(text) for text in captions], self.longest)
        codec = self.model.config.audio_encoder
        frames = max(1, round(seconds * codec.sampling_rate / codec.hop_length))
        torch.manual_seed(sampling.seed)
        wave = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=True,
            guidance_scale=sampling.guidance_scale,
            top_k=sampling.top_k,
            temperature=sampling.temperature,
            max_length=frames + self.model.decoder.num_codebooks,
        )
        return wave[:, 0].numpy()


def load_musician(recipe: Recipe) -> Musician:
    """The musician of a recipe whose `codec` and `music` jobs have run."""
    model = whole_model(load_music_model(recipe), load_codec(recipe))
    longest = int(recipe.component("text_encoder").get("max_tokens", 32))
    return Musician(model, load_tokenizer(recipe), longest)


def figures(wave: NDArray[np.float32], rate: int) -> dict[str, float]:
    """Level (dBFS), peak, share of silence and of clipping, onsets a second."""
    level = 20 * np.log10(np.sqrt((wave**2).mean()) + 1e-9)
    frames = wave[: len(wave) // 400 * 400].reshape(-1, 400)
    return {
        "level_db": float(level),
        "peak": float(np.abs(wave).max()),
        "silent": float((np.abs(frames).max(axis=1) < 1e-3).mean()),
        "clipped": float((np.abs(wave) >= 1.0).mean()),
        "onsets_per_second": len(onset_times(wave, rate)) / (len(wave) / rate),
    }


def check(musician: Musician, count: int, sampling: Sampling) -> dict[str, dict[str, float]]:
    """Mean figures of `count` slow and `count` fast pieces: the fast ones should have more onsets."""
    names = ("piano", "violin", "acoustic guitar", "flute")
    rows = {}
    for word, bpm in (("slow", 65), ("fast", 165)):
        captions = [
            f"a {word} {'calm' if word == 'slow' else 'energetic'} piece of music with "
            f"{names[index % len(names)]} at {bpm} bpm"
            for index in range(count)
        ]
        made = [figures(wave, musician.rate) for wave in musician.play(captions, 8.0, sampling)]
        rows[word] = {key: float(np.mean([row[key] for row in made])) for key in made[0]}
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, default=DEFAULT_RECIPE)
    parser.add_argument("--caption", help="what to play")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--out", type=Path, help="WAV file to write")
    parser.add_argument("--check", type=int, metavar="N", help="compare N slow and N fast pieces")
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--top-k", type=int)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if not options.check and not (options.caption and options.out):
        parser.error("give --caption and --out, or --check")
    recipe = load_recipe(options.recipe)
    component = recipe.component("music_decoder")
    sampling = Sampling(
        options.guidance or float(component["guidance_scale"]),
        options.top_k or int(component["top_k"]),
        options.temperature,
        options.seed,
    )
    try:
        musician = load_musician(recipe)
    except FileNotFoundError as error:
        print(f"sample: {error}", file=sys.stderr)
        return 2
    if options.check:
        for word, row in check(musician, options.check, sampling).items():
            print(word, " ".join(f"{key} {value:.3f}" for key, value in row.items()))
    if options.caption and options.out:
        wave = musician.play([options.caption], options.seconds, sampling)[0]
        soundfile.write(options.out, np.clip(wave, -1, 1), musician.rate)
        row = figures(wave, musician.rate)
        print(options.out, " ".join(f"{key} {value:.3f}" for key, value in row.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
