"""Jobs that begin with a finished checkpoint."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from mumu_training.__main__ import main
from mumu_training.ablation.study import Settings, Study
from mumu_training.checkpoint import read_checkpoint
from mumu_training.lora import merge_lora
from mumu_training.models.llama import Llama, LlamaConfig
from mumu_training.recipe import load_recipe
from mumu_training.runs import START, TrainingError, load_run, load_start, write_tensors
from mumu_training.stage0 import audio_encoder, music_decoder
from mumu_training.stage0.language import has_tables
from mumu_training.stages.common import load_stage
from mumu_training.start import JOBS, begin
from stages_support import copy_with

MINI = Path(__file__).resolve().parents[2] / "models" / "mini"
RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "mini.yaml"


def test_merged_lora_says_the_same() -> None:
    torch.manual_seed(0)
    dims = {"dim": 32, "n_layers": 2, "n_heads": 4, "vocab_size": 64, "hidden_dim": 48}
    model = Llama(LlamaConfig(**dims, max_seq_len=16, lora_rank=4, query_layer=0))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    tokens = torch.randint(0, 64, (2, 9))
    whole = model(tokens)[0]
    merged = merge_lora(model.state_dict())
    assert not [name for name in merged if "lora" in name]
    plain = Llama(LlamaConfig(**dims, max_seq_len=16, lora_rank=4, query_layer=0))  # l2 is zero
    missing, unexpected = plain.load_state_dict(merged, strict=False)
    assert not unexpected
    assert all("lora" in name for name in missing)
    torch.testing.assert_close(plain(tokens)[0], whole, rtol=1e-4, atol=1e-5)
    partly = merge_lora(model.state_dict(), apart=("wv",))
    assert {name.split(".")[3] for name in partly if "lora" in name} == {"lora_wv_l1", "lora_wv_l2"}
    plain.load_state_dict(partly, strict=False)
    torch.testing.assert_close(plain(tokens)[0], whole, rtol=1e-4, atol=1e-5)


def test_jobs_begin_with_the_shipped_checkpoint(tmp_path: Path) -> None:
    recipe = load_recipe(_own(tmp_path))
    begin(recipe, MINI, ("language", "audio", "stage1", "stage2", "stage1_adapters"), ("music",))
    begin(recipe, MINI, (), ("codec",))
    tensors = read_checkpoint(MINI).tensors
    music = music_decoder.load_music_model(recipe)
    name = "decoder.lm_heads.0.weight"
    assert torch.equal(music.state_dict()[name], tensors[f"generation_model.{name}"])
    assert music_decoder.load_codec(recipe).state_dict().keys()
    assert load_run(recipe.run_folder("music"))["done"]  # type: ignore[index]
    with pytest.raises(TrainingError, match="music has begun already"):
        begin(recipe, MINI, ("music",))
    with pytest.raises(TrainingError, match="stage3 can't begin with"):
        begin(recipe, MINI, ("stage3",))
    assert "stage3" not in JOBS


def test_a_kept_encoder_is_the_checkpoints(tmp_path: Path) -> None:
    recipe = load_recipe(_own(tmp_path))
    begin(recipe, MINI, (), ("audio",))
    encoder = audio_encoder.load_encoder(recipe).state_dict()
    tensors = read_checkpoint(MINI).part("mert_model.")
    assert set(tensors) == set(encoder)
    for name, value in encoder.items():
        assert torch.equal(value, tensors[name]), name


def test_kept_stages_are_the_checkpoints_language_model(tmp_path: Path) -> None:
    """As a projector is trained again, or another music side exported: all but the projector."""
    recipe = load_recipe(_own(tmp_path))
    begin(recipe, MINI, (), ("language", "stage1", "stage3"))
    state = load_stage(recipe, "stage1", "stage3").published_state()
    tensors = read_checkpoint(MINI).tensors
    ours = [n for n in tensors if n.startswith(("llama.", "mu_mert_", "iu_vi", "prefix_query"))]
    assert len(ours) > 100
    for name in ours:
        assert torch.equal(state[name], tensors[name]), name


def test_a_kept_language_model_has_no_tables_for_a_warm_start(stage0: Path, tmp_path: Path) -> None:
    """Adapters would be aimed at random features."""
    assert has_tables(load_recipe(copy_with(stage0, tmp_path / "tiny", {})))
    recipe = load_recipe(_own(tmp_path))
    begin(recipe, MINI, (), ("language",))
    assert not has_tables(recipe)
    with pytest.raises(
        TrainingError, match="kept from a checkpoint, which has no attribute tables"
    ):
        Study(recipe, Settings())


def test_a_projector_can_be_kept(tmp_path: Path) -> None:
    """As an encoder's adapter is trained again, and nothing else."""
    recipe = load_recipe(_own(tmp_path))
    begin(recipe, MINI, (), ("language", "stage1", "stage2", "stage3"))
    state = load_stage(recipe, "stage1", "stage3", "stage2").published_state()
    tensors = read_checkpoint(MINI).tensors
    ours = [name for name in tensors if name.startswith("output_projector.")]
    assert len(ours) > 10
    for name in ours:
        assert torch.equal(state[name], tensors[name]), name


