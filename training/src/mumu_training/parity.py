"""Reference cases for the TypeScript parity tests: random weights, inputs, expected outputs.

`python -m mumu_training.parity --component NAME --out DIR` writes
  config.json         `{"format", "component", "components": {...as in checkpoint.json}, "cases": [...]}`
  model.safetensors   fp32 weights under the published names
  cases.safetensors   inputs and expected outputs, named `<case>.<tensor>`
Gates, LoRA, biases and norms are random and not zero, so nothing can be left out unnoticed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mumu_training.models.mumu import AUDIO_TOKENS, Mumu

SMALL: dict[str, dict[str, Any]] = {
    "audio_encoder": {"hidden_size": 24, "num_hidden_layers": 3},
    "image_encoder": {"image_size": 32, "patch_size": 8, "hidden_size": 20},
    "video_encoder": {
        "image_size": 32,
        "num_frames": 8,
        "tubelet_size": [2, 8, 8],
        "hidden_size": 28,
    },
    "language": {
        "dim": 64,
        "n_layers": 8,
        "n_heads": 4,
        "vocab_size": 96,
        "hidden_dim": 112,
        "max_seq_len": 128,
        "lora_rank": 4,
        "query_layer": 2,
    },
    "projector": {
        "in_dim": 64,
        "hidden_dim": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "heads": 4,
        "feed_forward": 48,
        "queries": 12,
        "out_dim": 40,
        "scale": 10,
    },
}
GREEDY_STEPS = 64
PROMPT_LENGTH = 9
BATCH = 2
Case = dict[str, Tensor]


def randomise(module: nn.Module, seed: int) -> None:
    """Fill every parameter: matrices by fan-in, gates and biases clearly not zero, norms near 1."""
    generator = torch.Generator().manual_seed(seed)

    def normal(parameter: nn.Parameter) -> Tensor:
        return torch.randn(parameter.shape, generator=generator)

    with torch.no_grad():
        for name, parameter in module.named_parameters():
            value = normal(parameter)
            if name.endswith(".gate"):
                value = 0.8 * value
            elif "norm" in name and parameter.ndim == 1:
                value = (0.0 if name.endswith("bias") else 1.0) + 0.2 * value
            elif parameter.ndim == 1:
                value = 0.2 * value
            elif "tok_embeddings" not in name and "query" not in name:
                value = 1.2 * value / parameter[0].numel() ** 0.5
            parameter.copy_(value)


def small_model(seed: int) -> Mumu:
    """The understanding side at the small dimensions, random."""
    model = Mumu(SMALL)
    randomise(model, seed)
    return model.eval()


def _random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _modalities() -> dict[str, tuple[bool, bool, bool]]:
    names = {}
    for bits in range(8):
        present = (bool(bits & 1), bool(bits & 2), bool(bits & 4))
        label = [n for n, on in zip(("audio", "image", "video"), present, strict=True) if on]
        names["_".join(label) or "none"] = present
    return names


def _features(model: Mumu, present: tuple[bool, bool, bool]) -> list[Tensor | None]:
    return [
        _random(50 + index, BATCH, model.config.dim) if on else None
        for index, on in enumerate(present)
    ]


def injection_cases(model: Mumu) -> dict[str, Case]:
    """Features (absent ones left out) to the injection `[batch, n_layers, dim]`."""
    cases: dict[str, Case] = {}
    for name, present in _modalities().items():
        features = _features(model, present)
        case = {"injection": model.injection(features, BATCH)}
        for label, feature in zip(("audio", "image", "video"), features, strict=True):
            if feature is not None:
                case[label] = feature
        cases[name] = case
    return cases


def language_cases(model: Mumu) -> dict[str, Case]:
    """Prefill (`hidden` before the final norm, `logits`), then 64 greedy tokens with the cache."""
    config = model.config
    tokens = torch.randint(
        0,
        config.vocab_size,
        (BATCH, PROMPT_LENGTH),
        generator=torch.Generator().manual_seed(3),
    )
    cases: dict[str, Case] = {}
    for name, present in _modalities().items():
        injection = model.injection(_features(model, present), BATCH)
        hidden, cache = model.llama(tokens, injection)
        produced = model.llama.greedy(tokens, injection, GREEDY_STEPS)
        step_hidden, _ = model.llama(produced[:, :1], injection, cache)
        cases[name] = {
            "tokens": tokens,
            "injection": injection,
            "hidden": hidden,
            "logits": model.llama.logits(hidden),
            "step_hidden": step_hidden,
            "step_logits": model.llama.logits(step_hidden),
            "greedy": produced,
        }
    return cases


def audio_adapter_cases(model: Mumu) -> dict[str, Case]:
    """`hidden [batch, layers + 1, frames, width]` to `feature [batch, dim]`, two lengths."""
    layers, width = 1 + SMALL["audio_encoder"]["num_hidden_layers"], 24
    cases = {}
    for name, frames in {"short": 5, "long": 83}.items():
        hidden = _random(frames, BATCH, layers, frames, width)
        cases[name] = {"hidden": hidden, "feature": model.mu_mert(hidden)}
    return cases


def image_adapter_cases(model: Mumu) -> dict[str, Case]:
    """`states [batch, tokens, width]` to `feature [batch, dim]`."""
    states = _random(4, BATCH, 17, SMALL["image_encoder"]["hidden_size"])
    return {"image": {"states": states, "feature": model.iu_vit(states)}}


def video_adapter_cases(model: Mumu) -> dict[str, Case]:
    """`states [batch, 1 + tubelets * positions, width]` to `feature [batch, dim]`."""
    states = _random(5, BATCH, 1 + 4 * 16, SMALL["video_encoder"]["hidden_size"])
    return {"video": {"states": states, "feature": model.iu_vivit(states)}}


def projector_cases(model: Mumu) -> dict[str, Case]:
    """`hidden [batch, 8, dim]` (+ embeddings of the audio tokens) to the scaled `condition`."""
    hidden = _random(6, BATCH, AUDIO_TOKENS, model.config.dim)
    vocabulary = model.config.vocab_size
    ids = torch.arange(vocabulary - AUDIO_TOKENS, vocabulary)
    return {
        "projector": {
            "hidden": hidden,
            "embeddings": model.llama.tok_embeddings(ids),
            "input": hidden + model.llama.tok_embeddings(ids),
            "condition": model.condition(hidden, ids),
        }
    }


# Component: its cases, and the prefixes of the tensors it needs.
COMPONENTS: dict[str, tuple[Callable[[Mumu], dict[str, Case]], tuple[str, ...]]] = {
    "language": (language_cases, ("llama.", "prefix_query.")),
    "injection": (injection_cases, ("llama.", "prefix_query.")),
    "audio_adapter": (audio_adapter_cases, ("mu_mert_",)),
    "image_adapter": (image_adapter_cases, ("iu_vit_",)),
    "video_adapter": (video_adapter_cases, ("iu_vivit_",)),
    "projector": (projector_cases, ("output_projector.", "llama.tok_embeddings.")),
}


def write_parity(component: str, out: Path, seed: int = 1) -> None:
    """Write the three files of one component into `out`."""
    make, prefixes = COMPONENTS[component]
    model = small_model(seed)
    with torch.no_grad():
        cases = make(model)
    out.mkdir(parents=True, exist_ok=True)
    weights = {
        name: value.contiguous()
        for name, value in model.published_state().items()
        if name.startswith(prefixes)
    }
    save_file(weights, str(out / "model.safetensors"))
    flat = {
        f"{case}.{name}": value.contiguous().clone()
        for case, tensors in cases.items()
        for name, value in tensors.items()
    }
    save_file(flat, str(out / "cases.safetensors"))
    components = {**SMALL, "language": model.config.to_dict()}
    description = {
        "format": "mumu-parity/1",
        "component": component,
        "components": components,
        "cases": sorted(cases),
    }
    text = json.dumps(description, indent=2) + "\n"
    (out / "config.json").write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mumu_training.parity", description=__doc__)
    parser.add_argument("--component", required=True, choices=sorted(COMPONENTS))
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    write_parity(options.component, options.out, options.seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
