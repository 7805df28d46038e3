"""MusicGen's decoder against transformers: greedy codes over 64 steps under guidance."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import (
    EncodecConfig,
    MusicgenConfig,
    MusicgenDecoderConfig,
    MusicgenForConditionalGeneration,
    T5Config,
)

from mumu_training.generation.music_model import set_position_base
from mumu_training.parity_cases import Case, randomise, state_of
from mumu_training.parity_cases.t5 import t5_config_dict

CONFIG_KEYS = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "ffn_dim",
    "num_codebooks",
    "audio_channels",
    "activation_function",
    "max_position_embeddings",
    "pad_token_id",
)

STEPS = 64
GUIDANCE = 3.0
# Greedy codes are compared one for one only where rounding cannot decide them: the gap between
# the two best guided logits, in units of their spread.
MINIMUM_MARGIN = 1e-4


def decoder_config_dict(config: MusicgenDecoderConfig) -> dict[str, object]:
    """The subset of MusicgenDecoderConfig that checkpoint.json holds."""
    full = config.to_dict()
    return {key: full[key] for key in (*CONFIG_KEYS, "position_base") if key in full}


def decoder_config(**settings: object) -> MusicgenDecoderConfig:
    """A decoder configuration whose padding id is the size of its codebooks."""
    card = settings["vocab_size"]
    return MusicgenDecoderConfig(**settings, pad_token_id=card, bos_token_id=card)


def make_musicgen(
    text: T5Config, decoder: MusicgenDecoderConfig, seed: int
) -> MusicgenForConditionalGeneration:
    """MusicGen with random weights and the smallest codec that transformers accepts."""
    codebooks = decoder.num_codebooks // decoder.audio_channels
    codec = EncodecConfig(
        sampling_rate=1000,
        upsampling_ratios=[2],
        num_filters=2,
        hidden_size=4,
        num_lstm_layers=1,
        codebook_size=decoder.vocab_size,
    )
    codec.target_bandwidths = [codebooks * codec.frame_rate * codec.codebook_nbits / 1000]
    config = MusicgenConfig(
        text_encoder=text.to_dict(), audio_encoder=codec.to_dict(), decoder=decoder.to_dict()
    )
    model = MusicgenForConditionalGeneration(config).eval()
    set_position_base(model.decoder)
    model.set_attn_implementation("eager")
    randomise(model, seed, gain=0.9)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_tokens" in name or "shared" in name:
                # Embeddings as large as the sinusoidal positions they are added to.
                parameter.mul_(parameter.shape[1] ** 0.5 * 0.7)
            if "lm_heads" in name:
                parameter.mul_(2.0)
        for layer in model.audio_encoder.quantizer.layers:
            layer.codebook.embed.normal_(generator=torch.Generator().manual_seed(seed))
    return model


def greedy(
    model: MusicgenForConditionalGeneration, hidden: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor, Tensor, float]:
    """Greedy decoding with guidance, the null prompts in the second half of the batch.

    hidden `[prompts, tokens, text width]`, mask `[prompts, tokens]`. Returns the delayed codes
    `[prompts, codebooks, 1 + STEPS]`, the codes `[prompts, codebooks, frames]`, the logits of
    each step before guidance `[STEPS, 2 * prompts, codebooks, card]` and the smallest margin.
    """
    decoder = model.decoder
    prompts, codebooks = hidden.shape[0], decoder.num_codebooks
    pad = decoder.config.pad_token_id
    start = torch.full((prompts * codebooks, 1), pad)
    ids, pattern = decoder.build_delay_pattern_mask(start, pad, max_length=1 + STEPS)
    batch_hidden = torch.cat([hidden, torch.zeros_like(hidden)])
    batch_mask = torch.cat([mask, torch.zeros_like(mask)])
    cache, logits_by_step, margin = None, [], float("inf")
    for _ in range(STEPS):
        ids = decoder.apply_delay_pattern_mask(ids, pattern)
        output = model(
            encoder_outputs=(batch_hidden,),
            attention_mask=batch_mask,
            decoder_input_ids=(ids if cache is None else ids[:, -1:]).repeat(2, 1),
            past_key_values=cache,
            use_cache=True,
        )
        cache = output.past_key_values
        logits = output.logits[:, -1].reshape(2 * prompts, codebooks, -1)
        logits_by_step.append(logits)
        conditional, unconditional = logits.split(prompts)
        guided = unconditional + (conditional - unconditional) * GUIDANCE
        best = guided.topk(2, dim=-1).values
        margin = min(margin, ((best[..., 0] - best[..., 1]) / guided.std()).min().item())
        following = guided.argmax(dim=-1).reshape(prompts * codebooks, 1)
        ids = torch.cat([ids, following], dim=1)
    ids = decoder.apply_delay_pattern_mask(ids, pattern)
    codes = ids[ids != pad].reshape(prompts, codebooks, -1)
    return ids.reshape(prompts, codebooks, -1), codes, torch.stack(logits_by_step), margin


def _check_against_generate(
    model: MusicgenForConditionalGeneration, token_ids: Tensor, mask: Tensor, codes: Tensor
) -> None:
    """Holds the loop above against transformers' own `generate`, by the waveform it decodes."""
    expected = model.generate(
        input_ids=token_ids,
        attention_mask=mask,
        do_sample=False,
        guidance_scale=GUIDANCE,
        max_new_tokens=STEPS,
        pad_token_id=model.decoder.config.pad_token_id,
        decoder_start_token_id=model.decoder.config.pad_token_id,
        eos_token_id=None,
    )
    channels = model.decoder.config.audio_channels
    scales = [None] * len(codes)
    actual = torch.cat(
        [
            model.audio_encoder.decode(codes[None, :, channel::channels], scales).audio_values
            for channel in range(channels)
        ],
        dim=1,
    )
    torch.testing.assert_close(actual, expected)


