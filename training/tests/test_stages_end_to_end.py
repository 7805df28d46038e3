"""Every job of the understanding side at tiny width on a handful of records, and the export.

The records are made in stages_support (noise and colours): what is tested is that the jobs run one
after the other, train what they should and nothing else, and that a checkpoint comes out whole.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import HubertModel, MusicgenForConditionalGeneration

from mumu_training.__main__ import main, require_data
from mumu_training.checkpoint import read_checkpoint
from mumu_training.data.manifest import (
    read_manifest,
    read_music,
)
from mumu_training.estimate import count, held
from mumu_training.generation.sample import DEFAULT_RECIPE
from mumu_training.generation.songs import SongBank
from mumu_training.loop import TrainingError, load_run
from mumu_training.lora import merge_lora
from mumu_training.models.mumu import Mumu, base_parameters, module_name, published_name
from mumu_training.recipe import JobSettings, Recipe, load_recipe
from mumu_training.runs import START, clear, read_final_metadata, save_run
from mumu_training.stage0.audio_encoder import Songs
from mumu_training.stage0.corpus import Conversations
from mumu_training.stage0.media import DataError, images, read_pixels, videos
from mumu_training.stage0.vision import load_scenes
from mumu_training.stages.common import (
    load_stage,
    load_tokenizer,
    train_parts,
    train_projector,
    train_token_rows,
    train_understanding,
)
from mumu_training.stages.features import Features, cache_size, crop_frames
from mumu_training.stages.published import is_adapter, params_of, read_published
from mumu_training.text import EOS
from stages_support import VOCABULARY, copy_with, write_recipe


@pytest.fixture(scope="module")
def tiny(stage0: Path, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """The recipe with every job run by the command line."""
    path = copy_with(stage0, tmp_path_factory.mktemp("tiny"), {})
    jobs = ("stage1", "stage2", "stage3", "evaluate", "export")
    assert main([*jobs, "--recipe", str(path)]) == 0
    return load_recipe(path)


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


def test_each_stage_trains_all_it_means_to_and_nothing_else(tiny: Recipe) -> None:
    """Bitwise, tensor by tensor, against what the stage says it trains."""
    audio_ids = load_tokenizer(tiny).audio_ids

    def third(mumu: Mumu) -> None:
        train_understanding(mumu)
        mumu.output_projector.requires_grad_(True)
        train_token_rows(mumu, audio_ids)

    def second(mumu: Mumu) -> None:
        train_projector(mumu)
        train_token_rows(mumu, audio_ids)

    order = ("stage1", "stage2", "stage3")
    for index, mark in enumerate((train_understanding, second, third)):
        before, after = load_stage(tiny, *order[:index]), load_stage(tiny, *order[: index + 1])
        mark(before)
        then = after.state_dict()
        for name, parameter in before.named_parameters():
            same = torch.equal(parameter, then[name])
            assert same != parameter.requires_grad, (order[index], name)


def test_every_job_ends_in_a_half_precision_checkpoint_that_says_what_it_is(tiny: Recipe) -> None:
    for job in ("language", "audio", "image", "video", "stage1_adapters", "stage1", "stage3"):
        path = tiny.run_folder(job) / "final.safetensors"
        metadata = read_final_metadata(path)
        assert (metadata["job"], metadata["step"]) == (job, "2")
        assert len(metadata["recipe_sha256"]) == 64
        assert json.loads(metadata["figures"])["loss"] > 0
        run = load_run(tiny.run_folder(job))
        assert run is not None
        tensors = load_file(str(path))
        assert set(tensors) == set(run["model"])
        for name, value in tensors.items():
            if value.is_floating_point():
                assert torch.equal(value, run["model"][name].half()), name
    shown = (tiny.run_folder("stage3") / "samples.md").read_text(encoding="utf-8")
    assert "## Step 2" in shown
    assert shown.count("- true: ") == shown.count("- said: ") == 6


def test_published_layout_round_trips(tiny: Recipe, tmp_path: Path) -> None:
    path = tiny.runs.parent / "recipes" / "tiny.yaml"
    whole = ["export", "--format", "published", "--out", str(tmp_path / "out")]
    assert main([*whole, "--recipe", str(path)]) == 0
    adapter = load_file(str(tmp_path / "out" / "adapter.safetensors"))
    for name in (
        "mu_mert_agg.weight",
        "mu_mert_rnn.weight_ih_l0",
        "iu_vit_f1_1.weight",
        "iu_vivit_proj.bias",
        "prefix_query.weight",
        "llama.layers.6.attention.gate",
        "llama.layers.0.attention.lora_wq_l1.weight",
        "llama.layers.0.feed_forward.lora_w1_l2.weight",
        "llama.output.weight",
        "output_projector.query_embs",
    ):
        assert name in adapter, name
    assert "llama.layers.0.attention.wq.weight" not in adapter
    llama = load_file(str(tmp_path / "out" / "llama" / "consolidated.safetensors"))
    # As the README says to make it.
    torch.save(llama, tmp_path / "consolidated.00.pth")
    read_back = torch.load(tmp_path / "consolidated.00.pth", weights_only=True)
    assert set(read_back) == set(llama)
    params = json.loads((tmp_path / "out" / "llama" / "params.json").read_text(encoding="utf-8"))
    assert params == params_of(tiny.component("language"))
    assert "layers.0.attention.wq.weight" in llama
    assert not any("lora" in name or "gate" in name for name in llama)
    trained, read = load_stage(tiny, *tiny.order), read_published(tiny, tmp_path / "out")
    for name, value in trained.state_dict().items():
        assert module_name(published_name(name)) == name
        assert torch.equal(read.state_dict()[name], value.half().float()), name
        assert is_adapter(published_name(name)) == (published_name(name) in adapter)
    music = MusicgenForConditionalGeneration.from_pretrained(tmp_path / "out" / "musicgen")
    own = load_file(str(tiny.run_folder("music") / "final.safetensors"))
    name = "decoder.lm_heads.0.weight"
    assert torch.equal(music.state_dict()[name].half(), own[name].half())
    heard = HubertModel.from_pretrained(tmp_path / "out" / "mert")
    assert heard.config.conv_dim == tuple(tiny.component("audio_encoder")["conv_dim"]) or (
        list(heard.config.conv_dim) == tiny.component("audio_encoder")["conv_dim"]
    )


def test_what_metas_file_says_is_what_the_model_is() -> None:
    dims = {"dim": 8, "n_heads": 2, "rope_theta": 500_000.0, "lora_rank": 2, "query_layer": 1}
    assert params_of(dims) == {"dim": 8, "n_heads": 2, "rope_theta": 500_000.0}


def test_estimate_counts_the_data_that_jobs_hold(
    tiny: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against what they do hold."""
    songs = [Songs(tiny.data, split) for split in ("train", "valid")]
    assert held(tiny, "audio") == sum(s.nbytes for half in songs for s in half.samples)
    size = tiny.component("image_encoder")["image_size"]
    scenes = [
        load_scenes(images(tiny.data, s), lambda r: read_pixels(tiny.data, r, size))  # type: ignore[arg-type]
        for s in ("train", "valid")
    ]
    assert held(tiny, "image") == sum(one.pixels.nbytes for one in scenes)
    dims = tiny.component("video_encoder")
    clips = [len(videos(tiny.data, split)) for split in ("train", "valid")]
    assert held(tiny, "video") == sum(clips) * dims["num_frames"] * 3 * dims["image_size"] ** 2
    jobs = {**tiny.jobs, "codec": JobSettings(), "music": JobSettings()}
    jobs["audio"] = JobSettings(options={"seeds": [7]})
    more = replace(tiny, jobs=jobs)
    bank = SongBank(tiny.data, read_music(tiny.data, "train"), 16_000)
    whole = sum(len(bank.song(index)) for index in range(len(bank)))
    assert held(more, "codec") == 2 * whole * 6 // 4  # and two to validate on
    assert 0 < held(more, "music") < held(more, "codec") / 10
    assert held(more, "audio") == sum(s.nbytes for s in songs[1].samples)
    assert held(tiny, "language") == held(tiny, "stage1") == 0
    path = tiny.runs.parent / "recipes" / "tiny.yaml"
    capsys.readouterr()
    assert main(["estimate", "--measure", "0", "--recipe", str(path)]) == 0
    said = capsys.readouterr().out
    assert "data 0.4 MB in every process" in said[said.index("audio\n") : said.index("image\n")]
    assert "data" not in said[said.index("stage1\n") : said.index("stage2\n")]


