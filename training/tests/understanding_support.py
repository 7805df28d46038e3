"""What the tests share: small dimensions."""

from __future__ import annotations

from typing import Any

AUDIO: dict[str, Any] = {
    "sampling_rate": 24000,
    "do_normalize": True,
    "chunk_seconds": 30,
    "conv_dim": [32, 16],
    "conv_kernel": [480, 4],
    "conv_stride": [240, 2],
    "conv_bias": True,
    "feat_extract_norm": "layer",
    "feat_extract_activation": "gelu",
    "feat_proj_layer_norm": True,
    "do_stable_layer_norm": True,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
IMAGE: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 8,
    "num_channels": 3,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "qkv_bias": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
VIDEO: dict[str, Any] = {
    "image_size": 32,
    "num_frames": 8,
    "tubelet_size": [2, 8, 8],
    "num_channels": 3,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "hidden_act": "gelu_fast",
    "layer_norm_eps": 1e-6,
    "qkv_bias": True,
}
