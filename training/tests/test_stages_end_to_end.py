"""Every job of the understanding side at tiny width on a handful of records, and the export.

The records are made here (noise and colours): what is tested is that the jobs run one after the
other, train what they should and nothing else, and that a checkpoint comes out whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from transformers import (
    EncodecConfig,
    MusicgenConfig,
    MusicgenDecoderConfig,
    MusicgenForConditionalGeneration,
    T5Config,
)

from mumu_training.__main__ import main
from mumu_training.checkpoint import read_checkpoint
from mumu_training.data.manifest import (
    ImageRecord,
    MusicAttributes,
    MusicRecord,
    VideoRecord,
    append_records,
)
from mumu_training.loop import load_run
from mumu_training.models.mumu import Mumu, base_parameters
from mumu_training.recipe import Recipe, load_recipe
from mumu_training.stages.common import load_stage, load_tokenizer
from mumu_training.stages.features import Features, crop_frames
from mumu_training.text import EOS
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
    "pad_token_id": 32,
    "bos_token_id": 32,
}
CODEC = {
    "sampling_rate": 16000,
    "num_filters": 4,
    "hidden_size": 8,
    "upsampling_ratios": [8, 5, 4, 4],
    "codebook_size": 32,
    "num_lstm_layers": 1,
}


def _recipe(folder: Path) -> Path:
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


def _records(folder: Path) -> None:
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


def _music_side(recipe: Recipe) -> None:
    config = MusicgenConfig(
        text_encoder=T5Config(**TEXT_ENCODER).to_dict(),
        audio_encoder=EncodecConfig(**CODEC).to_dict(),
        decoder=MusicgenDecoderConfig(**DECODER).to_dict(),
    )
    model = MusicgenForConditionalGeneration(config)
    folder = recipe.run_folder("music")
    folder.mkdir(parents=True)
    tensors = {name: value.contiguous().clone() for name, value in model.state_dict().items()}
    save_file(tensors, str(folder / "final.safetensors"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """The recipe with every job run by the command line."""
    folder = tmp_path_factory.mktemp("tiny")
    path = _recipe(folder)
    _records(folder / "data")
    recipe = load_recipe(path)
    _music_side(recipe)
    for job in ("tokenizer", "language", "audio", "image", "video"):
        assert main(["stage0", "--only", job, "--recipe", str(path)]) == 0
    for stage in ("stage1", "stage2", "stage3", "evaluate", "export"):
        assert main([stage, "--recipe", str(path)]) == 0
    return recipe


def _base(mumu: Mumu) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in base_parameters(mumu.llama)}


def test_stages_leave_the_base_model_bitwise_alone(tiny: Recipe) -> None:
    before, after = load_stage(tiny), load_stage(tiny, "stage1", "stage2", "stage3")
    rows = [EOS, *load_tokenizer(tiny).audio_ids]
    others = [row for row in range(VOCABULARY) if row not in rows]
    for name, value in _base(before).items():
        trained = _base(after)[name]
        if name in ("tok_embeddings.weight", "output.weight"):
            assert torch.equal(trained[others], value[others])
            # `</s>` is never fed back in, so only its output row can learn.
            learnt = rows if name == "output.weight" else rows[1:]
            assert bool((trained[learnt] != value[learnt]).any(1).all()), name
        else:
            assert torch.equal(trained, value), name


def test_each_stage_trains_what_it_says(tiny: Recipe) -> None:
    def changed(first: Mumu, second: Mumu) -> set[str]:
        return {
            name
            for name, value in second.state_dict().items()
            if not torch.equal(value, first.state_dict()[name])
        }

    stages = [load_stage(tiny), load_stage(tiny, "stage1"), load_stage(tiny, "stage1", "stage2")]
    stages.append(load_stage(tiny, "stage1", "stage2", "stage3"))
    one, two, three = (changed(stages[i], stages[i + 1]) for i in range(3))
    gates = {f"llama.layers.{layer}.attention.gate" for layer in stages[0].injected_layers()}
    assert gates <= one
    assert {"prefix_query.weight", "llama.layers.0.attention.wq.bias", "llama.norm.weight"} <= one
    for layer in ("mu_mert.f3_3.weight", "iu_vit.proj.weight", "iu_vivit.rnn.weight_hh_l0"):
        assert layer in one
        assert layer in three
        assert layer not in two
    assert any("lora_w1_l2" in name for name in one)
    assert not any(name.startswith("output_projector") for name in one)
    tokens = {"llama.tok_embeddings.weight", "llama.output.weight"}
    assert two - tokens == {n for n in two if n.startswith("output_projector.")}
    assert tokens <= two
    assert gates <= three
    assert any(name.startswith("output_projector") for name in three)


def test_cached_features_are_the_encoders(tiny: Recipe) -> None:
    from mumu_training.models.audio_encoder import hidden_states
    from mumu_training.stage0.audio_encoder import load_encoder
    from mumu_training.stage0.media import music, read_samples

    record = music(tiny.data, "train")[0]
    samples = torch.from_numpy(read_samples(tiny.data, record).astype(np.float32) / 32768)
    with torch.no_grad():
        direct = hidden_states(load_encoder(tiny), samples[None])[0]
    cached = torch.from_numpy(Features(tiny).of(record).astype(np.float32))
    assert torch.allclose(cached, direct, atol=5e-3, rtol=2e-3)
    assert crop_frames(cached.numpy().astype(np.float16), 500, None).shape[1] == 500


def test_export_is_whole_and_reads_back(tiny: Recipe) -> None:
    checkpoint = read_checkpoint(tiny.checkpoint)
    names = set(checkpoint.tensors)
    for prefix in (
        "mert_model.encoder.",
        "vit_model.",
        "vivit_model.",
        "mu_mert_agg",
        "iu_vit_agg",
        "iu_vivit_rnn",
        "prefix_query",
        "llama.layers.6.attention.gate",
        "output_projector.tfm",
        "generation_model.text_encoder.",
        "generation_model.enc_to_dec_proj.",
        "generation_model.decoder.",
        "generation_model.audio_encoder.",
    ):
        assert any(name.startswith(prefix) for name in names), prefix
    assert not any("scores." in name for name in names)
    mumu = Mumu(checkpoint.metadata["components"])
    mumu.load_published(checkpoint.tensors)
    trained = load_stage(tiny, "stage1", "stage2", "stage3")
    for name, value in trained.state_dict().items():
        assert torch.allclose(mumu.state_dict()[name], value, atol=2e-3, rtol=2e-3), name
    assert checkpoint.metadata["tokenizer"]["audio_tokens"] == list(range(592, 600))
    assert checkpoint.metadata["training"]["jobs"]["stage3"]["steps"] == 2
    evaluation = checkpoint.metadata["evaluation"]
    assert 0 <= evaluation["audio_tokens"] <= 1
    assert 0 <= evaluation["instrument"]["swapped"] <= 1


def test_finished_stages_are_not_run_again(tiny: Recipe) -> None:
    before = load_run(tiny.run_folder("stage2"))
    path = tiny.runs.parent / "recipes" / "tiny.yaml"
    assert main(["stage2", "--recipe", str(path)]) == 0
    after = load_run(tiny.run_folder("stage2"))
    assert before is not None
    assert after is not None
    assert all(torch.equal(before["model"][n], v) for n, v in after["model"].items())


def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stage1", "--recipe", str(tmp_path / "none.yaml")]) == 2
    assert "no recipe" in capsys.readouterr().err
    path = _recipe(tmp_path)
    assert main(["stage0", "--only", "image", "--recipe", str(path)]) == 2
    assert "generate the data first" in capsys.readouterr().err
