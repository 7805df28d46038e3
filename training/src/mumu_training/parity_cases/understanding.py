"""The understanding side as training runs it: language model, injection and adapters.

The models and their small random weights are those of `mumu_training.parity`; this module only
brings them into the form of a case, so that one process writes everything a test file needs.
Independent of it: `language-transformers`, where LlamaForCausalLM is the reference.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from mumu_training.parity import COMPONENTS, GREEDY_STEPS, SMALL, small_model
from mumu_training.parity_cases import Case, randomise, state_of

INPUTS = {"tokens", "injection", "audio", "image", "video", "hidden", "states"}


@torch.no_grad()
def _component(component: str) -> Case:
    """All cases of one component under `<case>.<tensor>`; what feeds the graph is an input."""
    make, prefixes = COMPONENTS[component]
    model = small_model(seed=1)
    cases = make(model)
    made = {"language": INPUTS - {"hidden"}, "injection": INPUTS - {"injection"}}
    feeds = made.get(component, INPUTS)
    named = {(case, key): value for case, part in cases.items() for key, value in part.items()}
    return Case(
        config={**SMALL, "language": model.config.to_dict()},
        weights={
            name: value
            for name, value in model.published_state().items()
            if name.startswith(prefixes)
        },
        inputs={f"{case}.{key}": value for (case, key), value in named.items() if key in feeds},
        outputs={f"{c}.{key}": value for (c, key), value in named.items() if key not in feeds},
        facts={"cases": sorted(cases)},
    )


def _interleaved(weight: Tensor, heads: int) -> Tensor:
    """Rows of a query or key matrix from transformers' half-split order to Meta's pairs."""
    out, inner = weight.shape
    return weight.view(heads, 2, out // heads // 2, inner).transpose(1, 2).reshape(out, inner)


def _meta_names(state: dict[str, Tensor], heads: int) -> dict[str, Tensor]:
    """A LlamaForCausalLM state dict under the names and in the row order of Meta's checkpoints."""
    renamed = {
        "model.embed_tokens": "tok_embeddings",
        "model.layers": "layers",
        "model.norm": "norm",
        "lm_head": "output",
        "self_attn.q_proj": "attention.wq",
        "self_attn.k_proj": "attention.wk",
        "self_attn.v_proj": "attention.wv",
        "self_attn.o_proj": "attention.wo",
        "mlp.gate_proj": "feed_forward.w1",
        "mlp.down_proj": "feed_forward.w2",
        "mlp.up_proj": "feed_forward.w3",
        "input_layernorm": "attention_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    result = {}
    for name, value in state.items():
        rotary = "q_proj" in name or "k_proj" in name
        for old, new in renamed.items():
            name = name.replace(old, new)
        result[f"llama.{name}"] = _interleaved(value, heads) if rotary else value
    return result


@torch.no_grad()
def language_transformers() -> Case:
    """Plain LLaMA: no LoRA, no biases, nothing injected (query_layer 0)."""
    heads, layers, dim, vocabulary, hidden = 3, 4, 48, 80, 104
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=dim,
        intermediate_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=256,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
    )
    model = LlamaForCausalLM(config).eval()
    randomise(model, seed=11)
    generator = torch.Generator().manual_seed(12)
    model.model.embed_tokens.weight.copy_(torch.randn(vocabulary, dim, generator=generator))
    tokens = torch.randint(0, vocabulary, (1, 21), generator=generator)
    greedy = model.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=GREEDY_STEPS,
        min_new_tokens=GREEDY_STEPS,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=vocabulary + 1,
    )[:, tokens.shape[1] :]
    return Case(
        config={
            "language": {
                "dim": dim,
                "n_layers": layers,
                "n_heads": heads,
                "vocab_size": vocabulary,
                "hidden_dim": hidden,
                "norm_eps": 1e-5,
                "rope_theta": 5000.0,
                "max_seq_len": 256,
                "query_layer": 0,
            }
        },
        weights=_meta_names(state_of(model), heads),
        inputs={"plain.tokens": tokens},
        outputs={"plain.logits": model(tokens).logits, "plain.greedy": greedy},
        facts={"cases": ["plain"]},
    )


CASES = {
    "language": partial(_component, "language"),
    "injection": partial(_component, "injection"),
    "audio-adapter": partial(_component, "audio_adapter"),
    "image-adapter": partial(_component, "image_adapter"),
    "video-adapter": partial(_component, "video_adapter"),
    "language-transformers": language_transformers,
}
