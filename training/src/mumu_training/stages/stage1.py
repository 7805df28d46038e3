"""Stage 1, understanding: adapters, prefix queries, gates, norms, biases and LoRA learn from
captions and questions about songs, pictures and clips. The base model and encoders are frozen.

Before it, a short warm start (`stage1_adapters`) teaches the adapters alone to give the features
that stage 0's attribute tables give, which costs no pass of the language model.

The option `seeds` (of a job) says which of the dataset's seeds it learns from. Encoders are surer of
the songs they were trained on than of others, so adapters that learn from those same songs hear
less in unknown ones.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from mumu_training.data.manifest import MusicRecord, Record
from mumu_training.distributed import share, total
from mumu_training.loop import TrainingJob, pick_device, run_training
from mumu_training.models.mumu import Mumu
from mumu_training.recipe import Recipe
from mumu_training.stage0.attributes import vector_of
from mumu_training.stage0.corpus import Conversations
from mumu_training.stage0.language import LanguageTeacher, has_tables, load_teacher
from mumu_training.stages.batches import (
    StageBatch,
    forward,
    load_states,
    row_generators,
    stage_batch,
)
from mumu_training.stages.common import (
    ADAPTERS,
    count_trainable,
    hide_states,
    load_stage,
    load_tokenizer,
    sample_rows,
    train_understanding,
)
from mumu_training.stages.features import Features
from mumu_training.stages.listening import answer_samples, listen
from mumu_training.stages.losses import answer_loss

JOB = "stage1"
WARM_JOB = "stage1_adapters"
WarmBatch = dict[str, tuple[Tensor, Tensor]]
_KINDS = {"music": "audio", "image": "image", "video": "video"}


def warm_start(recipe: Recipe, features: Features, resume: bool) -> None:
    """Adapters towards the attribute tables' features: mean squared error per modality, relative
    to the spread of the targets.

    An adapter whose kind the train split lacks stays as it starts.
    """
    settings = recipe.job(WARM_JOB)
    frames, device = int(settings.options.get("frames", 200)), pick_device()
    torch.manual_seed(recipe.seed)
    teacher = load_teacher(recipe)
    teacher.requires_grad_(False)
    hide_states(teacher.mumu, float(settings.options.get("hidden_states", 0.0)))
    for name, parameter in teacher.mumu.named_parameters():
        if name.startswith(ADAPTERS) and not name.startswith("prefix_query"):
            parameter.requires_grad_(True)
    records = Conversations(recipe, "train", seeds=settings.options.get("seeds")).records
    unseen = Conversations(recipe, "valid").records
    kinds = {kind: name for kind, name in _KINDS.items() if records[kind]}
    spread = {name: _spread(teacher, records[kind], name) for kind, name in kinds.items()}

    def make(
        pool: dict[str, list[Record]],
        rng: np.random.Generator,
        count: int,
        part: tuple[int, int] = (0, 1),
    ) -> WarmBatch:
        made: WarmBatch = {}
        for kind, modality in kinds.items():
            if not pool[kind]:
                continue
            chosen = [pool[kind][i] for i in rng.integers(len(pool[kind]), size=count)]
            rngs = row_generators(rng, count)[share(count, part)]
            chosen = chosen[share(count, part)]
            cropped = [
                load_states(features, record, frames, own)
                for record, own in zip(chosen, rngs, strict=True)
            ]
            states = torch.stack(cropped)
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
        summed, figures = torch.zeros((), device=device), {}
        for modality, (states, vectors) in batch.items():
            target = getattr(model.tables, modality)(vectors.to(device))
            made = adapters[modality](states.to(device))
            error = functional.mse_loss(made, target, reduction="sum")
            error = error / total(float(target.numel())) / spread[modality]
            figures[modality] = float(error.detach())
            summed = summed + error
        return summed, figures

    run_training(
        TrainingJob(
            name=WARM_JOB,
            folder=recipe.run_folder(WARM_JOB),
            model=teacher,
            settings=settings,
            batch=lambda rng: make(records, rng, settings.batch_size),
            batch_part=lambda rng, part: make(records, rng, settings.batch_size, part),
            loss=loss,
            seed=recipe.seed,
            device=device,
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
    features.open()
    if WARM_JOB in recipe.jobs and has_tables(recipe):
        warm_start(recipe, features, resume)
    elif WARM_JOB in recipe.jobs:
        print(f"{WARM_JOB}: skipped, the language model was kept and has no attribute tables")
    tokenizer = load_tokenizer(recipe)
    mumu = load_stage(recipe, *recipe.before(JOB))
    mumu.load_state_dict(warm_state(recipe), strict=False)
    train_understanding(mumu)
    hide_states(mumu, float(options.get("hidden_states", 0.0)))
    print(f"{JOB}: {count_trainable(mumu)} weights train")
    shares = options.get("shares", {"music": 0.6, "image": 0.2, "video": 0.2})
    conversations = Conversations(recipe, "train", shares=shares, seeds=options.get("seeds"))
    unseen = Conversations(recipe, "valid", shares=shares)
    heard = [r for r in unseen.records["music"] if isinstance(r, MusicRecord)]
    shown = sample_rows(unseen, music=False)
    heard = heard[: int(options.get("valid_songs", 64))]
    frames, limit = int(options.get("frames", 200)), mumu.config.max_seq_len
    device = pick_device()

    def batch(rng: np.random.Generator, part: tuple[int, int] = (0, 1)) -> StageBatch:
        rows = conversations.sample(rng, settings.batch_size, music=False)
        return stage_batch(rows, tokenizer, features, frames, limit, rng, part)

    def loss(model: nn.Module, made: StageBatch) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(model, Mumu)
        made = made.to(device)
        _, logits = forward(model, made)
        answers, right = answer_loss(logits, made.text.labels)
        return answers, {"right": right}

    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, Mumu)
        return listen(model, tokenizer, features, heard)

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
            seed=recipe.seed + 1,
            device=device,
            evaluate=evaluate,
            sample=sample,
        ),
        resume,
    )
