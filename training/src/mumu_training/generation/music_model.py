"""Text encoder and music decoder: transformers' MusicGen, trained from scratch on codes."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    EncodecModel,
    MusicgenConfig,
    MusicgenDecoderConfig,
    MusicgenForCausalLM,
    MusicgenForConditionalGeneration,
    T5Config,
    T5EncoderModel,
)

from mumu_training.generation.delay import delay
from mumu_training.text import EOS, PAD

# Of the recipe's `music_decoder` and `text_encoder` components, what is not a config's own field.
_SAMPLING = ("window_seconds", "guidance_scale", "top_k")


def text_encoder_config(component: Mapping[str, Any], dropout: float = 0.0) -> T5Config:
    """T5Config of a recipe's `text_encoder` component."""
    values = {key: value for key, value in component.items() if key != "max_tokens"}
    return T5Config(
        **values,
        dropout_rate=dropout,
        pad_token_id=PAD,
        eos_token_id=EOS,
        is_encoder_decoder=False,
        use_cache=False,
    )


def music_decoder_config(
    component: Mapping[str, Any], dropout: float = 0.0
) -> MusicgenDecoderConfig:
    """MusicgenDecoderConfig of a recipe's `music_decoder` component; pad is the id after the last."""
    values = {key: value for key, value in component.items() if key not in _SAMPLING}
    pad = int(values["vocab_size"])
    return MusicgenDecoderConfig(**values, dropout=dropout, pad_token_id=pad, bos_token_id=pad)


def position_rates(width: int, base: float) -> Tensor:
    """Angular frequencies of sinusoidal positions, radians a step `[width / 2]`: from 1 to 1/`base`."""
    half = width // 2
    return torch.exp(torch.arange(half).float() * (-math.log(base) / (half - 1)))


def sinusoids(positions: int, width: int, base: float) -> Tensor:
    """Sinusoidal positions `[positions, width]`, all cosines, then all sines: transformers' own for a
    base of 10,000."""
    angles = torch.arange(positions).float()[:, None] * position_rates(width, base)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def set_position_base(decoder: MusicgenForCausalLM) -> None:
    """Let a decoder's positions have the base its configuration says (`position_base`, a field of
    ours; without it they stay transformers' own)."""
    base = getattr(decoder.config, "position_base", None)
    if base is None:
        return
    places = decoder.model.decoder.embed_positions
    places.get_embedding = functools.partial(sinusoids, base=float(base))
    places.make_weights(decoder.config.max_position_embeddings, decoder.config.hidden_size)


class MusicModel(nn.Module):
    """The trainable part of MusicgenForConditionalGeneration, under its state-dict names."""

    def __init__(self, text: T5Config, music: MusicgenDecoderConfig) -> None:
        super().__init__()
        self.text_encoder = T5EncoderModel(text)
        self.enc_to_dec_proj = nn.Linear(text.d_model, music.hidden_size)
        self.decoder = MusicgenForCausalLM(music)
        set_position_base(self.decoder)
        if music.hidden_size < 512:
            # The fused kernel's backward takes twice as long on a CPU, for heads as small as these.
            self.decoder.set_attn_implementation("eager")
        self.config = music
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        """Weights to start from.

        transformers' own (deviation 0.02 everywhere) drown the codes: the six embeddings of a
        step add up to a twentieth of the sinusoidal positions, and hundreds of steps pass before
        the decoder sees anything but time.
        """
        depth = (2 * self.config.num_hidden_layers) ** -0.5
        for name, parameter in self.decoder.named_parameters():
            if "embed_tokens" in name:
                parameter.normal_(std=self.config.num_codebooks**-0.5)
            elif parameter.ndim == 2 and "lm_heads" not in name:
                scale = depth if name.endswith(("out_proj.weight", "fc2.weight")) else 1.0
                parameter.normal_(std=scale * parameter.shape[1] ** -0.5)

    def condition(self, ids: Tensor, mask: Tensor, keep: Tensor | None = None) -> Tensor:
        """What the decoder attends to, `[B, L, hidden]`, for caption ids and mask `[B, L]`.

        `keep` `[B]` is 0 for items whose caption is dropped: all their states become zero, as in
        the unconditional half of transformers' classifier-free guidance. The decoder's attention
        has no biases, so a zero state adds nothing whether masked or not.
        """
        states = self.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        kept = mask if keep is None else mask * keep[:, None]
        return self.enc_to_dec_proj(states) * kept[..., None]

    def logits(self, steps: Tensor, condition: Tensor, mask: Tensor) -> Tensor:
        """Delayed codes `[B, K, S]` -> logits of the next step `[B, K, S, vocab]`."""
        batch, books, length = steps.shape
        result = self.decoder(
            input_ids=steps.reshape(batch * books, length),
            encoder_hidden_states=condition,
            encoder_attention_mask=mask,
            use_cache=False,
        ).logits
        return result.reshape(batch, books, length, -1)

    def losses(
        self,
        codes: Tensor,
        ids: Tensor,
        mask: Tensor,
        keep: Tensor | None = None,
        blank: Tensor | None = None,
    ) -> Tensor:
        """Cross-entropy per codebook `[K]` of codes `[B, K, N]` under captions `[B, L]`.

        `blank` `[B]` is the share of each item's past steps that the decoder does not get to see.
        The past tells it nearly everything that the caption does, so without this it takes very
        long to look at the caption at all.
        """
        steps = delay(codes, self.config.pad_token_id)
        past = steps[..., :-1]
        if blank is not None:
            chance = torch.rand(past.shape[0], 1, past.shape[2]).to(past.device)
            hidden = chance < blank[:, None, None]
            past = past.masked_fill(hidden, self.config.pad_token_id)
        made = self.logits(past, self.condition(ids, mask, keep), mask)
        target = steps[..., 1:]
        target = target.masked_fill(target == self.config.pad_token_id, -100)
        rows = [
            functional.cross_entropy(made[:, book].flatten(0, 1), target[:, book].flatten())
            for book in range(codes.shape[1])
        ]
        return torch.stack(rows)


def whole_model(model: MusicModel, codec: EncodecModel) -> MusicgenForConditionalGeneration:
    """transformers' own composite of the trained parts, ready for its `generate`."""
    config = MusicgenConfig(
        text_encoder=model.text_encoder.config.to_dict(),
        audio_encoder=codec.config.to_dict(),
        decoder=model.config.to_dict(),
    )
    whole = MusicgenForConditionalGeneration(
        config=config,
        text_encoder=model.text_encoder,
        audio_encoder=codec,
        decoder=model.decoder,
    )
    whole.enc_to_dec_proj = model.enc_to_dec_proj
    pad = model.config.pad_token_id
    whole.generation_config.pad_token_id = pad
    whole.generation_config.bos_token_id = pad
    whole.generation_config.decoder_start_token_id = pad
    return whole.eval()


def caption_batch(rows: Sequence[Sequence[int]], longest: int) -> tuple[Tensor, Tensor]:
    """Caption ids (without `</s>`) as ids and mask `[B, L]`; a caption over `longest` is cut."""
    ended = [[*row[: longest - 1], EOS] for row in rows]
    length = max(len(row) for row in ended)
    ids = torch.full((len(rows), length), PAD)
    for index, row in enumerate(ended):
        ids[index, : len(row)] = torch.tensor(row)
    return ids, (ids != PAD).long()
