"""Beginning a recipe's jobs with the weights of a finished checkpoint instead of random ones.

`begin` takes a checkpoint folder apart. For each job asked for it puts the weights into the job's run
folder (`start.safetensors`), and the training loop lays them over a model that has no checkpoint of
its own yet; `keep` says which jobs are not to train again: theirs become the job's result. The
tokenizer is taken over in any case, since the weights know no other.

The music side may be smaller in the recipe than in the checkpoint (`generation.resize`): a vocoder codec
in other strides, a music decoder with fewer feed-forward neurons.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from transformers import EncodecModel

from mumu_training.checkpoint import TOKENIZER, Checkpoint, read_checkpoint
from mumu_training.generation.codec import TRAINING_BUFFERS, codec_config
from mumu_training.generation.resize import narrower, other_strides
from mumu_training.lora import merge_lora
from mumu_training.models.mumu import module_name
from mumu_training.recipe import Recipe
from mumu_training.runs import (
    FINAL,
    LAST,
    START,
    TrainingError,
    look_at_run,
    save_run,
    write_tensors,
)

_ENCODERS = {"audio": "mert_model.", "image": "vit_model.", "video": "vivit_model."}
_ADAPTERS = ("mu_mert.", "iu_vit.", "iu_vivit.")
_MUSIC = ("text_encoder.", "enc_to_dec_proj.", "decoder.")
Weights = dict[str, Tensor]


def _understanding(checkpoint: Checkpoint) -> Weights:
    return {module_name(name): value for name, value in checkpoint.tensors.items()}


def _language(checkpoint: Checkpoint) -> Weights:
    merged = merge_lora(checkpoint.part("llama."))
    state = {f"mumu.llama.{name}": value for name, value in merged.items()}
    state["mumu.prefix_query.weight"] = checkpoint.tensors["prefix_query.weight"]
    return state


def _encoder(job: str) -> Callable[[Checkpoint], Weights]:
    def part(checkpoint: Checkpoint) -> Weights:
        own = checkpoint.part(_ENCODERS[job])
        return {f"encoder.{name}": value for name, value in own.items()}

    return part


def _modules(prefix: str, starts: tuple[str, ...]) -> Callable[[Checkpoint], Weights]:
    """The understanding side's weights whose module paths start so, after `prefix`."""

    def part(checkpoint: Checkpoint) -> Weights:
        state = _understanding(checkpoint)
        return {prefix + name: v for name, v in state.items() if name.startswith(starts)}

    return part


def _projector(checkpoint: Checkpoint) -> Weights:
    state = _understanding(checkpoint)
    return {name: v for name, v in state.items() if name.startswith("output_projector.")}


def _music(checkpoint: Checkpoint) -> Weights:
    own = checkpoint.part("generation_model.")
    return {name: value for name, value in own.items() if name.startswith(_MUSIC)}


def _codec(checkpoint: Checkpoint) -> Weights:
    """With the codebooks' moving averages, which a checkpoint lacks, as if each entry was used once."""
    own = checkpoint.part("generation_model.audio_encoder.")
    for name, entries in list(own.items()):
        if name.endswith("codebook.embed"):
            own[f"{name}_avg"] = entries.clone()
            own[name.replace(".embed", ".cluster_size")] = torch.ones(len(entries))
            own[name.replace(".embed", ".inited")] = torch.ones(1)
    return {f"codec.{name}": value for name, value in own.items()}


_PARTS: Mapping[str, Callable[[Checkpoint], Weights]] = {
    "language": _language,
    **{job: _encoder(job) for job in _ENCODERS},
    "stage1_adapters": _modules("mumu.", _ADAPTERS),
    "stage1": _modules("", _ADAPTERS),
    "stage2": _projector,
    "codec": _codec,
    "music": _music,
}
JOBS = tuple(_PARTS)
"""Jobs that can begin with a checkpoint. Stage 3 begins with stage 1's result whatever there is."""

# The language model as it is in the end, LoRA apart, with its adapters; not the projector, which stage 2
# trains by itself.
_FINISHED = ("llama.", "prefix_query.", *_ADAPTERS)
_KEPT: Mapping[str, Callable[[Checkpoint], Weights]] = {
    **{job: _PARTS[job] for job in ("image", "video", "codec", "audio", "music", "stage2")},
    "language": _modules("mumu.", _FINISHED),
    "stage1": _modules("", _FINISHED),
    "stage3": _modules("", _FINISHED),
}
KEEPABLE = tuple(_KEPT)
"""Jobs whose result can be taken over as it is. The language model's is that of the last stage: with
`--keep language stage1 stage3` the projector can be trained again, or another music side exported."""

