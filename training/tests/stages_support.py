"""A tiny recipe with data, and its stage 0 run once: what tests of the stages start from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import yaml
from PIL import Image
from safetensors.torch import save_file
from transformers import MusicgenConfig, MusicgenForConditionalGeneration

from mumu_training.__main__ import main
from mumu_training.data.manifest import (
    ImageRecord,
    MusicAttributes,
    MusicRecord,
    VideoRecord,
    append_records,
)
from mumu_training.generation.codec import codec_config
from mumu_training.generation.music_model import music_decoder_config, text_encoder_config
from mumu_training.recipe import Recipe, load_recipe
from understanding_support import AUDIO, IMAGE, VIDEO

ROOT = Path(__file__).resolve().parents[1]
VOCABULARY = 600
TEXT_ENCODER = {
    "vocab_size": VOCABULARY,
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 24,
    "num_layers": 1,
    "num_heads": 2,
    "feed_forward_proj": "relu",
}
DECODER = {
    "vocab_size": 32,
    "hidden_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "ffn_dim": 24,
    "num_codebooks": 2,
    "audio_channels": 1,
}
CODEC = {
    "sampling_rate": 16000,
    "num_filters": 4,
    "hidden_size": 8,
    "upsampling_ratios": [8, 5, 4, 4],
    "codebook_size": 32,
    "num_lstm_layers": 1,
    "num_quantizers": 2,
}


def write_recipe(folder: Path) -> Path:
    """A recipe of every job at tiny width, two steps each; returns its path."""
    language = {
        "dim": 32,
        "n_layers": 7,
        "n_heads": 2,
        "vocab_size": VOCABULARY,
        "hidden_dim": 40,
        "max_seq_len": 512,
        "lora_rank": 2,
        "query_layer": 2,
    }
    projector = {
        "in_dim": 32,
        "hidden_dim": 16,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "heads": 2,
        "feed_forward": 24,
        "queries": 20,
        "out_dim": 16,
        "scale": 10,
    }
    published = yaml.safe_load((ROOT / "recipes" / "mini.yaml").read_text(encoding="utf-8"))
    job = {"steps": 2, "batch_size": 4, "warmup_steps": 1, "lr": 1e-3}
    listening = {"options": {"frames": 20, "valid_songs": 2}}
    raw = {
        **{key: published[key] for key in ("variant", "prompt", "sampling", "conditioning")},
        "name": "tiny",
        "data": "data",
        "runs": "runs",
        "checkpoint": "checkpoint",
        "components": {
            "audio_encoder": AUDIO,
            "image_encoder": IMAGE,
            "video_encoder": VIDEO,
            "language": language,
            "projector": projector,
            "text_encoder": TEXT_ENCODER,
            "music_decoder": DECODER,
            "codec": CODEC,
        },
        "jobs": {
            "tokenizer": {"options": {"documents": 800}},
            "language": {**job, "options": {"valid_documents": 4, "bare": 0.5}},
            "audio": {**job, "options": {"crop_seconds": 1, "valid_songs": 2}},
            "image": job,
            "video": job,
            "stage1_adapters": {**job, "options": {"frames": 20}},
            "stage1": {**job, **listening, "batch_size": 16},
            "stage2": {**job, "options": {"frames": 20}},
            "stage3": {
                **job,
                "batch_size": 16,
                "options": {"frames": 20, "valid_songs": 2, "valid_rows": 2},
            },
            "evaluate": {"options": {"songs": 2}},
        },
    }
    path = folder / "recipes" / "tiny.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def write_records(folder: Path) -> None:
    """Songs of noise, pictures and clips of colours: eight of each."""
    rng = np.random.default_rng(0)
    instruments = ("piano", "violin", "flute")
    for index in range(8):
        split: Any = "train" if index < 4 else ("valid", "test")[index % 2]
        name = instruments[index % 3]
        attributes = MusicAttributes(
            instrument=name,
            family={"piano": "piano", "violin": "strings", "flute": "pipe"}[name],
            instruments=[name, "electric bass", "drums"],
            tempo=80.0 + 10 * index,
            key="C",
            mode="minor" if index % 2 else "major",
            metre="4/4",
            style="rock" if index % 2 else "jazz",
            mood="sad" if index % 2 else "happy",
            density="sparse",
            energy="low",
            drums=True,
            swing=False,
        )
        path = folder / f"music/m{index}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.2 * rng.standard_normal(36000), 24000, subtype="PCM_16")
        scene = {
            "time": "day" if index % 2 else "night",
            "weather": "clear" if index % 2 else "rain",
            "place": "city" if index % 2 else "forest",
            "people": "none",
            "palette": "natural",
        }
        heard = {"instrument": name, "tempo": 100.0, "mode": "major", "metre": "4/4"}
        heard |= {"style": "jazz" if index % 2 else "folk", "mood": "happy" if index % 2 else "sad"}
        caption = "a slow sad folk piece with flute at 100 bpm"
        image = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        (folder / "images").mkdir(exist_ok=True)
        (folder / "videos").mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"images/i{index}.png")
        np.savez(folder / f"videos/v{index}.npz", frames=np.stack([image[:32, :32]] * 8))
        moving = {**scene, "motion": "still" if index % 2 else "drift"}
        append_records(
            folder,
            [
                MusicRecord(
                    id=f"m{index}",
                    split=split,
                    composition=f"c{index}",
                    path=f"music/m{index}.flac",
                    seconds=1.5,
                    seed=index,
                    soundfont="none",
                    attributes=attributes,
                    captions=[caption],
                ),
                ImageRecord(
                    f"i{index}", split, f"images/i{index}.png", index, scene, "a", heard, caption
                ),
                VideoRecord(
                    f"v{index}", split, f"videos/v{index}.npz", index, moving, "a", heard, caption
                ),
            ],
        )


def write_music_side(recipe: Recipe) -> None:
    """A MusicGen of tiny width with random weights, as the music jobs would leave it."""
    config = MusicgenConfig(
        text_encoder=text_encoder_config(TEXT_ENCODER).to_dict(),
        audio_encoder=codec_config(CODEC).to_dict(),
        decoder=music_decoder_config(DECODER).to_dict(),
    )
    model = MusicgenForConditionalGeneration(config)
    folder = recipe.run_folder("music")
    folder.mkdir(parents=True)
    tensors = {name: value.contiguous().clone() for name, value in model.state_dict().items()}
    save_file(tensors, str(folder / "final.safetensors"))


def prepare(folder: Path) -> Path:
    """Data and stage 0 of the tiny recipe in `folder`; returns the recipe's path."""
    path = write_recipe(folder)
    write_records(folder / "data")
    write_music_side(load_recipe(path))
    for job in ("tokenizer", "language", "audio", "image", "video"):
        assert main(["stage0", "--only", job, "--recipe", str(path)]) == 0
    return path


def copy_with(base: Path, folder: Path, jobs: Mapping[str, Mapping[str, Any]]) -> Path:
    """A copy of the recipe at `base`, with what it has run, in `folder`; `jobs` changes settings."""
    root = base.parent.parent
    shutil.copytree(root, folder, dirs_exist_ok=True)
    path = folder / base.relative_to(root)
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, changes in jobs.items():
        raw["jobs"][name] |= changes
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def command_line(*arguments: str) -> subprocess.Popen[str]:
    """Start `python -m mumu_training ...` as a user would, with one thread and without a GPU."""
    return start_python("-m", "mumu_training", *arguments)


def two_sharded(*arguments: str) -> subprocess.Popen[str]:
    """The same in two processes that share by FSDP, on processors (`fsdp_support`)."""
    script = str(ROOT / "tests" / "fsdp_support.py")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    return start_python(*launcher, script, *arguments)


def start_python(*arguments: str) -> subprocess.Popen[str]:
    """Start Python with this package, one thread and no GPU."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment["PYTHONPATH"] = str(ROOT / "src")
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