def _case(
    text: T5Config, decoder: MusicgenDecoderConfig, seed: int, lengths: tuple[int, ...]
) -> Case:
    model = make_musicgen(text, decoder, seed)
    generator = torch.Generator().manual_seed(seed + 2)
    longest = max(lengths)
    mask = torch.stack([(torch.arange(longest) < length).long() for length in lengths])
    # Another prompt is tried where rounding could decide a code.
    for _ in range(50):
        shape = (len(lengths), longest)
        token_ids = torch.randint(2, text.vocab_size, shape, generator=generator) * mask
        with torch.no_grad():
            hidden = model.text_encoder(input_ids=token_ids, attention_mask=mask)[0]
            delayed, codes, logits, margin = greedy(model, hidden, mask)
        if margin > MINIMUM_MARGIN and len(codes.unique()) > 10:
            break
    else:
        raise RuntimeError("no prompt leads to clear codes")
    with torch.no_grad():
        _check_against_generate(model, token_ids, mask, codes)
    weights = {
        name: value
        for name, value in state_of(model).items()
        if not name.startswith(("text_encoder.", "audio_encoder."))
    }
    return Case(
        config={
            "music_decoder": decoder_config_dict(decoder),
            "text_encoder": t5_config_dict(text),
        },
        weights=weights,
        inputs={"condition": hidden, "condition_mask": mask.float()},
        outputs={"delayed": delayed, "codes": codes, "logits": logits},
        facts={"steps": STEPS, "guidance": GUIDANCE, "prompts": len(lengths), "margin": margin},
    )


def tiny() -> Case:
    """Two prompts of different lengths, padded; the text encoder is wider than the decoder."""
    text = T5Config(vocab_size=71, d_model=56, d_kv=8, d_ff=40, num_layers=1, num_heads=3)
    decoder = decoder_config(
        vocab_size=64,
        hidden_size=36,
        num_hidden_layers=3,
        num_attention_heads=2,
        ffn_dim=80,
        num_codebooks=4,
    )
    return _case(text, decoder, 31, (9, 5))


def stereo() -> Case:
    """Two channels interleaved in the codebooks; text encoder as wide as the decoder; ReLU."""
    text = T5Config(vocab_size=71, d_model=40, d_kv=8, d_ff=40, num_layers=1, num_heads=3)
    decoder = decoder_config(
        vocab_size=32,
        hidden_size=40,
        num_hidden_layers=2,
        num_attention_heads=5,
        ffn_dim=56,
        num_codebooks=6,
        audio_channels=2,
        activation_function="relu",
    )
    return _case(text, decoder, 32, (6,))


def mini() -> Case:
    """The music decoder of mini behind its text encoder; positions have a base of its own."""
    text = T5Config(vocab_size=1024, d_model=128, d_kv=32, d_ff=512, num_layers=3, num_heads=4)
    decoder = decoder_config(
        vocab_size=512,
        hidden_size=224,
        num_hidden_layers=4,
        num_attention_heads=4,
        ffn_dim=896,
        num_codebooks=6,
        position_base=100,
    )
    return _case(text, decoder, 33, (20,))


CASES = {"musicgen-tiny": tiny, "musicgen-stereo": stereo, "musicgen-mini": mini}
