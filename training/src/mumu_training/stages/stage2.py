"""Stage 2, generation: the output projector learns to give what the text encoder gives.

Rows that make music only. The rest is frozen but for the rows of `</s>` and the audio tokens, which
learn by cross-entropy to follow a caption (unless `token_rows` is off, for a recipe that fits the
projector last, to the states of the finished language model).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mumu_training.loop import TrainingJob, pick_device, run_training
from mumu_training.models.mumu import Mumu
from mumu_training.recipe import Recipe
from mumu_training.stage0.corpus import Conversations
from mumu_training.stages.batches import StageBatch, forward, stage_batch
from mumu_training.stages.common import (
    count_trainable,
    load_stage,
    load_tokenizer,
    sample_rows,
    train_projector,
    train_token_rows,
)
from mumu_training.stages.conditions import CaptionEncoder
from mumu_training.stages.features import Features
from mumu_training.stages.listening import answer_samples
from mumu_training.stages.losses import answer_loss, audio_positions, condition_loss
from mumu_training.text import EOS, IGNORED

JOB = "stage2"
_SHARES = {"music": 0.5, "image": 0.15, "video": 0.15, "plain": 0.2, "edit": 0.1}


def projected(
    mumu: Mumu, hidden: Tensor, batch: StageBatch, audio_ids: list[int]
) -> tuple[Tensor, list[str]]:
    """Condition `[made, queries, out_dim]` of the rows that make music, and their captions."""
    rows, positions = audio_positions(batch.text.labels, audio_ids)
    states = hidden[rows[:, None], positions]
    captions = [batch.captions[row] or "" for row in rows.tolist()]
    return mumu.condition(states, torch.tensor(audio_ids, device=hidden.device)), captions


def run(recipe: Recipe, resume: bool = True) -> None:
    """Run stage 2; its trained weights are in the run folder of the job `stage2`."""
    settings = recipe.job(JOB)
    options = settings.options
    tokenizer = load_tokenizer(recipe)
    encoder = CaptionEncoder(recipe, tokenizer)
    features = Features(recipe)
    features.open()
    mumu = load_stage(recipe, *recipe.before(JOB))
    train_projector(mumu)
    if options.get("token_rows", True):
        train_token_rows(mumu, tokenizer.audio_ids)
    print(f"{JOB}: {count_trainable(mumu.output_projector)} projector weights train")
    shares, seeds = options.get("shares", _SHARES), options.get("seeds")
    conversations = Conversations(recipe, "train", shares=shares, seeds=seeds)
    unseen = Conversations(recipe, "valid", shares=options.get("shares", _SHARES))
    shown = sample_rows(unseen, music=True)
    frames, limit = int(options.get("frames", 200)), mumu.config.max_seq_len
    audio_ids, device = tokenizer.audio_ids, pick_device()
    encoder.model.to(device)

    def make(
        source: Conversations, rng: np.random.Generator, count: int, part: tuple[int, int] = (0, 1)
    ) -> StageBatch:
        rows = source.sample(rng, count, music=True)
        return stage_batch(rows, tokenizer, features, frames, limit, rng, part)

    def loss(model: nn.Module, made: StageBatch) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(model, Mumu)
        made = made.to(device)
        # Only audio tokens and the end of the answer are trained here.
        ours = torch.isin(made.text.labels, torch.tensor([*audio_ids, EOS], device=device))
        made.text.labels = made.text.labels.masked_fill(~ours, IGNORED)
        hidden, logits = forward(model, made)
        tokens, right = answer_loss(logits, made.text.labels)
        condition, captions = projected(model, hidden, made, audio_ids)
        distance = condition_loss(condition, encoder.target(captions).to(device))
        return distance + tokens, {
            "condition": float(distance.detach()),
            "tokens": float(tokens.detach()),
            "right": right,
        }

    def evaluate(model: nn.Module) -> dict[str, float]:
        made = make(unseen, np.random.default_rng(3), 64)
        return dict(loss(model, made)[1])

    def sample(model: nn.Module) -> str:
        assert isinstance(model, Mumu)
        return answer_samples(model, tokenizer, features, shown)

    run_training(
        TrainingJob(
            name=JOB,
            folder=recipe.run_folder(JOB),
            model=mumu,
            settings=settings,
            batch=lambda rng: make(conversations, rng, settings.batch_size),
            batch_part=lambda rng, part: make(conversations, rng, settings.batch_size, part),
            loss=loss,
            seed=recipe.seed + 2,
            device=device,
            evaluate=evaluate,
            sample=sample,
        ),
        resume,
    )
