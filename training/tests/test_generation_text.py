"""The text encoder's own job: captions are understood, numbers included, and the decoder starts with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mumu_training.data.music_words import plain_caption
from mumu_training.generation.music_model import caption_batch, position_rates
from mumu_training.loop import TrainingJob, run_training
from mumu_training.recipe import JobSettings
from mumu_training.stage0.text_encoder import (
    SPACES,
    TEMPI,
    CaptionReader,
    asked,
    batch_loss,
    make_batch,
    targets,
)

COMPONENT = {
    "vocab_size": 128,
    "d_model": 48,
    "d_kv": 16,
    "d_ff": 96,
    "num_layers": 2,
    "num_heads": 3,
    "feed_forward_proj": "relu",
}


class _Words:
    """Stands in for the tokenizer: an id a word, digits apart as in the real one."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def encode(self, text: str) -> list[int]:
        words = [p for w in text.split() for p in (list(w) if w.isdigit() else [w])]
        return [self.known.setdefault(word, 4 + len(self.known)) for word in words]


def _reader() -> CaptionReader:
    return CaptionReader(COMPONENT, position_rates(64, 10.0), 25.0)


def test_targets_are_what_the_caption_says() -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        wish = asked(rng)
        caption = plain_caption(wish)
        classes, bell = targets(wish)
        for (name, values), place in zip(SPACES.items(), classes, strict=True):
            said = values[place] if place < len(values) else None
            if name == "key":
                assert (f" in {said} m" in caption) == (said is not None)
            elif said is not None:
                assert said in caption
        if wish.get("tempo") is None:
            assert "bpm" not in caption
            assert sum(bell) == 0
        else:
            assert f"at {round(wish['tempo'])} bpm" in caption
            assert abs(TEMPI[int(np.argmax(bell))] / wish["tempo"] - 1) < 0.02


def test_an_encoder_learns_what_captions_say(tmp_path) -> None:  # type: ignore[no-untyped-def]
    words = _Words()
    torch.manual_seed(0)
    model = _reader()
    unseen = make_batch(np.random.default_rng(1), 64, words, 32)  # type: ignore[arg-type]
    before = float(batch_loss(model, unseen)[0].detach())
    run_training(
        TrainingJob(
            name="text",
            folder=tmp_path,
            model=model,
            settings=JobSettings(steps=120, batch_size=32, lr=3e-3, warmup_steps=10),
            batch=lambda rng: make_batch(rng, 32, words, 32),  # type: ignore[arg-type]
            loss=batch_loss,
        )
    )
    with torch.no_grad():
        loss, right = batch_loss(model.eval(), unseen)
    assert float(loss) < 0.5 * before
    assert right["mood"] > 0.8
    assert right["tempo_word"] > 0.9
    assert right["clock_error"] < 1


@pytest.mark.parametrize("lengths", [(3, 7), (7, 3)])
def test_the_end_of_each_caption_is_read_whatever_the_padding(lengths: tuple[int, int]) -> None:
    torch.manual_seed(1)
    model = _reader().eval()
    rows = [[5 + i for i in range(n)] for n in lengths]
    ids, mask = caption_batch(rows, 32)
    with torch.no_grad():
        together = model(ids, mask)["tempo"]
        alone = torch.cat([model(*caption_batch([row], 32))["tempo"] for row in rows])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
