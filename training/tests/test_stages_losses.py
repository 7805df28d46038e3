"""Loss terms of the stages, tokens and labels."""

from __future__ import annotations

import torch

from mumu_training.stage0.tokenizer import train_tokenizer
from mumu_training.stages.losses import (
    answer_loss,
    audio_positions,
    audio_token_regulariser,
    condition_loss,
)
from mumu_training.text import AUDIO_TOKENS, BOS, EOS, IGNORED, PAD, PromptTokenizer, pack_answers

IDS = list(range(12, 20))


def test_labels_cover_the_answer_only() -> None:
    batch = pack_answers([([1, 5, 6], [7, 8, 2]), ([1, 5], [9, 2])], 16)
    assert batch.tokens.tolist() == [[1, 5, 6, 7, 8], [1, 5, 9, PAD, PAD]]
    i = IGNORED
    assert batch.labels.tolist() == [[i, i, 7, 8, 2], [i, 9, 2, i, i]]


def test_regulariser_has_a_gradient_that_moves_the_mass() -> None:
    """Mass leaves the audio tokens where the target has none, and goes to them where it has."""
    logits = torch.zeros(1, 2, 20, requires_grad=True)
    labels = torch.tensor([[3, 12]])
    loss = audio_token_regulariser(logits, labels, IDS)
    expected = -(torch.log(torch.tensor(12 / 20)) + torch.log(torch.tensor(8 / 20))) / 2
    assert torch.allclose(loss, expected)
    loss.backward()
    assert logits.grad is not None
    assert bool((logits.grad[0, 0, IDS] > 0).all())
    assert bool((logits.grad[0, 1, IDS] < 0).all())


def test_regulariser_vanishes_when_the_mass_is_right() -> None:
    logits = torch.full((1, 2, 20), -20.0)
    logits[0, 0, 3] = logits[0, 1, 14] = 20.0
    assert audio_token_regulariser(logits, torch.tensor([[3, 12]]), IDS) < 1e-6


def test_audio_positions_are_those_that_predict() -> None:
    batch = pack_answers([([1, 5, 6], [7, *IDS, 2]), ([1], [9, 2]), ([1], [*IDS, 2])], 32)
    rows, positions = audio_positions(batch.labels, IDS)
    assert rows.tolist() == [0, 2]
    assert positions[0].tolist() == list(range(3, 11))
    assert positions[1].tolist() == list(range(8))
    assert batch.tokens[0, 4:12].tolist() == IDS  # one after each predicting position


def test_answer_loss_ignores_the_prompt() -> None:
    logits = torch.randn(2, 4, 20)
    labels = torch.full((2, 4), IGNORED)
    labels[0, 3] = 5
    loss, _ = answer_loss(logits, labels)
    assert torch.allclose(loss, -torch.log_softmax(logits[0, 3], -1)[5])


def test_condition_loss_is_relative() -> None:
    target = torch.randn(2, 3, 4)
    assert torch.allclose(condition_loss(torch.zeros(2, 3, 4), target), torch.tensor(1.0))
    assert torch.allclose(condition_loss(target, target), torch.tensor(0.0))


def test_tokenizer_ids_digits_and_round_trip(tmp_path) -> None:  # type: ignore[no-untyped-def]
    nouns = ("violin", "trumpet", "clarinet", "marimba", "lullaby", "waltz")
    texts = [f"The tempo is about {n} bpm, a calm {nouns[n % 6]} piece." for n in range(400)]
    tokenizer = train_tokenizer(texts, 300)
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    ours = PromptTokenizer(path, "### Instruction:\n{instruction}\n\n### Response:")
    vocabulary = tokenizer.get_vocab()
    assert [vocabulary[t] for t in ("<unk>", "<s>", "</s>", "<pad>")] == [0, 1, 2, 3]
    assert ours.audio_ids == list(range(292, 300))
    assert ours.size == 300
    digits = ours.encode("128")
    assert len(digits) == 3
    answer = ours.answer("About 128 bpm. " + AUDIO_TOKENS[0], True)
    assert answer[-9:] == [*ours.audio_ids, EOS]
    assert ours.decode(answer) == "About 128 bpm."
    assert ours.prompt("Hé 日本 🎵")[0] == BOS
    assert ours.decode(ours.encode("Hé 日本 🎵")) == "Hé 日本 🎵"
