"""Which weights each stage trains, and how a stage starts from the one before."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from mumu_training.loop import TrainingError, load_run
from mumu_training.models.mumu import Mumu, RowMask
from mumu_training.recipe import Recipe
from mumu_training.stage0 import language
from mumu_training.stage0.corpus import Conversations, Row
from mumu_training.text import EOS, PromptTokenizer

ADAPTERS = ("mu_mert.", "iu_vit.", "iu_vivit.", "prefix_query.")


def load_tokenizer(recipe: Recipe) -> PromptTokenizer:
    """The recipe's tokenizer with its prompt."""
    path = recipe.run_folder("tokenizer") / "tokenizer.json"
    return PromptTokenizer(path, recipe.prompt["template"])


def fresh_mumu(recipe: Recipe) -> Mumu:
    """Stage 0's language model with adapters, LoRA and projector as initialised."""
    torch.manual_seed(recipe.seed)
    return language.load_teacher(recipe).mumu


def load_stage(recipe: Recipe, *stages: str) -> Mumu:
    """Stage 0's language model with the results of these stages laid over it, in order.

    Raises TrainingError naming the first stage that has no checkpoint.
    """
    mumu = fresh_mumu(recipe)
    for stage in stages:
        state = load_run(recipe.run_folder(stage))
        if state is None:
            raise TrainingError(f"{stage} has no checkpoint yet; run it first")
        mumu.load_state_dict(state["model"], strict=False)
    return mumu


def train_understanding(mumu: Mumu) -> None:
    """Adapters, prefix queries, gates of injected layers, norms, biases and LoRA; nothing else."""
    mumu.requires_grad_(False)
    for name, parameter in mumu.named_parameters():
        adapted = "lora_" in name or name.endswith((".bias", "norm.weight"))
        if name.startswith(ADAPTERS) or (name.startswith("llama.") and adapted):
            parameter.requires_grad_(True)
    for layer in mumu.injected_layers():
        mumu.llama.layers[layer].attention.gate.requires_grad_(True)  # type: ignore[union-attr]


def train_parts(mumu: Mumu, parts: tuple[str, ...]) -> None:
    """These modules (`iu_vivit`) and nothing else.

    Raises TrainingError when there is no such module.
    """
    mumu.requires_grad_(False)
    modules = dict(mumu.named_children())
    for part in parts:
        if part not in modules:
            raise TrainingError(f"no part {part!r} to train: there are {', '.join(modules)}")
        modules[part].requires_grad_(True)


def hide_states(mumu: Mumu, share: float) -> None:
    """Hide this share of the encoders' states from the adapters while they train."""
    for adapter in (mumu.mu_mert, mumu.iu_vit, mumu.iu_vivit):
        adapter.dropout = share


def train_projector(mumu: Mumu) -> None:
    """The output projector; the token rows come with `train_token_rows`."""
    train_parts(mumu, ("output_projector",))


def train_token_rows(mumu: Mumu, audio_ids: list[int]) -> list[RowMask]:
    """Let the rows of `</s>` and the audio tokens train, in the embedding and in the output."""
    rows = [EOS, *audio_ids]
    matrices = (mumu.llama.get_parameter(n) for n in ("tok_embeddings.weight", "output.weight"))
    return [RowMask(matrix, rows) for matrix in matrices]


def sample_rows(
    conversations: Conversations, music: bool | None = None, count: int = 6
) -> list[Row]:
    """The same few rows every time, for samples; `music` keeps only rows that make music or don't."""
    rows: list[Row] = []
    seed = 0
    while len(rows) < count:
        row = conversations.draw(np.random.default_rng([11, seed]))
        if music is None or row.makes_music == music:
            rows.append(row)
        seed += 1
    return rows


def count_trainable(model: nn.Module) -> int:
    """Trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
