"""The music decoder against transformers: delay pattern, losses, guidance, generation, resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from transformers import EncodecModel, MusicgenForConditionalGeneration
from transformers.models.musicgen.modeling_musicgen import (
    MusicgenSinusoidalPositionalEmbedding,
)

from mumu_training.data.manifest import MusicAttributes, MusicRecord
from mumu_training.generation.codec import codec_config
from mumu_training.generation.delay import delay, undelay
from mumu_training.generation.export import half_state, load_part, save_part
from mumu_training.generation.music_model import (
    MusicModel,
    caption_batch,
    music_decoder_config,
    sinusoids,
    text_encoder_config,
    whole_model,
)
from mumu_training.generation.sample import figures
from mumu_training.generation.token_cache import (
    codec_mark,
    encode_songs,
    from_first_beat,
    read_cache,
    read_song_marks,
    write_cache,
)
from mumu_training.loop import TrainingJob, restore_model, run_training
from mumu_training.recipe import JobSettings
from mumu_training.stage0 import music_decoder
from mumu_training.stage0.music_decoder import (
    MusicBatch,
    SongCodes,
    batch_loss,
    cached_codes,
    some_of,
    weighted,
)

BOOKS, VOCAB, PAD = 3, 32, 32


def tiny_model(seed: int = 0) -> MusicModel:
    torch.manual_seed(seed)
    text = {
        "vocab_size": 64,
        "d_model": 16,
        "d_kv": 8,
        "d_ff": 32,
        "num_layers": 2,
        "num_heads": 2,
        "max_tokens": 32,
    }
    music = {
        "vocab_size": VOCAB,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "ffn_dim": 48,
        "num_codebooks": BOOKS,
        "max_position_embeddings": 64,
        "window_seconds": 1,
        "top_k": 4,
        "guidance_scale": 3.0,
    }
    model = MusicModel(text_encoder_config(text), music_decoder_config(music))
    with torch.no_grad():  # fresh weights are so small that nothing would depend on anything
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4.0)
    return model


def tiny_codec() -> EncodecModel:
    torch.manual_seed(3)
    values = {
        "sampling_rate": 16000,
        "hidden_size": 16,
        "num_filters": 8,
        "upsampling_ratios": [4, 4, 2],
        "use_causal_conv": False,
        "num_lstm_layers": 1,
        "codebook_size": VOCAB,
        "num_quantizers": BOOKS,
    }
    codec = EncodecModel(codec_config(values))
    for layer in codec.quantizer.layers:
        layer.codebook.embed.normal_()
    return codec.eval()


def tiny_batch(size: int = 2, frames: int = 12) -> MusicBatch:
    generator = torch.Generator().manual_seed(5)
    codes = torch.randint(VOCAB, (size, BOOKS, frames), generator=generator)
    ids, mask = caption_batch([[7 + row] * (3 + row) for row in range(size)], 32)
    return MusicBatch(codes, ids, mask, torch.ones(size, dtype=torch.long))


def test_delay_pattern_is_transformers() -> None:
    """With the whole song as a prompt, build_delay_pattern_mask lays it out the same way."""
    codes = tiny_batch().codes
    model = tiny_model()
    steps = delay(codes, PAD)
    start = torch.full((2, BOOKS, 1), PAD)
    prompt = torch.cat([start, codes], dim=2).reshape(2 * BOOKS, -1)
    _, pattern = model.decoder.build_delay_pattern_mask(prompt, PAD, max_length=steps.shape[-1])
    torch.testing.assert_close(pattern.reshape(steps.shape), steps)
    torch.testing.assert_close(undelay(steps), codes)


def test_loss_is_transformers_loss() -> None:
    """Its labels are the delayed codes; it shifts them right itself and ignores the padding."""
    batch, model = tiny_batch(), tiny_model().eval()
    whole = whole_model(model, tiny_codec())
    whole.config.decoder.decoder_start_token_id = PAD
    labels = delay(batch.codes, PAD)[..., 1:].transpose(1, 2)
    with torch.no_grad():
        ours = batch_loss(model, batch).mean()
        theirs = whole(input_ids=batch.ids, attention_mask=batch.mask, labels=labels).loss
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_dropped_caption_is_the_unconditional_half_of_guidance() -> None:
    """Zero states with a mask (ours, in training) or without (transformers' generate) are one."""
    batch, model = tiny_batch(), tiny_model().eval()
    batch.keep[1] = 0
    whole = whole_model(model, tiny_codec())
    steps = delay(batch.codes, PAD)[..., :-1]
    null = whole.get_unconditional_inputs(2)
    with torch.no_grad():
        condition = model.condition(batch.ids, batch.mask, batch.keep)
        ours = model.logits(steps, condition, batch.mask)
        theirs = whole(
            encoder_outputs=(null.encoder_outputs[0],),
            attention_mask=null.attention_mask,
            decoder_input_ids=steps.reshape(2 * BOOKS, -1),
        ).logits.reshape(ours.shape)
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-4, atol=1e-5)
    assert float((ours[0] - theirs[0]).abs().max()) > 1e-3


