"""T5 encoder against transformers: relative position buckets, no scaling, both feed-forwards."""

from __future__ import annotations

import torch
from transformers import T5Config, T5EncoderModel

from mumu_training.parity_cases import Case, randomise, state_of

CONFIG_KEYS = (
    "vocab_size",
    "d_model",
    "d_kv",
    "d_ff",
    "num_layers",
    "num_heads",
    "relative_attention_num_buckets",
    "relative_attention_max_distance",
    "layer_norm_epsilon",
    "feed_forward_proj",
)


def t5_config_dict(config: T5Config) -> dict[str, object]:
    """The subset of T5Config that checkpoint.json holds."""
    full = config.to_dict()
    return {key: full[key] for key in CONFIG_KEYS}


def make_t5(config: T5Config, seed: int) -> T5EncoderModel:
    """A T5 encoder with random weights whose relative biases matter."""
    model = T5EncoderModel(config).eval()
    model.set_attn_implementation("eager")
    # Without scaling, scores grow with d_kv: a smaller gain keeps softmax away from one-hot.
    randomise(model, seed, gain=0.7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "relative_attention_bias" in name:
                generator = torch.Generator().manual_seed(seed + 1)
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
            if "shared" in name:
                parameter.mul_(config.d_model**0.5)
    return model


def _case(config: T5Config, seed: int, lengths: tuple[int, ...]) -> Case:
    model = make_t5(config, seed)
    generator = torch.Generator().manual_seed(seed + 2)
    inputs, outputs = {}, {}
    for length in lengths:
        ids = torch.randint(0, config.vocab_size, (1, length), generator=generator)
        with torch.no_grad():
            inputs[f"input_ids.{length}"] = ids
            outputs[f"condition.{length}"] = model(input_ids=ids).last_hidden_state
    return Case(
        config=t5_config_dict(config),
        weights=state_of(model),
        inputs=inputs,
        outputs=outputs,
        facts={"lengths": list(lengths)},
    )


def relu() -> Case:
    """The original T5: plain ReLU; d_kv x heads differs from d_model; past the last bucket."""
    config = T5Config(
        vocab_size=97,
        d_model=40,
        d_kv=12,
        d_ff=56,
        num_layers=3,
        num_heads=5,
        layer_norm_epsilon=1e-6,
        feed_forward_proj="relu",
    )
    return _case(config, 11, (1, 9, 170))


def gated() -> Case:
    """T5 v1.1: gated GELU (tanh form); fewer buckets and a shorter reach than the default."""
    config = T5Config(
        vocab_size=83,
        d_model=32,
        d_kv=16,
        d_ff=48,
        num_layers=2,
        num_heads=3,
        relative_attention_num_buckets=20,
        relative_attention_max_distance=37,
        layer_norm_epsilon=3e-5,
        feed_forward_proj="gated-gelu",
    )
    return _case(config, 12, (2, 60))


def mini() -> Case:
    """The text encoder of mini."""
    config = T5Config(vocab_size=1024, d_model=128, d_kv=32, d_ff=512, num_layers=3, num_heads=4)
    return _case(config, 13, (24,))


CASES = {"t5-relu": relu, "t5-gated": gated, "t5-mini": mini}