_BOUND = ("language", "text", "music", "stage1_adapters", "stage1", "stage2", "stage3")
"""Jobs whose weights know the tokenizer's ids."""


def begin(
    recipe: Recipe, folder: Path, jobs: tuple[str, ...] = (), keep: tuple[str, ...] = ()
) -> None:
    """Let `jobs` of a recipe begin with a checkpoint's weights, and take over those of `keep` whole.

    Raises TrainingError when a job has begun already or can't begin so, or others were trained with
    another tokenizer, CheckpointError when the folder is no checkpoint.
    """
    checkpoint = read_checkpoint(folder)
    for names, known, what in ((jobs, JOBS, "begin with"), (keep, KEEPABLE, "be kept from")):
        for job in names:
            if job not in known:
                raise TrainingError(f"{job} can't {what} a checkpoint: {', '.join(known)} can")
    for job in (*jobs, *keep):
        if look_at_run(recipe.run_folder(job)) is not None:
            raise TrainingError(f"{job} has begun already; delete its run folder to begin again")
    _require_tokenizer(recipe, folder, (*jobs, *keep))
    checkpoint = fitted(checkpoint, recipe)
    tokenizer = recipe.run_folder("tokenizer")
    tokenizer.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / TOKENIZER, tokenizer / TOKENIZER)
    for job in jobs:
        _put(recipe, job, START, _PARTS[job](checkpoint))
        print(f"{job}: begins with the weights in {folder.name}", flush=True)
    for job in keep:
        _keep(recipe, job, checkpoint)
        print(f"{job}: kept from {folder.name}", flush=True)


def _require_tokenizer(recipe: Recipe, folder: Path, jobs: Iterable[str]) -> None:
    """Raises TrainingError when jobs but these have weights that know another tokenizer than the
    checkpoint's."""
    there = recipe.run_folder("tokenizer") / TOKENIZER
    if not there.is_file() or there.read_bytes() == (folder / TOKENIZER).read_bytes():
        return
    bound = [
        job
        for job in _BOUND
        if job not in jobs
        and any((recipe.run_folder(job) / name).is_file() for name in (LAST, START))
    ]
    if bound:
        raise TrainingError(
            f"the weights of {', '.join(bound)} know another tokenizer than that of {folder.name}: "
            "delete these run folders, or begin under another recipe name"
        )


def fitted(checkpoint: Checkpoint, recipe: Recipe) -> Checkpoint:
    """The checkpoint with its music side in the recipe's shapes, where those are smaller.

    Raises TrainingError when the codec can't be had in the recipe's shape, or the recipe's music
    decoder has more neurons than the checkpoint's.
    """
    tensors = dict(checkpoint.tensors)
    own, wanted = checkpoint.metadata["components"], recipe.components
    try:
        if own.get("codec") != wanted.get("codec") and "codec" in own and "codec" in wanted:
            prefix = "generation_model.audio_encoder."
            codec = EncodecModel(codec_config(own["codec"]))
            codec.load_state_dict(checkpoint.part(prefix), strict=False)
            made = other_strides(codec.float(), codec_config(wanted["codec"])).state_dict()
            kept = {n: t for n, t in tensors.items() if not n.startswith(prefix)}
            tensors = kept | {
                prefix + name: value
                for name, value in made.items()
                if not name.endswith(TRAINING_BUFFERS)
            }
        if "music_decoder" in own and "music_decoder" in wanted:
            prefix = "generation_model.decoder."
            width = int(wanted["music_decoder"]["ffn_dim"])
            cut = narrower(checkpoint.part(prefix), width)
            tensors |= {prefix + name: value for name, value in cut.items()}
    except ValueError as error:
        raise TrainingError(f"the checkpoint does not fit the recipe: {error}") from error
    return Checkpoint(checkpoint.metadata, tensors)


def _put(recipe: Recipe, job: str, name: str, tensors: Weights) -> None:
    target = recipe.run_folder(job)
    target.mkdir(parents=True, exist_ok=True)
    write_tensors(target / name, tensors, {"format": "mumu-start/1", "job": job})


def _keep(recipe: Recipe, job: str, checkpoint: Checkpoint) -> None:
    tensors = _KEPT[job](checkpoint)
    final = tensors
    if job == "codec":  # saved under the composite's name
        final = {name.replace("codec.", "audio_encoder.", 1): t for name, t in tensors.items()}
    _put(recipe, job, FINAL, final)
    spent = checkpoint.metadata.get("training", {}).get("jobs", {}).get(job, {})
    state = {
        "job": job,
        "step": int(spent.get("steps", 0)),
        "elapsed": 60 * float(spent.get("minutes", 0)),
        "done": True,
        "kept": True,
        "model": tensors,
    }
    save_run(recipe.run_folder(job), state)