def test_a_blank_past_leaves_only_the_caption() -> None:
    batch, model = tiny_batch(), tiny_model().eval()
    nothing = torch.full((2, BOOKS, batch.codes.shape[2] + BOOKS - 1), PAD)
    with torch.no_grad():
        batch.blank = torch.ones(2)
        ours = batch_loss(model, batch)[0]
        condition = model.condition(batch.ids, batch.mask)
        logits = model.logits(nothing, condition, batch.mask)[:, 0, : batch.codes.shape[2]]
        batch.blank = torch.zeros(2)
        seen = batch_loss(model, batch)[0]
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch.codes[:, 0].flatten())
    torch.testing.assert_close(ours, expected)
    assert not torch.allclose(ours, seen)


def test_generate_follows_the_guided_logits() -> None:
    """Greedy generation with guidance 3 equals stepping our own logits by hand."""
    frames, guidance = 6, 3.0
    batch, model, codec = tiny_batch(1), tiny_model().eval(), tiny_codec()
    whole = whole_model(model, codec)
    with torch.no_grad():
        wave = whole.generate(
            input_ids=batch.ids,
            attention_mask=batch.mask,
            do_sample=False,
            guidance_scale=guidance,
            max_length=frames + BOOKS,
        )
        steps = torch.full((1, BOOKS, 1), PAD)
        conditions = [
            model.condition(batch.ids, batch.mask, torch.tensor([kept])) for kept in (1, 0)
        ]
        for place in range(1, frames + BOOKS):
            with_text, without = (
                model.logits(steps, states, batch.mask)[:, :, -1] for states in conditions
            )
            chosen = (without + guidance * (with_text - without)).argmax(dim=-1)
            for book in range(BOOKS):
                if not book < place <= book + frames:
                    chosen[:, book] = PAD
            steps = torch.cat([steps, chosen[..., None]], dim=2)
        codes = undelay(steps)
        ours = codec.decode(codes[None], [None]).audio_values
    torch.testing.assert_close(wave, ours, rtol=1e-4, atol=1e-5)


def _job(folder: Path, **changes: int) -> TrainingJob:
    batch = tiny_batch(2)
    return TrainingJob(
        name="music",
        folder=folder,
        model=tiny_model(),
        settings=JobSettings(steps=60, batch_size=2, lr=1e-2, warmup_steps=2, schedule="constant"),
        batch=lambda rng: batch,
        loss=lambda model, made: (weighted(batch_loss(model, made), [2.0, 1.0, 1.0]), {}),
        **changes,
    )


def test_two_songs_are_learnt_by_heart_and_told_apart_by_their_captions(tmp_path: Path) -> None:
    job = _job(tmp_path)
    batch = tiny_batch(2)
    before = batch_loss(job.model, batch).mean().item()
    run_training(job)
    model = job.model.eval()
    with torch.no_grad():
        after = batch_loss(model, batch)
        swapped = MusicBatch(batch.codes, batch.ids.flip(0), batch.mask.flip(0), batch.keep)
        other = batch_loss(model, swapped)
    assert float(after.mean()) < 0.3 * before
    assert float(other[0]) > 2 * float(after[0])


def test_resumed_training_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    run_training(_job(tmp_path / "whole", stop_at_step=8))
    run_training(_job(tmp_path / "parts", stop_at_step=5))
    run_training(_job(tmp_path / "parts", stop_at_step=8))
    states = []
    for name in ("whole", "parts"):
        model = tiny_model(9)
        restore_model(model, tmp_path / name)
        states.append(model.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, msg=name)


def test_saved_names_are_those_of_transformers(tmp_path: Path) -> None:
    """What is saved loads into MusicgenForConditionalGeneration itself, tied embedding included."""
    model, codec = tiny_model(), tiny_codec()
    save_part(tmp_path, model, model.config)
    state = half_state(model)
    state |= {f"audio_encoder.{name}": value for name, value in half_state(codec).items()}
    whole = MusicgenForConditionalGeneration(whole_model(tiny_model(4), codec).config)
    missing, unexpected = whole.load_state_dict(state, strict=False)
    assert not unexpected
    assert missing == ["text_encoder.encoder.embed_tokens.weight"]
    loaded = tiny_model(7)
    load_part(tmp_path, loaded)
    loaded.text_encoder.tie_weights()
    batch = tiny_batch()
    with torch.no_grad():
        ours, theirs = (batch_loss(m.eval(), batch) for m in (loaded, model))
    torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=2e-2)


