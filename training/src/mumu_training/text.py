"""Prompts, answers and their tokens: what the stages train on and the runtime must build alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

UNK, BOS, EOS, PAD = 0, 1, 2, 3
SPECIAL = ("<unk>", "<s>", "</s>", "<pad>")
AUDIO_TOKENS = tuple(f"[AUD{index}]" for index in range(8))
IGNORED = -100


class PromptTokenizer:
    """The checkpoint's tokenizer with the prompt's template."""

    def __init__(self, path: Path, template: str) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"there is no tokenizer at {path}; run stage0 --only tokenizer")
        self.tokenizer = Tokenizer.from_file(str(path))
        self.template = template
        self.audio_ids: list[int] = []
        for token in AUDIO_TOKENS:
            number = self.tokenizer.token_to_id(token)
            if number is None:
                raise ValueError(f"the tokenizer at {path} has no {token}")
            self.audio_ids.append(int(number))

    @property
    def size(self) -> int:
        """Vocabulary with the audio tokens."""
        return int(self.tokenizer.get_vocab_size())

    def encode(self, text: str) -> list[int]:
        """Plain text, nothing added."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def prompt(self, instruction: str) -> list[int]:
        """`<s>` and the template with the instruction; the answer follows."""
        return [BOS, *self.encode(self.template.format(instruction=instruction))]

    def bare_prompt(self, instruction: str) -> list[int]:
        """As `prompt`, without what the template says before its first heading."""
        template = self.template[self.template.index("###") :]
        return [BOS, *self.encode(template.format(instruction=instruction))]

    def answer(self, text: str, makes_music: bool) -> list[int]:
        """A space and the answer, the eight audio tokens where music is made, and `</s>`."""
        for token in AUDIO_TOKENS:
            text = text.replace(token, "")
        ids = self.encode(" " + text.strip())
        return [*ids, *(self.audio_ids if makes_music else ()), EOS]

    def decode(self, ids: Sequence[int]) -> str:
        """Text up to `</s>`, without special or audio tokens, stripped."""
        ids = list(ids)
        if EOS in ids:
            ids = ids[: ids.index(EOS)]
        kept = [token for token in ids if token not in self.audio_ids]
        return str(self.tokenizer.decode(kept, skip_special_tokens=True)).strip()


@dataclass
class TokenBatch:
    """Right-padded sequences. `labels[i]` is what position i should predict, or IGNORED."""

    tokens: Tensor
    labels: Tensor


def pack_answers(rows: Sequence[tuple[list[int], list[int]]], limit: int) -> TokenBatch:
    """(prompt, answer) pairs to a padded batch `[batch, longest]` with labels on answers only.

    Raises ValueError when a pair exceeds `limit` tokens.
    """
    longest = max(len(prompt) + len(answer) for prompt, answer in rows) - 1
    if longest > limit:
        raise ValueError(f"an example of {longest} tokens does not fit a context of {limit}")
    tokens = torch.full((len(rows), longest), PAD)
    labels = torch.full((len(rows), longest), IGNORED)
    for index, (prompt, answer) in enumerate(rows):
        whole = torch.tensor(prompt + answer)
        tokens[index, : len(whole) - 1] = whole[:-1]
        labels[index, len(prompt) - 1 : len(whole) - 1] = whole[len(prompt) :]
    return TokenBatch(tokens, labels)
