"""Export in the reference's own names and layout: an adapter beside the base models' folders.

    adapter.safetensors   mu_mert_*, iu_vit_*, iu_vivit_*, prefix_query, output_projector.*, and of
                          llama.* what the stages train: gates, norms, biases, LoRA, token matrices
    llama/                consolidated.safetensors (Meta's tensor names), params.json (Meta's keys) and
                          tokenizer.json
    mert/ vit/ vivit/ musicgen/   Hugging Face's layout: config.json, model.safetensors

The reference reads torch's pickled `{"model": tensors}`; `torch.save({"model": load_file(...)}, ...)`
makes that of the adapter, and `torch.save(load_file(...), "consolidated.00.pth")` what Meta's code reads of
LLaMA. Meta's `tokenizer.model` (SentencePiece) can't be made: the tokenizer is a byte-level BPE.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import MusicgenConfig, PreTrainedConfig, PreTrainedModel

from mumu_training.checkpoint import halve
from mumu_training.generation.codec import codec_config
from mumu_training.generation.music_model import music_decoder_config, text_encoder_config
from mumu_training.loop import TrainingError
from mumu_training.models.mumu import Mumu
from mumu_training.recipe import Recipe
from mumu_training.stage0 import audio_encoder, image_encoder, video_encoder
from mumu_training.stages.common import load_stage
from mumu_training.stages.export import generation_state

ADAPTER = "adapter.safetensors"
LLAMA = "consolidated.safetensors"
_TRAINED = ("lora_", ".gate", ".bias", "norm.weight", "tok_embeddings.weight", "output.weight")


def is_adapter(name: str) -> bool:
    """Whether a published name belongs to the adapter file rather than to LLaMA's own folder."""
    if not name.startswith("llama."):
        return True
    return any(mark in name for mark in _TRAINED)


def split_published(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Tensors by published names to the adapter's, and LLaMA's own in Meta's names (no prefix, no
    adapter parts). Norms and token matrices, which stages train, are in both."""
    adapter = {name: value for name, value in state.items() if is_adapter(name)}
    meta = {
        name.removeprefix("llama."): value
        for name, value in state.items()
        if name.startswith("llama.") and not any(m in name for m in ("lora_", ".gate", ".bias"))
    }
    return adapter, meta


def join_published(adapter: Mapping[str, Tensor], meta: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `split_published`; what the adapter has goes before LLaMA's own."""
    return {**{f"llama.{name}": value for name, value in meta.items()}, **adapter}


def _save(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    own = {name: value.clone() for name, value in halve(tensors).items()}
    save_file(own, str(temporary), metadata=metadata)
    temporary.chmod(0o644)
    temporary.replace(path)


def _save_model(folder: Path, config: PreTrainedConfig, tensors: Mapping[str, Tensor]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**config.to_dict(), "dtype": "float16"}, indent=2, default=str)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
    _save(folder / "model.safetensors", tensors, {"format": "pt"})


def params_of(dims: Mapping[str, Any]) -> dict[str, Any]:
    """Meta's params.json of a `language` component. `hidden_dim` is spelt out, because Meta's rule
    (two thirds of four dims, rounded up to `multiple_of`) need not give it; `rope_theta` is the key of
    Meta's later models (10,000 where there is none)."""
    keys = ("dim", "n_layers", "n_heads", "vocab_size", "norm_eps", "max_seq_len", "hidden_dim")
    return {key: dims[key] for key in (*keys, "rope_theta") if key in dims}


def export_published(recipe: Recipe, folder: Path, stages: tuple[str, ...]) -> Path:
    """Write the layout above; returns the adapter's path.

    Raises TrainingError when a job has not run, CheckpointError where half precision overflows.
    """
    mumu = load_stage(recipe, *stages)
    adapter, meta = split_published(mumu.published_state())
    marks = {"format": "published", "recipe": recipe.name, "recipe_sha256": recipe.sha256}
    _save(folder / ADAPTER, adapter, {**marks, "variant": recipe.variant})
    _save(folder / "llama" / LLAMA, meta, marks)
    params = json.dumps(params_of(recipe.component("language")), indent=2)
    (folder / "llama" / "params.json").write_text(params + "\n", encoding="utf-8")
    shutil.copyfile(
        recipe.run_folder("tokenizer") / "tokenizer.json", folder / "llama" / "tokenizer.json"
    )
    encoders: dict[str, PreTrainedModel] = {
        "mert": audio_encoder.load_encoder(recipe),
        "vit": image_encoder.load_encoder(recipe),
        "vivit": video_encoder.load_encoder(recipe),
    }
    for name, model in encoders.items():
        _save_model(folder / name, model.config, model.state_dict())
    music = generation_state(recipe)
    if not music:
        raise TrainingError("the music side has no checkpoint yet; run stage0 first")
    config = MusicgenConfig(
        text_encoder=text_encoder_config(recipe.component("text_encoder")).to_dict(),
        audio_encoder=codec_config(recipe.component("codec")).to_dict(),
        decoder=music_decoder_config(recipe.component("music_decoder")).to_dict(),
    )
    _save_model(folder / "musicgen", config, music)
    return folder / ADAPTER


def read_published(recipe: Recipe, folder: Path) -> Mumu:
    """The understanding side out of a folder that `export_published` wrote.

    Raises KeyError naming the first tensor that is missing.
    """
    mumu = Mumu(recipe.components)
    tensors = join_published(
        load_file(str(folder / ADAPTER)), load_file(str(folder / "llama" / LLAMA))
    )
    mumu.load_published({name: value.float() for name, value in tensors.items()})
    return mumu


def run(recipe: Recipe, folder: Path) -> None:
    """Write the published layout of the finished stages."""
    path = export_published(recipe, folder, recipe.order)
    print(f"export: {path} and the base models beside it")
