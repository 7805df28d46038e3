"""Stage 3, instructions: everything the answers need trains together on all conversations.

Adapters, prefix queries, gates, norms, biases, LoRA, projector, and the rows of `</s>` and the audio
tokens. Loss: cross-entropy on answers (the end included), the projected condition's error, and the
audio-token regulariser. With `condition_weight` 0 the projector is left out and no text encoder is
needed: for a recipe that runs stage 2 last.

The option `only` names parts (`iu_vivit`) that train while all else stays as stage 1 left it: a new encoder
gets an adapter of its own without moving what answers about everything else.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from mumu_training.data.manifest import MusicRecord
from mumu_training.distributed import total
from mumu_training.loop import TrainingJob, pick_device, run_training
from mumu_training.models.mumu import Mumu
from mumu_training.recipe import Recipe
from mumu_training.stage0.corpus import Conversations
from mumu_training.stages.batches import StageBatch, forward, stage_batch, zero_of
from mumu_training.stages.common import (
    count_trainable,
    hide_states,
    load_stage,
    load_tokenizer,
    sample_rows,
    train_parts,
    train_token_rows,
    train_understanding,
)
from mumu_training.stages.conditions import CaptionEncoder
from mumu_training.stages.features import Features
from mumu_training.stages.listening import answer_samples, listen, music_when_asked
from mumu_training.stages.losses import answer_loss, audio_token_regulariser, condition_loss
from mumu_training.stages.stage2 import projected

JOB = "stage3"
_SHARES = {"music": 0.6, "image": 0.13, "video": 0.13, "plain": 0.14, "edit": 0.1}


def run(recipe: Recipe, resume: bool = True) -> None:
    """Run stage 3; its trained weights are in the run folder of the job `stage3`."""
    settings = recipe.job(JOB)
    options = settings.options
    tokenizer = load_tokenizer(recipe)
    audio_ids = tokenizer.audio_ids
    condition_weight = float(options.get("condition_weight", 1.0))
    encoder = CaptionEncoder(recipe, tokenizer) if condition_weight > 0 else None
    features = Features(recipe)
    features.open()
    mumu = load_stage(recipe, *recipe.before(JOB))
    hide_states(mumu, float(options.get("hidden_states", 0.0)))
    if only := tuple(options.get("only", ())):
        train_parts(mumu, only)
        print(f"{JOB}: {count_trainable(mumu)} weights train ({', '.join(only)})")
    else:
        train_understanding(mumu)
        mumu.output_projector.requires_grad_(encoder is not None)
        train_token_rows(mumu, audio_ids)
        print(f"{JOB}: {count_trainable(mumu)} weights train (of token matrices nine rows)")
    shares = options.get("shares", _SHARES)
    conversations = Conversations(recipe, "train", shares=shares, seeds=options.get("seeds"))
    unseen = Conversations(recipe, "valid", shares=shares)
    heard = [r for r in unseen.records["music"] if isinstance(r, MusicRecord)]
    heard = heard[: int(options.get("valid_songs", 64))]
    shown = sample_rows(unseen)
    frames, limit = int(options.get("frames", 200)), mumu.config.max_seq_len
    valid_rows = int(options.get("valid_rows", 64))
    regulariser_weight = float(options.get("regulariser_weight", 0.5))
    device = pick_device()
    if encoder is not None:
        encoder.model.to(device)

    def batch(rng: np.random.Generator, part: tuple[int, int] = (0, 1)) -> StageBatch:
        rows = conversations.sample(rng, settings.batch_size)
        return stage_batch(rows, tokenizer, features, frames, limit, rng, part)

    def loss(model: nn.Module, made: StageBatch) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(model, Mumu)
        made = made.to(device)
        hidden, logits = forward(model, made)
        summed, right = answer_loss(logits, made.text.labels)
        figures = {"answer": float(summed.detach()), "right": right}
        regulariser = audio_token_regulariser(logits, made.text.labels, audio_ids)
        figures["regulariser"] = float(regulariser.detach())
        summed = summed + regulariser_weight * regulariser
        # Asked by every process whose rows make music or not: the sums inside are of all of them.
        makes = sum(caption is not None for caption in made.captions)
        if encoder is not None and total(float(makes)) > 0:
            condition = target = hidden.new_zeros(0)
            if makes:
                condition, captions = projected(model, hidden, made, audio_ids)
                target = encoder.target(captions).to(device)
            distance = condition_loss(condition, target)
            if not makes:  # other processes have a gradient of the projector
                distance = distance + zero_of(model.output_projector)
            figures["condition"] = float(distance.detach())
            summed = summed + condition_weight * distance
        if not summed.requires_grad:  # with `only`: no row of the batch comes by what trains
            summed = summed + zero_of(model)
        return summed, figures

    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Mumu)
        figures = listen(model, tokenizer, features, heard)
        rows = [unseen.draw(np.random.default_rng([9, index])) for index in range(valid_rows)]
        return figures | music_when_asked(model, tokenizer, features, rows)

    def sample(model: nn.Module) -> str:
        assert isinstance(model, Mumu)
        return answer_samples(model, tokenizer, features, shown)

    run_training(
        TrainingJob(
            name=JOB,
            folder=recipe.run_folder(JOB),
            model=mumu,
            settings=settings,
            batch=batch,
            batch_part=batch,
            loss=loss,
            seed=recipe.seed + 3,
            device=device,
            evaluate=evaluate,
            sample=sample,
        ),
        resume,
    )
