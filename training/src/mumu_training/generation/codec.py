"""The audio codec: transformers' EncodecModel, with the training path it lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import EncodecConfig, EncodecModel

from mumu_training.generation.codec_start import start_as_transform
from mumu_training.generation.fast_codec import run_layers, supported
from mumu_training.generation.quantizer import QuantizerTraining

TRAINING_BUFFERS = (".embed_avg", ".cluster_size", ".inited")
"""How the names of the codebooks' moving averages end: only training has a use for them."""


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
    if config.num_quantizers < wanted:  # the quotient fell just under a whole number
        config.target_bandwidths = [kbps * (1 + 1e-9)]
    if config.num_quantizers != wanted:
        raise ValueError(f"{wanted} codebooks do not fit a bandwidth of {kbps} kbit/s")
    return config


class CodecForTraining(nn.Module):
    """EncodecModel with a differentiable forward pass; `codec.*` of its state is what is kept."""

    def __init__(
        self,
        config: EncodecConfig,
        start: Callable[[EncodecModel], None] = start_as_transform,
        **quantizer_options: Any,
    ) -> None:
        """`start` gives the codec the weights that training starts from."""
        super().__init__()
        self.codec = EncodecModel(config)
        start(self.codec)
        self.quantization = QuantizerTraining(config.codebook_dim, **quantizer_options)

    def forward(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms `[B, 1, T]` (T a multiple of the hop) -> reconstruction, commitment loss."""
        latents = self._run(self.codec.encoder, wave)  # [B, D, T / hop]
        quantized, commitment = self.quantization(self.codec.quantizer, latents)
        return self._run(self.codec.decoder, quantized)[..., : wave.shape[-1]], commitment

    def _run(self, part: nn.Module, x: Tensor) -> Tensor:
        return run_part(self.codec, part, x)


def run_part(codec: EncodecModel, part: nn.Module, x: Tensor) -> Tensor:
    """Run the codec's encoder or decoder on `[B, C, T]`, by the faster path where that covers it."""
    if supported(codec.config):
        assert isinstance(part.layers, nn.ModuleList)
        return run_layers(part.layers, x)
    result: Tensor = part(x)
    return result


def whole_hops(wave: Tensor, hop: int) -> Tensor:
    """Waveforms `[..., T]` padded with silence to whole hops."""
    return nn.functional.pad(wave, (0, -wave.shape[-1] % hop))


@torch.no_grad()
def encode_latents(codec: EncodecModel, song: NDArray[np.float32]) -> Tensor:
    """What the encoder makes of one mono song `[samples]`, before quantisation: `[1, D, frames]`."""
    wave = whole_hops(torch.from_numpy(song)[None, None], codec.config.hop_length)
    return run_part(codec, codec.encoder, wave)


@torch.inference_mode()
def encode_song(codec: EncodecModel, samples: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Codes `[codebooks, frames]` of one mono song `[samples]` at the codec's rate."""
    wave = whole_hops(torch.from_numpy(samples)[None, None], codec.config.hop_length)
    codes = codec.encode(wave, return_dict=True).audio_codes  # [1, 1, K, T]
    return codes[0, 0].to(torch.int32).numpy().astype(np.uint16)


@torch.inference_mode()
def encode_songs_together(
    codec: EncodecModel, songs: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.uint16]]:
    """Codes of several songs at once, by the faster path where it covers the codec.

    Songs are padded with silence to the longest; what that adds is cut off again.
    """
    hop = codec.config.hop_length
    frames = [-(-len(song) // hop) for song in songs]
    wave = torch.zeros(len(songs), 1, max(frames) * hop)
    for row, song in zip(wave, songs, strict=True):
        row[0, : len(song)] = torch.from_numpy(song)
    latents = run_part(codec, codec.encoder, wave)
    codes = codec.quantizer.encode(latents, codec.config.target_bandwidths[-1])  # [K, B, T]
    rows = codes.transpose(0, 1).to(torch.int32).numpy().astype(np.uint16)
    return [row[:, :count] for row, count in zip(rows, frames, strict=True)]


@torch.inference_mode()
def decode_codes(codec: EncodecModel, codes: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Mono samples `[frames * hop]` of codes `[codebooks, frames]`."""
    ids = torch.from_numpy(codes.astype(np.int64))[None, None]
    wave = codec.decode(ids, [None], return_dict=True).audio_values
    return wave[0, 0].numpy()