def test_a_part_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run that job first"):
        load_part(tmp_path, tiny_model())
    save_part(tmp_path, tiny_codec(), tiny_codec().config)
    with pytest.raises(RuntimeError, match="of another model"):
        load_part(tmp_path, tiny_model())


def test_captions_end_and_are_cut() -> None:
    ids, mask = caption_batch([[10, 11], [5] * 40], 8)
    assert ids.tolist() == [[10, 11, 2, 3, 3, 3, 3, 3], [5] * 7 + [2]]
    assert mask.sum(dim=1).tolist() == [3, 8]


def test_token_cache_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "codes.npz"
    mark = codec_mark(tiny_codec())
    assert read_cache(path, mark) == {}
    codes = {"a": np.arange(12, dtype=np.uint16).reshape(2, 6)}
    write_cache(path, codes, mark)
    stored = read_cache(path, mark)
    assert list(stored) == ["a"]
    np.testing.assert_array_equal(stored["a"], codes["a"])
    assert stored["a"].dtype == np.uint16
    path.write_bytes(b"not a zip")
    with pytest.raises(ValueError, match="is damaged"):
        read_cache(path, mark)


def test_codes_belong_to_what_made_them(tmp_path: Path) -> None:
    """Another encoder or codebook makes a cache worthless, another decoder doesn't."""
    codec, path = tiny_codec(), tmp_path / "codes.npz"
    write_cache(path, {"a": np.zeros((2, 3), np.uint16)}, codec_mark(codec))
    with torch.no_grad():
        next(codec.decoder.parameters()).add_(1)
    assert read_cache(path, codec_mark(codec))
    with torch.no_grad():
        codec.quantizer.layers[1].codebook.embed.add_(1)
    assert read_cache(path, codec_mark(codec)) == {}


