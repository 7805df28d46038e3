"""Batches of conversations with the encoder states of what they talk about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mumu_training.data.manifest import Record
from mumu_training.distributed import share, team, total
from mumu_training.models.mumu import Mumu
from mumu_training.stage0.corpus import Row
from mumu_training.stages.features import Features, crop_frames
from mumu_training.text import PromptTokenizer, TokenBatch, pack_answers

MODALITIES = ("audio", "image", "video")


@dataclass
class Media:
    """States of one modality, for the rows of a batch that have it."""

    rows: Tensor
    """Row numbers `[present]`."""
    states: Tensor
    """Audio `[present, layers + 1, frames, width]`, image and video `[present, tokens, width]`."""


@dataclass
class StageBatch:
    """Tokens with states by modality (absent modalities left out)."""

    text: TokenBatch
    media: dict[str, Media]
    captions: list[str | None]
    """What the music decoder is to hear, for rows that make music."""

    def to(self, device: str) -> StageBatch:
        """The same on a device."""
        return StageBatch(
            TokenBatch(self.text.tokens.to(device), self.text.labels.to(device)),
            {
                name: Media(media.rows.to(device), media.states.to(device))
                for name, media in self.media.items()
            },
            self.captions,
        )


def load_states(
    features: Features, record: Record, frames: int, rng: np.random.Generator | None
) -> Tensor:
    """States of one record, audio cropped to `frames` frames (at random with `rng`)."""
    states = features.of(record)
    if record.kind == "music":
        return crop_frames(states, frames, rng)
    return torch.from_numpy(states.astype(np.float32))


def row_generators(rng: np.random.Generator | None, count: int) -> list[np.random.Generator | None]:
    """A generator for each of `count` rows (None for each without `rng`)."""
    if rng is None:
        return [None] * count
    return [np.random.default_rng(int(seed)) for seed in rng.integers(2**63, size=count)]


def stage_batch(
    rows: Sequence[Row],
    tokenizer: PromptTokenizer,
    features: Features,
    frames: int,
    limit: int,
    rng: np.random.Generator | None,
    part: tuple[int, int] = (0, 1),
) -> StageBatch:
    """Tokenise rows and fetch their states; of `part` (index, parts) only, where one is given.

    Each row has a generator of its own, so a part has the crops that the whole batch would have.
    """
    chosen = share(len(rows), part)
    rngs = row_generators(rng, len(rows))[chosen]
    rows = rows[chosen]
    pairs = [
        (tokenizer.prompt(row.instruction), tokenizer.answer(row.answer, row.makes_music))
        for row in rows
    ]
    media: dict[str, Media] = {}
    for modality in MODALITIES:
        present = [index for index, row in enumerate(rows) if modality in row.media()]
        if present:
            states = [
                load_states(features, rows[index].media()[modality], frames, rngs[index])
                for index in present
            ]
            media[modality] = Media(torch.tensor(present), torch.stack(states))
    captions = [row.music_caption if row.makes_music else None for row in rows]
    return StageBatch(pack_answers(pairs, limit), media, captions)


def adapters_of(mumu: Mumu) -> dict[str, nn.Module]:
    """The adapters by modality."""
    return {"audio": mumu.mu_mert, "image": mumu.iu_vit, "video": mumu.iu_vivit}


def adapter_features(mumu: Mumu, media: dict[str, Media], batch: int) -> list[Tensor | None]:
    """Features `[batch, dim]` by modality in the order of MODALITIES; zero rows where absent."""
    adapters = adapters_of(mumu)
    result: list[Tensor | None] = []
    for modality in MODALITIES:
        if modality not in media:
            result.append(None)
            continue
        own = adapters[modality](media[modality].states)
        whole = own.new_zeros(batch, own.shape[-1])
        result.append(whole.index_copy(0, media[modality].rows, own))
    return result


def zero_of(module: nn.Module) -> Tensor:
    """Zero `[]` that gives everything a module trains a gradient of zero; what is frozen gets none."""
    zero = torch.zeros((), device=next(module.parameters()).device)
    for parameter in module.parameters():
        if parameter.requires_grad:
            zero = zero + 0.0 * parameter.sum()
    return zero


def zero_of_others(mumu: Mumu, media: dict[str, Media]) -> Tensor:
    """Zero `[]` that gives the adapters which only other processes have states for a gradient too.

    FSDP sums what has a gradient, in one piece: processes that differ in that can't be summed. An
    adapter that no process has states for is left without, as in one process: a gradient of zero
    would let it decay. Every process has to ask.
    """
    here = torch.tensor([float(modality in media) for modality in MODALITIES])
    anywhere = dict(zip(MODALITIES, total(here).tolist(), strict=True))
    zero = torch.zeros((), device=mumu.prefix_query.weight.device)
    for modality, adapter in adapters_of(mumu).items():
        if modality not in media and anywhere[modality] > 0:
            zero = zero + zero_of(adapter)
    return zero


def forward(mumu: Mumu, batch: StageBatch) -> tuple[Tensor, Tensor]:
    """Last-layer states before the final norm `[batch, length, dim]`, and logits.

    Where several processes share the batch, every one of them has to come here.
    """
    count = len(batch.text.tokens)
    injection = mumu.injection(adapter_features(mumu, batch.media, count), count)
    if team().count > 1:
        injection = injection + zero_of_others(mumu, batch.media)
    hidden, _ = mumu.llama(batch.text.tokens, injection)
    return hidden, mumu.llama.logits(hidden)
