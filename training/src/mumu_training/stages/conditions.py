"""Stage 2's target: what the frozen text encoder makes of a caption."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import T5Config, T5EncoderModel

from mumu_training.loop import TrainingError
from mumu_training.recipe import Recipe
from mumu_training.text import EOS, PAD, PromptTokenizer

PREFIX = "text_encoder."


def caption_ids(
    captions: Sequence[str], tokenizer: PromptTokenizer, length: int
) -> tuple[Tensor, Tensor]:
    """Captions as ids `[batch, length]` ended by `</s>`, and their mask; longer ones are cut."""
    ids = torch.full((len(captions), length), PAD)
    for row, caption in enumerate(captions):
        tokens = [*tokenizer.encode(caption)[: length - 1], EOS]
        ids[row, : len(tokens)] = torch.tensor(tokens)
    return ids, (ids != PAD).long()


class CaptionEncoder:
    """The trained T5 encoder of the music decoder, frozen."""

    def __init__(self, recipe: Recipe, tokenizer: PromptTokenizer) -> None:
        from mumu_training.stages.export import generation_state

        own = {
            name.removeprefix(PREFIX): value.float()
            for name, value in generation_state(recipe).items()
            if name.startswith(PREFIX)
        }
        if not own:
            raise TrainingError("there is no text encoder yet; run stage0 --only music first")
        self.model = T5EncoderModel(T5Config(**recipe.component("text_encoder")))
        missing, unexpected = self.model.load_state_dict(own, strict=False)
        if unexpected or any("embed_tokens" not in name for name in missing):
            raise TrainingError(f"the text encoder is of another shape: {missing or unexpected}")
        self.model.tie_weights()
        self.model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        projector = recipe.component("projector")
        self.length, self.scale = int(projector["queries"]), float(projector["scale"])

    @torch.no_grad()
    def target(self, captions: Sequence[str]) -> Tensor:
        """`[batch, queries, d_model]`: the scaled states, zero after the caption's end."""
        ids, mask = caption_ids(captions, self.tokenizer, self.length)
        ids, mask = ids.to(self.model.device), mask.to(self.model.device)
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return self.scale * states * mask[..., None]
