"""Command line: `python -m mumu_training.parity_cases._checkpoint OUT [--recipe FILE] [--seed N]`.

Writes a whole checkpoint folder with random weights: at small dimensions, or at a recipe's. It says
nothing sensible, but every part is there in the layout that training writes, so packs can be built
from it and the whole engine run on it before (and without) any training.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from transformers import EncodecModel, MusicgenForConditionalGeneration, T5Config
from transformers.models.musicgen import MusicgenConfig, MusicgenDecoderConfig

from mumu_training.checkpoint import Checkpoint, halve, write_checkpoint
from mumu_training.generation.codec import codec_config
from mumu_training.models.audio_encoder import build_audio_encoder
from mumu_training.models.image_encoder import build_image_encoder
from mumu_training.models.mumu import AUDIO_TOKENS, Mumu
from mumu_training.models.video_encoder import build_video_encoder
from mumu_training.parity_cases import randomise
from mumu_training.recipe import load_recipe

SPECIAL = ("<unk>", "<s>", "</s>", "<pad>")
PROMPT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes "
    "the request.\n\n### Instruction:\n{instruction}\n\n### Response:"
)
VOCABULARY = 288
_VISION = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
TINY: dict[str, Any] = {
    "audio_encoder": {
        "sampling_rate": 24000,
        "do_normalize": True,
        "chunk_seconds": 10,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "conv_dim": [16, 20, 12],
        "conv_kernel": [480, 4, 4],
        "conv_stride": [240, 2, 2],
        "conv_bias": True,
        "feat_extract_norm": "layer",
        "feat_extract_activation": "gelu",
        "feat_proj_layer_norm": True,
        "do_stable_layer_norm": True,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-5,
    },
    "image_encoder": {
        **_VISION,
        "image_size": 32,
        "patch_size": 8,
        "intermediate_size": 40,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-6,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    },
    "video_encoder": {
        **_VISION,
        "image_size": 32,
        "num_frames": 8,
        "tubelet_size": [2, 8, 8],
        "intermediate_size": 40,
        "hidden_act": "gelu_fast",
        "layer_norm_eps": 1e-6,
    },
    "language": {
        "dim": 64,
        "n_layers": 4,
        "n_heads": 4,
        "vocab_size": VOCABULARY,
        "hidden_dim": 96,
        "norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_seq_len": 256,
        "lora_rank": 4,
        "query_layer": 1,
    },
    "projector": {
        "in_dim": 64,
        "hidden_dim": 32,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "heads": 4,
        "feed_forward": 48,
        "queries": 8,
        "out_dim": 32,
        "scale": 10,
    },
    "text_encoder": {
        "vocab_size": VOCABULARY,
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 4,
        "feed_forward_proj": "relu",
        "max_tokens": 32,
    },
    "music_decoder": {
        "vocab_size": 64,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "ffn_dim": 64,
        "num_codebooks": 4,
        "audio_channels": 1,
        "activation_function": "gelu",
        "window_seconds": 4,
        "guidance_scale": 3.0,
        "top_k": 16,
    },
    "codec": {
        "sampling_rate": 16000,
        "audio_channels": 1,
        "normalize": False,
        "hidden_size": 16,
        "num_filters": 4,
        "num_residual_layers": 1,
        "upsampling_ratios": [8, 5, 4, 4],
        "norm_type": "weight_norm",
        "use_causal_conv": False,
        "use_conv_shortcut": False,
        "num_lstm_layers": 1,
        "codebook_size": 64,
        "num_quantizers": 4,
    },
}
_OURS = {
    "text_encoder": {"max_tokens"},
    "music_decoder": {"window_seconds", "guidance_scale", "top_k"},
}


def _without_ours(components: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in components[name].items() if key not in _OURS[name]}


def music_model(components: dict[str, Any]) -> MusicgenForConditionalGeneration:
    """The music side, random. Raises ValueError where the parts do not fit each other."""
    codec = codec_config(components["codec"])
    pad = components["music_decoder"]["vocab_size"]
    decoder = MusicgenDecoderConfig(
        **_without_ours(components, "music_decoder"), pad_token_id=pad, bos_token_id=pad
    )
    config = MusicgenConfig(
        text_encoder=T5Config(**_without_ours(components, "text_encoder")).to_dict(),
        audio_encoder=codec.to_dict(),
        decoder=decoder.to_dict(),
    )
    return MusicgenForConditionalGeneration(config)


def byte_tokenizer(vocabulary: int) -> Tokenizer:
    """Bytes as tokens, the special tokens first, the audio tokens last, unused names between."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = [*SPECIAL, *alphabet]
    names += [f"<unused{index}>" for index in range(vocabulary - AUDIO_TOKENS - len(names))]
    names += [f"[AUD{index}]" for index in range(AUDIO_TOKENS)]
    vocab = {name: index for index, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([name for name in names if name[0] in "<[" and len(name) > 1])
    return tokenizer


@torch.no_grad()
def random_checkpoint(components: dict[str, Any], seed: int) -> Checkpoint:
    """A checkpoint of those components with random weights."""
    torch.manual_seed(seed)
    parts: dict[str, nn.Module] = {
        "mert_model.": build_audio_encoder(components["audio_encoder"]),
        "vit_model.": build_image_encoder(components["image_encoder"]),
        "vivit_model.": build_video_encoder(components["video_encoder"]),
        "generation_model.": music_model(components),
    }
    tensors: dict[str, torch.Tensor] = {}
    for prefix, module in parts.items():
        if not isinstance(module, EncodecModel):
            randomise(module, seed)
        tensors |= {prefix + name: value for name, value in module.state_dict().items()}
    mumu = Mumu(components)
    randomise(mumu, seed)
    tensors |= mumu.published_state()
    vocabulary = components["language"]["vocab_size"]
    metadata = {
        "name": "random",
        "variant": "mumu-llama",
        "version": "0",
        "components": components,
        "tokenizer": {
            "file": "tokenizer.json",
            **{"unk": 0, "bos": 1, "eos": 2, "pad": 3},
            "audio_tokens": list(range(vocabulary - AUDIO_TOKENS, vocabulary)),
        },
        "prompt": {"template": PROMPT, "stop": ["\n###"]},
        "sampling": {"temperature": 0.6, "top_p": 0.8, "max_tokens": 64},
        "conditioning": "caption",
        "licence": "CC0-1.0",
        "provenance": {"data": "none: random weights"},
    }
    return Checkpoint(metadata, halve(tensors))


def main() -> None:
    """Writes a random checkpoint folder."""
    parser = argparse.ArgumentParser(prog="mumu_training.parity_cases._checkpoint")
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", type=Path, help="take its dimensions (default: small ones)")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    components = TINY
    if options.recipe is not None:
        components = {k: dict(v) for k, v in load_recipe(options.recipe).components.items()}
    checkpoint = random_checkpoint(components, options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer = options.out / "tokenizer.json"
    text = byte_tokenizer(components["language"]["vocab_size"]).to_str()
    tokenizer.write_text(json.dumps(json.loads(text), ensure_ascii=False), encoding="utf-8")
    write_checkpoint(options.out, checkpoint, tokenizer)


if __name__ == "__main__":
    main()
