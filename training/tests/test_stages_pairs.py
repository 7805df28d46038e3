"""Pairs of songs before and after a change, as the stages learn from them."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mumu_training.data.manifest import EditRecord, Split, append_records, read_music
from mumu_training.data.music_words import caption_in
from mumu_training.recipe import Recipe, load_recipe
from mumu_training.stage0.corpus import Conversations
from mumu_training.stages.batches import stage_batch
from mumu_training.stages.common import load_tokenizer
from mumu_training.stages.features import Features, crop_frames, learnt_from
from stages_support import copy_with


def with_pairs(recipe: Recipe, folder: Path, split: Split = "train") -> tuple[Recipe, EditRecord]:
    """The recipe's data with a pair: the first song as it was, and with its drums taken out."""
    shutil.copytree(recipe.data, folder)
    song = read_music(folder, "train")[0]
    fewer = replace(song.attributes, instruments=song.attributes.instruments[:-1], drums=False)
    pair = EditRecord(
        id="e0-000000",
        split=split,
        composition=song.composition,
        path="edits/none.flac",
        source_path=song.path,
        seconds=song.seconds,
        source_seconds=song.seconds,
        seed=song.seed,
        soundfont=song.soundfont,
        operation="delete",
        parameters={"part": "drums", "instrument": "drums"},
        instructions=["Remove the drums", "take out the drums"],
        attributes=fewer,
        source_attributes=song.attributes,
        caption="jazz with piano and electric bass",
        source_caption="jazz with piano, electric bass and drums",
    )
    append_records(folder, [pair])
    return replace(recipe, data=folder, runs=folder / "runs"), pair


def test_pairs_of_songs_are_asked_for_their_change(stage0: Path, tmp_path: Path) -> None:
    own = load_recipe(copy_with(stage0, tmp_path / "own", {}))
    recipe, pair = with_pairs(own, tmp_path / "data")
    rng = np.random.default_rng(1)
    rows = [Conversations(recipe, "train", shares={"edit": 1}).draw(rng) for _ in range(8)]
    assert {row.instruction for row in rows} == set(pair.instructions)
    for row in rows:
        assert row.kind == "change:delete"
        assert row.makes_music
        assert row.music_caption == pair.caption
        assert caption_in(row.answer) == pair.caption
        assert row.audio == pair.source_song()
    # What is heard is the song before the change.
    features, tokenizer = Features(replace(recipe, runs=own.runs)), load_tokenizer(own)
    batch = stage_batch(rows[:1], tokenizer, features, 20, 512, None)
    song = features.of(read_music(recipe.data, "train")[0])
    torch.testing.assert_close(batch.media["audio"].states[0], crop_frames(song, 20, None))
    assert batch.captions == [pair.caption]
    assert pair.source_song() in learnt_from(recipe)
    # They are among what everything learns from that does not say otherwise.
    drawn = Conversations(recipe, "train")
    kinds = Counter(drawn.draw(rng).kind.startswith("change:") for _ in range(500))
    assert 20 < kinds[True] < 80
    assert pair.caption in [text for _ in range(60) for text in drawn.captions(rng)]


def test_without_pairs_rows_are_drawn_as_if_there_were_none(stage0: Path, tmp_path: Path) -> None:
    shares = {"music": 0.5, "plain": 0.5}
    own = load_recipe(copy_with(stage0, tmp_path / "own", {}))
    recipe, pair = with_pairs(own, tmp_path / "data", "test")
    assert pair.source_song() not in learnt_from(recipe)
    found = []
    for asked in (shares, {**shares, "edit": 0.3}):
        rows, rng = Conversations(recipe, "train", shares=asked), np.random.default_rng(4)
        found.append([rows.draw(rng) for _ in range(40)])
    assert found[0] == found[1]
