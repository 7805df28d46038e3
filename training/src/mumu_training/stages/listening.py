"""Free-run answers on songs, beside the same model given another song: does it listen?"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from mumu_training.data.manifest import MusicRecord
from mumu_training.models.mumu import Mumu
from mumu_training.stage0.corpus import Row
from mumu_training.stages.batches import adapter_features, stage_batch
from mumu_training.stages.features import Features, crop_frames
from mumu_training.text import EOS, PromptTokenizer

INSTRUMENT_QUESTION = "What is the main instrument?"
TEMPO_QUESTION = "What is the tempo?"


def device_of(mumu: Mumu) -> torch.device:
    """Where the model's weights are."""
    return mumu.prefix_query.weight.device


@torch.no_grad()
def song_features(
    mumu: Mumu, features: Features, records: Sequence[MusicRecord], frames: int | None = None
) -> Tensor:
    """Adapter features `[songs, dim]` of whole songs (or of their middle `frames`)."""
    rows = []
    for record in records:
        states = features.audio.get(record)
        length = frames if frames is not None else states.shape[1]
        rows.append(mumu.mu_mert(crop_frames(states, length, None)[None].to(device_of(mumu)))[0])
    return torch.stack(rows)


def answers(
    mumu: Mumu,
    tokenizer: PromptTokenizer,
    features: Sequence[Tensor | None],
    instruction: str,
    count: int,
    tokens: int = 60,
) -> list[list[int]]:
    """Greedy answers (token ids, `</s>` and later cut) to one instruction for `count` inputs."""
    prompt = torch.tensor([tokenizer.prompt(instruction)], device=device_of(mumu))
    prompt = prompt.expand(count, -1)
    with torch.no_grad():
        injection = mumu.injection(features, count)
        produced = mumu.llama.greedy(prompt, injection, tokens, stop=EOS)
    result = []
    for row in produced.tolist():
        result.append(row[: row.index(EOS)] if EOS in row else row)
    return result


def says_instrument(text: str, instrument: str) -> bool:
    """Whether an answer names this main instrument."""
    found = re.search(r"main instrument is (?:an? )?([a-z ]+)", text)
    return found is not None and found[1].strip() == instrument


def says_tempo(text: str, tempo: float, tolerance: float = 0.1) -> bool:
    """Whether an answer's first number is within `tolerance` of the tempo."""
    found = re.search(r"\d+", text)
    return found is not None and abs(int(found[0]) / tempo - 1) <= tolerance


def listen(
    mumu: Mumu, tokenizer: PromptTokenizer, features: Features, records: Sequence[MusicRecord]
) -> dict[str, float]:
    """Shares of right instruments and tempos, own audio and (`_swapped`) the next song's.

    Nothing where there are no songs.
    """
    if not records:
        return {}
    own = song_features(mumu, features, records)
    figures: dict[str, float] = {}
    for label, feature in (("", own), ("_swapped", own.roll(1, 0))):
        for name, question, right in (
            ("instrument", INSTRUMENT_QUESTION, lambda t, r: says_instrument(t, r.instrument)),
            ("tempo10", TEMPO_QUESTION, lambda t, r: says_tempo(t, r.tempo)),
        ):
            ids = answers(mumu, tokenizer, (feature, None, None), question, len(records))
            texts = [tokenizer.decode(row) for row in ids]
            hits = [right(t, r.attributes) for t, r in zip(texts, records, strict=True)]
            figures[name + label] = sum(hits) / len(hits)
    return figures


def free_answer(mumu: Mumu, tokenizer: PromptTokenizer, features: Features, row: Row) -> list[int]:
    """The greedy answer to one row, token ids with `</s>` where it came."""
    batch = stage_batch([row], tokenizer, features, 200, mumu.config.max_seq_len, None)
    batch = batch.to(str(device_of(mumu)))
    prompt = torch.tensor([tokenizer.prompt(row.instruction)], device=device_of(mumu))
    with torch.no_grad():
        injection = mumu.injection(adapter_features(mumu, batch.media, 1), 1)
        return list(mumu.llama.greedy(prompt, injection, 120, stop=EOS)[0].tolist())


def music_when_asked(
    mumu: Mumu, tokenizer: PromptTokenizer, features: Features, rows: Sequence[Row]
) -> dict[str, float]:
    """How often the eight audio tokens come, whole and last, exactly when music is asked for
    (`audio_tokens`), and how often an answer ends by itself (`ended`). Nothing without rows."""
    if not rows:
        return {}
    right = ended = 0
    for row in rows:
        produced = free_answer(mumu, tokenizer, features, row)
        ended += produced[-1] == EOS
        ids = produced[: produced.index(EOS)] if EOS in produced else produced
        made = [token for token in ids if token in tokenizer.audio_ids]
        wanted = tokenizer.audio_ids if row.makes_music else []
        right += made == wanted and ids[len(ids) - len(made) :] == wanted
    return {"audio_tokens": right / len(rows), "ended": ended / len(rows)}


def answer_samples(
    mumu: Mumu, tokenizer: PromptTokenizer, features: Features, rows: Sequence[Row]
) -> str:
    """Questions of rows with the true answer and the model's own, for people to read."""
    lines = []
    for row in rows:
        ids = free_answer(mumu, tokenizer, features, row)
        made = sum(token in tokenizer.audio_ids for token in ids)
        about = ", ".join(record.id for record in row.media().values()) or "no file"
        lines += [
            f"- **{row.instruction}** ({about})",
            f"  - true: {row.answer}{' [music]' if row.makes_music else ''}",
            f"  - said: {tokenizer.decode(ids) or '(no words)'}"
            f"{f' [{made} audio tokens]' if made else ''}",
        ]
    return "\n".join(lines)
