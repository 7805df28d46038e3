"""The audio codec: transformers' EncodecModel, with the training path it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import EncodecConfig, EncodecModel

from mumu_training.generation.codec_start import start_as_transform
from mumu_training.generation.fast_codec import run_layers, supported
from mumu_training.generation.quantizer import QuantizerTraining


def codec_config(component: Mapping[str, Any]) -> EncodecConfig:
    """EncodecConfig of a recipe's `codec` component (EncodecConfig's own field names).

    The single bandwidth follows from the frame rate, the codebooks' size and `num_quantizers`.
    Raises ValueError when the resulting number of codebooks is another.
    """
    values = dict(component)
    wanted = int(values.pop("num_quantizers", 6))
    config = EncodecConfig(**values, target_bandwidths=[1.0])
    kbps = config.frame_rate * config.codebook_nbits * wanted / 1000
    config.target_bandwidths = [kbps]
    if config.num_quantizers != wanted:
        raise ValueError(f"{wanted} codebooks do not fit a bandwidth of {kbps} kbit/s")
    return config


class CodecForTraining(nn.Module):
    """EncodecModel with a differentiable forward pass; `codec.*` of its state is what is kept."""

    def __init__(self, config: EncodecConfig, **quantizer_options: Any) -> None:
        super().__init__()
        self.codec = EncodecModel(config)
        start_as_transform(self.codec)
        self.quantization = QuantizerTraining(config.codebook_dim, **quantizer_options)

    def forward(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms `[B, 1, T]` (T a multiple of the hop) -> reconstruction, commitment loss."""
        if supported(self.codec.config):
            latents = run_layers(self.codec.encoder.layers, wave)  # [B, D, T / hop]
        else:
            latents = self.codec.encoder(wave)
        quantized, commitment = self.quantization(self.codec.quantizer, latents)
        if supported(self.codec.config):
            return run_layers(self.codec.decoder.layers, quantized), commitment
        return self.codec.decoder(quantized)[..., : wave.shape[-1]], commitment


def whole_hops(wave: Tensor, hop: int) -> Tensor:
    """Waveforms `[..., T]` padded with silence to whole hops."""
    return nn.functional.pad(wave, (0, -wave.shape[-1] % hop))


@torch.inference_mode()
def encode_song(codec: EncodecModel, samples: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Codes `[codebooks, frames]` of one mono song `[samples]` at the codec's rate."""
    wave = whole_hops(torch.from_numpy(samples)[None, None], codec.config.hop_length)
    codes = codec.encode(wave, return_dict=True).audio_codes  # [1, 1, K, T]
    return codes[0, 0].to(torch.int32).numpy().astype(np.uint16)


@torch.inference_mode()
def decode_codes(codec: EncodecModel, codes: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Mono samples `[frames * hop]` of codes `[codebooks, frames]`."""
    ids = torch.from_numpy(codes.astype(np.int64))[None, None]
    wave = codec.decode(ids, [None], return_dict=True).audio_values
    return wave[0, 0].numpy()
