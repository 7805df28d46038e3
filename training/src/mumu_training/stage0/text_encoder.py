"""Stage 0: teach the text encoder what captions say, before the music decoder listens to it.

Trained from random weights together with the decoder, the text encoder gets hardly any gradient
until the decoder looks at it, and the decoder has no reason to look until it says something: the
first checkpoints never got out of that. Here it learns to say at the end of the caption (`</s>`)
what the caption names; it costs minutes. Captions are made up, so there is no end of them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import T5EncoderModel

from mumu_training.data import vocabulary as words
from mumu_training.data.chance import Chance, likely, pick
from mumu_training.data.music_words import plain_caption, tempo_word_of
from mumu_training.data.talk_music import Wish, random_wish
from mumu_training.generation.codec import codec_config
from mumu_training.generation.metronome import pulse
from mumu_training.generation.music_model import (
    caption_batch,
    position_rates,
    text_encoder_config,
)
from mumu_training.judge.model import TEMPI, tempo_target
from mumu_training.loop import TrainingJob, pick_device, run_training
from mumu_training.recipe import Recipe
from mumu_training.runs import TrainingError, is_done, restore_model
from mumu_training.text import PromptTokenizer

JOB = "text"
SPACES: dict[str, tuple[str, ...]] = {
    "instrument": tuple(words.INSTRUMENTS),
    "style": words.STYLES,
    "mood": words.MOODS,
    "key": words.KEYS,
    "mode": words.MODES,
    "metre": words.METRES,
    "tempo_word": words.TEMPO_WORDS,
}
"""What is asked for by name. The class after the last is "not said"."""
CLOCK_WEIGHT = 1.0
CLOCK_SPREAD = 0.4
"""Of the bell around a tempo's rate, in steps of the rates: about what lies between the two nearest. A
wide bell is a sum of many rates, which are out of step with each other after a few seconds."""


class CaptionReader(nn.Module):
    """The text encoder with a linear head per attribute on the state of `</s>`.

    `clock` gives, for every token, how strongly each of the music decoder's positional rates `[rates]`
    (radians a frame) turns once a pulse of the tempo that the caption ends with: what the decoder's
    metronome is made of (`generation/metronome.py`). Every other token says nothing.
    """

    def __init__(self, component: dict[str, Any], rates: Tensor, frame_rate: float) -> None:
        super().__init__()
        config = text_encoder_config(component)
        self.text_encoder = T5EncoderModel(config)
        self.rates, self.frame_rate = rates, frame_rate
        self.clock = nn.Linear(config.d_model, len(rates), bias=False)
        nn.init.zeros_(self.clock.weight)
        sizes = {name: len(values) + 1 for name, values in SPACES.items()} | {"tempo": len(TEMPI)}
        self.heads = nn.ModuleDict(
            {name: nn.Linear(config.d_model, size) for name, size in sizes.items()}
        )

    def forward(self, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Caption ids and mask `[B, L]` -> logits `[B, classes]` by attribute."""
        states = self.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        last = states[torch.arange(len(ids), device=ids.device), mask.sum(dim=1) - 1]
        return {name: head(last) for name, head in self.heads.items()} | {
            "clock": self.clock(states)
        }

    def clock_targets(self, bpm: Tensor) -> Tensor:
        """Bells over the rates `[B, rates]`, each adding up to 1, for tempi `[B]` (0: none is said)."""
        turn = 2 * math.pi * pulse(bpm) / 60 / self.frame_rate
        rates = self.rates.to(bpm.device)
        steps = torch.log(turn[:, None] / rates) / torch.log(rates[0] / rates[1])
        bells = torch.exp(-0.5 * (steps / CLOCK_SPREAD) ** 2)
        return bells / bells.sum(1, keepdim=True).clamp_min(1e-6) * (bpm > 0)[:, None]


def asked(rng: Chance) -> Wish:
    """A wish whose tempo is mostly a number: words are learned in no time, numbers are not."""
    wish = random_wish(rng)
    if likely(rng, 0.7):
        wish.pop("tempo_word", None)
        wish["tempo"] = float(50 + int(rng.random() * 140))
    if likely(rng, 0.15):
        wish["metre"] = pick(rng, words.METRES)
    return wish


