"""The shape of a small vocoder codec."""

from __future__ import annotations

from typing import Any

RATE, HOP, BANDS = 16000, 640, 84
VOCODER: dict[str, Any] = {
    "sampling_rate": RATE,
    "audio_channels": 1,
    "normalize": False,
    "hidden_size": BANDS,
    "num_filters": 16,
    "num_residual_layers": 1,
    "upsampling_ratios": [8, 5, 4, 4],
    "norm_type": "weight_norm",
    "use_causal_conv": False,
    "pad_mode": "reflect",
    "use_conv_shortcut": False,
    "num_lstm_layers": 2,
    "codebook_size": 64,
    "num_quantizers": 2,
}