def test_the_music_decoder_begins_with_its_metronome_held(tmp_path: Path) -> None:
    """No `text` job has run: what it taught is in the checkpoint."""
    recipe = load_recipe(_own(tmp_path))
    begin(recipe, MINI, ("music",), ("codec",))
    model = music_decoder.build_model(recipe)
    music_decoder.start_from_reader(recipe, model)
    assert load_start(model, recipe.run_folder("music"))
    tensors = read_checkpoint(MINI).tensors
    name = "decoder.model.decoder.embed_tokens.0.weight"
    assert torch.equal(model.state_dict()[name], tensors[f"generation_model.{name}"])
    layer = model.decoder.model.decoder.layers[0]
    held = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert {n for n in held if n.startswith("decoder.")} == {
        f"decoder.model.decoder.layers.0.{part}"
        for part in (
            "encoder_attn.q_proj.weight",
            "encoder_attn.k_proj.weight",
            "encoder_attn_layer_norm.weight",
            "encoder_attn_layer_norm.bias",
        )
    }
    assert any(n.startswith("enc_to_dec_proj.") for n in held)
    assert all(n in held for n, _ in model.named_parameters() if n.startswith("text_encoder."))
    # Kept free are the places that the checkpoint's own training kept free.
    free = (layer.self_attn.out_proj.weight == 0).all(dim=1)
    assert 0 < free.sum() < len(free) / 2
    layer.self_attn.out_proj.weight.sum().backward()
    gradient = layer.self_attn.out_proj.weight.grad
    assert gradient is not None
    assert torch.equal((gradient == 0).all(dim=1), free)


def test_training_starts_from_it_and_goes_on(stage0: Path, tmp_path: Path) -> None:
    """The weights of a run are those of `start.safetensors` before the first step."""
    jobs = {"image": {"steps": 1, "lr": 0.0, "weight_decay": 0.0}}
    path = copy_with(stage0, tmp_path, jobs)
    recipe = load_recipe(path)
    before = load_run(recipe.run_folder("image"))
    assert before is not None
    folder = recipe.run_folder("image")
    (folder / "last.pt").unlink()
    encoder = {n: t + 1 for n, t in before["model"].items() if n.startswith("encoder.")}
    write_tensors(folder / START, encoder, {})
    assert main(["stage0", "--only", "image", "--recipe", str(path)]) == 0
    after = load_run(folder)
    assert after is not None
    for name, value in encoder.items():
        assert torch.equal(after["model"][name], value), name


def test_another_tokenizer_is_not_laid_over_what_was_trained_with_one(tmp_path: Path) -> None:
    recipe = load_recipe(_own(tmp_path))
    begin(recipe, MINI, (), ("stage2",))
    begin(recipe, MINI, ("stage1_adapters",), ())  # the same one: nothing to mind
    tokenizer = recipe.run_folder("tokenizer") / "tokenizer.json"
    other = tokenizer.read_bytes() + b"\n"
    tokenizer.write_bytes(other)
    # Weights that wait to be trained on know theirs as well as those that were.
    said = "the weights of stage1_adapters, stage2 know another tokenizer than that of mini: delete"
    with pytest.raises(TrainingError, match=said):
        begin(recipe, MINI, (), ("image",))
    assert tokenizer.read_bytes() == other
    assert not recipe.run_folder("image").exists()
    shutil.rmtree(recipe.run_folder("stage2"))
    begin(recipe, MINI, ("stage1_adapters",), ("image",))  # begins anew, with its own
    assert tokenizer.read_bytes() == (MINI / "tokenizer.json").read_bytes()


def test_a_checkpoint_that_does_not_fit_leaves_the_tokenizer_alone(tmp_path: Path) -> None:
    recipe = load_recipe(_own(tmp_path))
    wider = {**recipe.component("music_decoder"), "ffn_dim": 10_000}
    components = {**recipe.components, "music_decoder": wider}
    with pytest.raises(TrainingError, match="does not fit the recipe"):
        begin(dataclasses.replace(recipe, components=components), MINI, (), ("image",))
    assert not recipe.run_folder("tokenizer").exists()


def test_begin_is_asked_for_on_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["begin"], ["export", "--from", "x"], ["begin", "export", "--from", "x"]):
        with pytest.raises(SystemExit):
            main([*words, "--recipe", "x"])
    assert "begin" in capsys.readouterr().err


def _own(folder: Path) -> Path:
    """The shipped recipe with its runs in a folder of the test's, and the shipped checkpoint's
    dimensions: the recipe may be ahead of it."""
    recipe = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    recipe["components"] = read_checkpoint(MINI).metadata["components"]
    (folder / "recipes").mkdir()
    path = folder / "recipes" / "mini.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    return path
