"""Export: the results of all jobs as one checkpoint folder in half precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

import mumu_training
from mumu_training.checkpoint import Checkpoint, halve, write_checkpoint
from mumu_training.generation.codec import TRAINING_BUFFERS
from mumu_training.loop import TrainingError, load_run
from mumu_training.lora import merge_lora
from mumu_training.recipe import Recipe
from mumu_training.stage0 import audio_encoder, image_encoder, video_encoder
from mumu_training.stages.common import load_stage, load_tokenizer
from mumu_training.stages.evaluate import read_evaluation
from mumu_training.text import BOS, EOS, PAD, UNK

# Run folders of the music side and the prefix their tensors take in MusicgenForConditionalGeneration
# where the run saved a part on its own.
_GENERATION_RUNS = {"music": "", "codec": "audio_encoder."}
_GENERATION_PARTS = ("text_encoder.", "enc_to_dec_proj.", "decoder.", "audio_encoder.")
_JOBS = ("language", "audio", "image", "video", "codec", "music", "stage1", "stage2", "stage3")


def generation_state(recipe: Recipe) -> dict[str, Tensor]:
    """The trained music side in MusicgenForConditionalGeneration's names (empty before training).

    A music job still under way gives what its last checkpoint has.
    """
    state: dict[str, Tensor] = {}
    for job, prefix in _GENERATION_RUNS.items():
        path = recipe.run_folder(job) / "final.safetensors"
        run = load_run(recipe.run_folder(job)) if job == "music" and not path.is_file() else None
        tensors = load_file(str(path)) if path.is_file() else (run or {}).get("model", {})
        for name, value in tensors.items():
            if name.endswith(TRAINING_BUFFERS):
                continue
            whole = name if name.startswith(_GENERATION_PARTS) else prefix + name
            if job == "music" or whole not in state:
                state[whole] = value
    return state


def understanding_state(recipe: Recipe, *stages: str) -> dict[str, Tensor]:
    """Encoders, adapters, language model and projector under the published names."""
    state = load_stage(recipe, *stages).published_state()
    for prefix, model in (
        ("mert_model.", audio_encoder.load_encoder(recipe)),
        ("vit_model.", image_encoder.load_encoder(recipe)),
        ("vivit_model.", video_encoder.load_encoder(recipe)),
    ):
        state |= {prefix + name: value for name, value in model.state_dict().items()}
    return state


def metadata(recipe: Recipe) -> dict[str, Any]:
    """checkpoint.json of a recipe, with how long each job ran."""
    tokenizer = load_tokenizer(recipe)
    training: dict[str, Any] = {"recipe": recipe.name, "seed": recipe.seed, "jobs": {}}
    for job in _JOBS:
        state = load_run(recipe.run_folder(job))
        if state is not None:
            minutes = round(float(state["elapsed"]) / 60, 1)
            training["jobs"][job] = {"steps": int(state["step"]), "minutes": minutes}
    return {
        "name": recipe.name,
        "variant": recipe.variant,
        "version": mumu_training.__version__,
        "components": {name: dict(dims) for name, dims in recipe.components.items()},
        "tokenizer": {
            "file": "tokenizer.json",
            "bos": BOS,
            "eos": EOS,
            "pad": PAD,
            "unk": UNK,
            "audio_tokens": tokenizer.audio_ids,
        },
        "prompt": dict(recipe.prompt),
        "sampling": dict(recipe.sampling),
        "conditioning": recipe.conditioning,
        "changes": list(recipe.changes),
        "licence": recipe.licence,
        "provenance": {
            "data": "music rendered from generated scores, and drawn scenes; nothing else",
            "trained_with": f"python -m mumu_training, recipe {recipe.name}",
            "notes": recipe.notes,
        },
        "training": training,
        "evaluation": read_evaluation(recipe),
    }


def export(recipe: Recipe, folder: Path, stages: tuple[str, ...]) -> Checkpoint:
    """Assemble and write a checkpoint; returns it.

    Raises TrainingError when the music side is not whole.
    """
    music = generation_state(recipe)
    for part in _GENERATION_PARTS:
        if not any(name.startswith(part) for name in music):
            raise TrainingError(f"the music side has no {part[:-1]} yet; run stage0 first")
    music.pop("text_encoder.encoder.embed_tokens.weight", None)  # the same as shared.weight
    # The values' LoRA stays: what is injected passes through the matrix without it.
    tensors = merge_lora(understanding_state(recipe, *stages), apart=("wv",))
    tensors |= {f"generation_model.{name}": value for name, value in music.items()}
    checkpoint = Checkpoint(metadata(recipe), halve(tensors))
    write_checkpoint(folder, checkpoint, recipe.run_folder("tokenizer") / "tokenizer.json")
    size = sum(value.numel() * value.element_size() for value in checkpoint.tensors.values())
    print(f"export: {len(checkpoint.tensors)} tensors, {size / 1e6:.1f} MB in {folder}")
    return checkpoint


def run(recipe: Recipe, resume: bool = True) -> None:
    """Write the recipe's checkpoint folder from the last stage that has run."""
    del resume  # an export is always whole
    export(recipe, recipe.checkpoint, recipe.order)