def test_codes_are_of_the_songs_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache from before songs had marks is taken as it is, but for a song of another length."""
    codec, rng = tiny_codec(), np.random.default_rng(2)
    monkeypatch.setattr(music_decoder, "load_codec", lambda recipe: codec)
    recipe = SimpleNamespace(run_folder=lambda job: tmp_path / job, data=tmp_path, threads=1)

    def write(name: str, samples: int) -> None:
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.standard_normal(samples), 16000)

    records = []
    for name in ("same", "longer", "new"):
        write(name, 16000)
        records.append(replace(_record(name), path=f"{name}.wav"))
    right = encode_songs(codec, tmp_path, records)
    path = tmp_path / "codec" / "codes.npz"
    path.parent.mkdir()
    old = {"same": np.zeros_like(right["same"]), "longer": right["longer"][:, :200]}
    gone = np.ones((BOOKS, 9), dtype=np.uint16)
    np.savez(path, **old, gone=gone, codec_mark=np.array(codec_mark(codec)))
    codes = cached_codes(recipe, records)
    assert not codes["same"].any()
    for name in ("longer", "new"):
        np.testing.assert_array_equal(codes[name], right[name])
    assert set(read_song_marks(path)) == {"same", "longer", "new"}
    stored = path.stat().st_mtime_ns
    assert set(cached_codes(recipe, records)) == {"same", "longer", "new", "gone"}
    assert path.stat().st_mtime_ns == stored, "nothing to write"
    write("same", 16000)
    again = cached_codes(recipe, records)
    np.testing.assert_array_equal(again["same"], encode_songs(codec, tmp_path, records)["same"])
    np.testing.assert_array_equal(again["gone"], gone)
    moved = [replace(records[0], beats=[0.3, 0.8]), *records[1:]]
    assert cached_codes(recipe, moved)["same"].shape[1] < again["same"].shape[1]


class _Letters:
    """Stands in for the tokenizer: one id a letter."""

    def encode(self, text: str) -> list[int]:
        return [4 + ord(letter) % 50 for letter in text]


def _record(name: str) -> MusicRecord:
    attributes = MusicAttributes(
        "piano", "piano", ["piano"], 120.0, "C", "major", "4/4", "rock", "happy", "medium",
        "medium", False, False,
    )  # fmt: skip
    return MusicRecord(
        name, "train", name, "-", 1.0, 0, "-", attributes, [], [0.1 + 0.5 * n for n in range(8)]
    )


def test_crops_begin_with_a_bar_or_anywhere_with_their_past() -> None:
    """Bars of 120 bpm in 4/4 begin at frames 0, 50, ...; a past is hidden only where a bar begins."""
    codes = {"long": np.tile(np.arange(90, dtype=np.uint16), (BOOKS, 1)), "short": np.zeros((3, 5))}
    songs = SongCodes([_record("long"), _record("short")], codes, _Letters(), 25, 20, 32)
    rng = np.random.default_rng(0)
    options = {"caption_dropout": 0.5, "blank_past": 1.0}
    batches = [songs.batch(rng, 8, options) for _ in range(40)]
    starts = np.array([int(row[0, 0]) for batch in batches for row in batch.codes])
    blank = torch.cat([batch.blank for batch in batches if batch.blank is not None]).numpy()
    assert set(starts[blank > 0]) == {0, 50}
    assert len(set(starts[blank == 0])) > 20
    assert 0.78 < np.mean(blank > 0) < 0.92
    kept = torch.cat([batch.keep for batch in batches]).float().mean()
    assert 0.2 < float(kept) < 0.8
    short = songs.batch(rng, 4, {"short_share": 1.0, "short_frames": 10})
    assert short.codes.shape == (8, BOOKS, 10)
    assert len(short.ids) == len(short.keep) == 8
    with pytest.raises(ValueError, match="no song has the 100 frames"):
        SongCodes([_record("long")], codes, _Letters(), 25, 100, 32)


def test_codes_begin_with_the_first_beat() -> None:
    record = replace(_record("x"), beats=[0.25, 0.75])
    wave = np.arange(16000, dtype=np.float32)
    assert from_first_beat(record, wave, 16000)[0] == 0.23 * 16000
    early = from_first_beat(replace(record, beats=[0.0, 0.5]), wave, 16000)
    assert early[:320].tolist() == [0.0] * 320
    assert early[321] == 1


def test_two_processes_encode_what_one_does(tmp_path: Path) -> None:
    """A codec with weight norms can't be pickled; the processes get its weights."""
    rng = np.random.default_rng(2)
    records = []
    for name in ("a", "b", "c"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.standard_normal(8000), 16000)
        records.append(replace(_record(name), path=f"{name}.wav"))
    codec = tiny_codec()
    alone = encode_songs(codec, tmp_path, records)
    together = encode_songs(codec, tmp_path, records, processes=2)
    assert list(together) == ["a", "b", "c"]
    for name, codes in alone.items():
        assert codes.shape[0] == BOOKS
        np.testing.assert_array_equal(together[name], codes)


def test_full_captions_are_with_and_without_the_key() -> None:
    codes = {"long": np.zeros((BOOKS, 90), dtype=np.uint16)}
    songs = SongCodes([_record("long")], codes, _Letters(), 25, 20, 32)
    rng = np.random.default_rng(4)
    captions = [songs.caption(songs.records[0], rng, 1.0) for _ in range(60)]
    with_key = "a fast happy rock piece in C major with piano at 120 bpm"
    without = "a fast happy rock piece in a major key with piano at 120 bpm"
    assert set(captions) == {with_key, without}
    assert 15 < captions.count(without) < 45


def test_wishes_made_from_songs_are_true_of_them() -> None:
    rng = np.random.default_rng(3)
    attributes = _record("x").attributes
    for _ in range(100):
        wish = some_of(attributes, rng)
        assert {"style", "instrument"} & set(wish)
        for name in set(wish) - {"tempo_word", "extra"}:
            assert wish[name] == getattr(attributes, name)
        assert wish.get("tempo_word", "fast") == "fast"


def test_positions_have_the_base_they_are_told() -> None:
    """transformers' own for 10,000, and faster slow ones for less."""
    own = MusicgenSinusoidalPositionalEmbedding(40, 24)
    torch.testing.assert_close(sinusoids(40, 24, 10_000.0), own.weights)
    config = tiny_model().config
    config.position_base = 50
    places = MusicModel(tiny_model().text_encoder.config, config).decoder.model.decoder
    slowest = places.embed_positions.weights[:, 11]
    torch.testing.assert_close(slowest, torch.cos(torch.arange(64) / 50))


def test_figures_of_clicks() -> None:
    wave = np.zeros(32000, dtype=np.float32)
    for place in range(4000, 32000, 8000):
        wave[place : place + 400] = 0.5 * np.hanning(400)
    row = figures(wave, 16000)
    assert row["onsets_per_second"] == pytest.approx(2.0)
    assert row["clipped"] == 0.0
    assert row["silent"] > 0.8
