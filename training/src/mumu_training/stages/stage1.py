"""Stage 1, understanding: adapters, prefix queries, gates, norms, biases and LoRA learn from
captions and questions about songs, pictures and clips. The base model and encoders are frozen.

Before it, a short warm start (`stage1_adapters`) teaches the adapters alone to give the features
that stage 0's attribute tables give, which costs no pass of the language model.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from mumu_training.data.manifest import MusicRecord, Record
from mumu_training.loop import TrainingJob, pick_device, run_training
from mumu_training.models.mumu import Mumu
from mumu_training.recipe import Recipe
from mumu_training.stage0.attributes import vector_of
from mumu_training.stage0.corpus import Conversations
from mumu_training.stage0.language import LanguageTeacher, load_teacher
from mumu_training.stages.batches import StageBatch, forward, load_states, stage_batch
from mumu_training.stages.common import (
    ADAPTERS,
    count_trainable,
    load_stage,
    load_tokenizer,
    train_understanding,
)
from mumu_training.stages.features import Features
from mumu_training.stages.listening import listen
from mumu_training.stages.losses import answer_loss

JOB = "stage1"
WARM_JOB = "stage1_adapters"
WarmBatch = dict[str, tuple[Tensor, Tensor]]
_KINDS = {"music": "audio", "image": "image", "video": "video"}


def warm_start(recipe: Recipe, features: Features, resume: bool) -> None:
    """Adapters towards the attribute tables' features: mean squared error per modality, relative
    to the spread of the targets."""
    settings = recipe.job(WARM_JOB)
    frames = int(settings.options.get("frames", 200))
    torch.manual_seed(recipe.seed)
    teacher = load_teacher(recipe)
    teacher.requires_grad_(False)
    for name, parameter in teacher.mumu.named_parameters():
        if name.startswith(ADAPTERS) and not name.startswith("prefix_query"):
            parameter.requires_grad_(True)
    records = Conversations(recipe, "train").records
    unseen = Conversations(recipe, "valid").records
    spread = {name: _spread(teacher, records[kind], name) for kind, name in _KINDS.items()}

    def make(pool: dict[str, list[Record]], rng: np.random.Generator, count: int) -> WarmBatch:
        made: WarmBatch = {}
        for kind, modality in _KINDS.items():
            chosen = [pool[kind][i] for i in rng.integers(len(pool[kind]), size=count)]
            states = torch.stack([load_states(features, r, frames, rng) for r in chosen])
            vectors = torch.from_numpy(np.stack([vector_of(record) for record in chosen]))
            made[modality] = (states, vectors)
        return made

    def loss(model: nn.Module, batch: WarmBatch) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(model, LanguageTeacher)
        adapters = {
            "audio": model.mumu.mu_mert,
            "image": model.mumu.iu_vit,
            "video": model.mumu.iu_vivit,
        }
        total, figures = torch.zeros(()), {}
        for modality, (states, vectors) in batch.items():
            target = getattr(model.tables, modality)(vectors)
            error = functional.mse_loss(adapters[modality](states), target) / spread[modality]
            figures[modality] = float(error.detach())
            total = total + error
        return total, figures

    run_training(
        TrainingJob(
            name=WARM_JOB,
            folder=recipe.run_folder(WARM_JOB),
            model=teacher,
            settings=settings,
            batch=lambda rng: make(records, rng, settings.batch_size),
            loss=loss,
            seed=recipe.seed,
            evaluate=lambda model: loss(model, make(unseen, np.random.default_rng(3), 64))[1],
        ),
        resume,
    )


@torch.no_grad()
def _spread(teacher: LanguageTeacher, records: list[Record], modality: str) -> float:
    vectors = torch.from_numpy(np.stack([vector_of(record) for record in records[:500]]))
    return float(getattr(teacher.tables, modality)(vectors).var(0).mean())


def warm_state(recipe: Recipe) -> dict[str, Tensor]:
    """The adapters after the warm start, by Mumu's names (nothing where there was none)."""
    from mumu_training.loop import load_run

    state = load_run(recipe.run_folder(WARM_JOB))
    if state is None:
        return {}
    return {
        name.removeprefix("mumu."): value
        for name, value in state["model"].items()
        if name.startswith("mumu.")
    }


def run(recipe: Recipe, resume: bool = True) -> None:
    """Run stage 1; its trained weights are in the run folder of the job `stage1`."""
    settings = recipe.job(JOB)
    options = settings.options
    features = Features(recipe)
    if WARM_JOB in recipe.jobs:
        warm_start(recipe, features, resume)
    tokenizer = load_tokenizer(recipe)
    mumu = load_stage(recipe, *recipe.before(JOB))
    mumu.load_state_dict(warm_state(recipe), strict=False)
    train_understanding(mumu)
    print(f"{JOB}: {count_trainable(mumu)} weights train")
    shares = options.get("shares", {"music": 0.6, "image": 0.2, "video": 0.2})
    conversations = Conversations(recipe, "train", shares=shares)
    heard = [
        r for r in Conversations(recipe, "valid").records["music"] if isinstance(r, MusicRecord)
    ]
    heard = heard[: int(options.get("valid_songs", 64))]
    frames, limit = int(options.get("frames", 200)), mumu.config.max_seq_len
    device = pick_device()

    def batch(rng: np.random.Generator) -> StageBatch:
        rows = conversations.sample(rng, settings.batch_size, music=False)
        return stage_batch(rows, tokenizer, features, frames, limit, rng)

    def loss(model: nn.Module, made: StageBatch) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(model, Mumu)
        made = made.to(device)
        _, logits = forward(model, made)
        total, right = answer_loss(logits, made.text.labels)
        return total, {"right": right}

    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Mumu)
        return listen(model, tokenizer, features, heard)

    run_training(
        TrainingJob(
            name=JOB,
            folder=recipe.run_folder(JOB),
            model=mumu,
            settings=settings,
            batch=batch,
            loss=loss,
            seed=recipe.seed + 1,
            device=device,
            evaluate=evaluate,
        ),
        resume,
    )