def test_a_song_that_is_gone_is_said(
    stage0: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = copy_with(stage0, tmp_path / "tiny", {})
    (load_recipe(path).data / "music" / "m1.flac").unlink()
    assert main(["stage0", "--only", "audio", "--fresh", "--recipe", str(path)]) == 2
    said = capsys.readouterr().err
    assert "a song of the dataset can't be read" in said
    assert "m1.flac" in said


def test_estimate_counts_measures_and_leaves_nothing_behind(
    tiny: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny.runs.parent / "recipes" / "tiny.yaml"
    before = {p: p.stat().st_mtime_ns for p in tiny.runs.rglob("*.pt")}
    capsys.readouterr()
    assert main(["estimate", "--measure", "1", "--recipe", str(path)]) == 0
    said = capsys.readouterr().out
    trained = sum(p.numel() for p in load_stage(tiny).output_projector.parameters())
    rows = 2 * VOCABULARY * 32
    block = said[said.index("\nstage2\n") :]
    assert f"{trained + rows:,} train" in block
    assert " s a step)" in block
    assert "activations unknown" not in said
    assert {p: p.stat().st_mtime_ns for p in tiny.runs.rglob("*.pt")} == before
    assert main(["estimate", "--measure", "0", "--recipe", str(path)]) == 0
    said = capsys.readouterr().out
    assert f"{trained + rows:,} train" in said[said.index("\nstage2\n") :]
    assert "time unknown" in said


def test_the_shipped_recipe_is_estimated_without_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every job of it, on a machine that has nothing yet."""
    raw = yaml.safe_load(DEFAULT_RECIPE.read_text(encoding="utf-8"))
    (tmp_path / "recipes").mkdir()
    path = tmp_path / "recipes" / "mini.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    assert main(["estimate", "--measure", "0", "--recipe", str(path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [job for job in raw["jobs"] if job not in said] == ["tokenizer"]


def test_estimate_knows_what_states_take(tiny: Recipe) -> None:
    features = Features(tiny)
    wanted = [record for record in read_manifest(tiny.data) if record.split != "test"]
    there = sum(features.of(record).nbytes for record in wanted)
    assert cache_size(tiny) == pytest.approx(there, rel=0.05)


def test_starting_over_keeps_what_a_job_began_with(tmp_path: Path) -> None:
    folder = tmp_path / "image"
    clear(folder)  # nothing there
    folder.mkdir()
    for name in (START, "log.csv"):
        (folder / name).write_text("x")
    (folder / "tensorboard").mkdir()
    save_run(folder, {"done": True})
    clear(folder)
    assert [path.name for path in folder.iterdir()] == [START]
    save_run(folder, {"done": True, "kept": True})
    with pytest.raises(TrainingError, match="image was kept from a checkpoint; delete"):
        clear(folder)


def test_seeds_that_are_not_there_stop_the_first_job(
    tiny: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    job = tiny.job("stage3")
    asked = replace(job, options={**job.options, "seeds": [0, 7]})
    recipe = replace(tiny, jobs={**tiny.jobs, "stage3": asked}, runs=tiny.runs / "other")
    with pytest.raises(DataError, match=r"stage3 is to learn from seed 7, of which .* has nothing"):
        require_data(recipe, ["tokenizer", "stage3"])
    require_data(recipe, ["tokenizer", "stage1"])
    require_data(replace(recipe, runs=tiny.runs), ["stage3"])  # finished: wants nothing more
    with pytest.raises(DataError, match="no train records of seed 7 to talk about"):
        Conversations(tiny, "train", seeds=[7])
    with pytest.raises(DataError, match="no image records of seed 7 in its train split"):
        images(tiny.data, "train", [7])


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
    read = mumu.state_dict()
    for name, value in merge_lora(trained.state_dict(), apart=("wv",)).items():
        assert torch.allclose(read[name], value, atol=2e-3, rtol=2e-3), name
    assert not any("lora_wq" in name for name in checkpoint.tensors)
    ids = torch.arange(5, 17)[None]
    with torch.no_grad():
        said = [
            model.llama.logits(model.llama(ids, model.injection([None] * 3, 1))[0])
            for model in (mumu.eval(), trained.eval())
        ]
    torch.testing.assert_close(*said, atol=2e-2, rtol=2e-2)
    assert checkpoint.metadata["tokenizer"]["audio_tokens"] == list(range(592, 600))
    assert checkpoint.metadata["training"]["jobs"]["stage3"]["steps"] == 2
    evaluation = checkpoint.metadata["evaluation"]
    assert 0 <= evaluation["audio_tokens"] <= 1
    assert 0 <= evaluation["instrument"]["swapped"] <= 1


def test_only_named_parts_train(tiny: Recipe) -> None:
    mumu = load_stage(tiny, "stage1")
    train_parts(mumu, ("iu_vivit",))
    for name, parameter in mumu.named_parameters():
        assert parameter.requires_grad == name.startswith("iu_vivit."), name
    with pytest.raises(TrainingError, match=r"no part 'vivit' to train.*iu_vivit"):
        train_parts(mumu, ("vivit",))
    job = tiny.job("stage3")
    alone = replace(job, options={**job.options, "only": ["iu_vivit"]})
    trained = sum(p.numel() for p in mumu.iu_vivit.parameters())
    found = count(replace(tiny, jobs={**tiny.jobs, "stage3": alone}), "stage3")
    assert found.trained == trained, "what estimate says"


def test_a_batch_without_anything_for_the_part_that_trains_is_no_end(
    tiny: Recipe, tmp_path: Path
) -> None:
    """Rows of a batch are of similar length: some batches have none that makes music."""
    options = {"frames": 20, "valid_songs": 0, "valid_rows": 0, "only": ["output_projector"]}
    changes = {"steps": 6, "log_every": 1, "batch_size": 4, "options": options}
    path = copy_with(tiny.runs.parent / "recipes" / "tiny.yaml", tmp_path, {"stage3": changes})
    assert main(["stage3", "--fresh", "--recipe", str(path)]) == 0
    log = (load_recipe(path).run_folder("stage3") / "log.csv").read_text(encoding="utf-8")
    norms = [float(row.split(",")[3]) for row in log.splitlines() if ",grad_norm," in row]
    assert min(norms) == 0 < max(norms)


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
    path = write_recipe(tmp_path)
    assert main(["stage0", "--only", "image", "--recipe", str(path)]) == 2
    assert "generate the data first" in capsys.readouterr().err