def targets(wish: Wish) -> tuple[list[int], list[float]]:
    """Classes in the order of SPACES, and a bell over TEMPI (all zero where no number is said)."""
    said = dict(wish) | {"tempo_word": tempo_word_of(wish)}
    if wish.get("style") in ("waltz", "lullaby") or wish.get("metre") == "4/4":
        said.pop("metre", None)  # the caption does not say it then
    classes = [
        values.index(said[name]) if said.get(name) else len(values)
        for name, values in SPACES.items()
    ]
    if wish.get("tempo") is None:
        return classes, [0.0] * len(TEMPI)
    return classes, tempo_target(torch.tensor([float(round(wish["tempo"]))]))[0].tolist()


Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def make_batch(
    rng: np.random.Generator, size: int, tokenizer: PromptTokenizer, longest: int
) -> Batch:
    """Caption ids and mask `[B, L]`, classes `[B, 7]`, tempo bells `[B, 64]`, tempi `[B]` (0: none)."""
    wishes = [asked(rng) for _ in range(size)]
    ids, mask = caption_batch([tokenizer.encode(plain_caption(wish)) for wish in wishes], longest)
    classes, bells = zip(*(targets(wish) for wish in wishes), strict=True)
    tempi = torch.tensor([float(round(wish.get("tempo") or 0.0)) for wish in wishes])
    return ids, mask, torch.tensor(classes), torch.tensor(bells), tempi


def batch_loss(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
    """Sum of the heads' cross-entropies, and how often each is right."""
    assert isinstance(model, CaptionReader)
    ids, mask, classes, bells, tempi = (part.to(model.clock.weight.device) for part in batch)
    logits = model(ids, mask)
    total = logits["tempo"].new_zeros(())
    right: dict[str, float] = {}
    for place, name in enumerate(SPACES):
        total = total + functional.cross_entropy(logits[name], classes[:, place])
        right[name] = float((logits[name].argmax(1) == classes[:, place]).float().mean())
    known = bells.sum(1) > 0
    if bool(known.any()):
        chosen = logits["tempo"][known].log_softmax(1)
        total = total - 2 * (chosen * bells[known]).sum(1).mean()
        off = (chosen.argmax(1) - bells[known].argmax(1)).abs()
        right["tempo"] = float((off <= 1).float().mean())
    clock = logits["clock"].float()
    wanted = torch.zeros_like(clock)
    rows = torch.arange(len(ids), device=ids.device)
    wanted[rows, mask.sum(dim=1) - 1] = model.clock_targets(tempi)
    off_clock = ((clock - wanted) * mask[..., None]).pow(2).sum(dim=2)
    total = total + CLOCK_WEIGHT * off_clock.sum(dim=1).mean()
    energy = float(wanted.pow(2).sum() / max(1, int((tempi > 0).sum())))
    right["clock_error"] = float(off_clock.detach().sum(dim=1).mean()) / max(energy, 1e-6)
    return total, right


def positions_of(recipe: Recipe) -> tuple[Tensor, float]:
    """The rates of the music decoder's positions (falling, radians a frame `[rates]`), and its frames a
    second."""
    music = recipe.component("music_decoder")
    rates = position_rates(int(music["hidden_size"]), float(music.get("position_base", 10_000)))
    return rates, float(codec_config(recipe.component("codec")).frame_rate)


def reader_of(recipe: Recipe) -> CaptionReader:
    """The text encoder of a recipe with its heads, freshly initialised."""
    return CaptionReader(recipe.component("text_encoder"), *positions_of(recipe))


def run(recipe: Recipe, resume: bool = True) -> None:
    """Train the `text` job, where the recipe has one."""
    if JOB not in recipe.jobs:
        print(f"{JOB}: the recipe has no such job", flush=True)
        return
    settings = recipe.job(JOB)
    component = recipe.component("text_encoder")
    longest = int(component.get("max_tokens", 32))
    tokenizer = PromptTokenizer(
        recipe.run_folder("tokenizer") / "tokenizer.json", recipe.prompt["template"]
    )
    torch.manual_seed(recipe.seed)
    unseen = make_batch(np.random.default_rng(7), 512, tokenizer, longest)
    run_training(
        TrainingJob(
            name=JOB,
            folder=recipe.run_folder(JOB),
            model=reader_of(recipe),
            settings=settings,
            batch=lambda rng: make_batch(rng, settings.batch_size, tokenizer, longest),
            loss=batch_loss,
            seed=recipe.seed,
            device=pick_device(),
            evaluate=lambda model: batch_loss(model, unseen)[1],
        ),
        resume,
    )


def load_reader(recipe: Recipe) -> CaptionReader | None:
    """What the `text` job learned; None where the recipe has no such job.

    Raises TrainingError when the job has not run.
    """
    if JOB not in recipe.jobs:
        return None
    folder = recipe.run_folder(JOB)
    if not is_done(folder):
        raise TrainingError(f"{JOB} has not been trained; run stage0 --only {JOB} first")
    reader = reader_of(recipe)
    restore_model(reader, folder)
    return reader
