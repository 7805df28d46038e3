"""EnCodec both ways against transformers: paddings, weight norm, LSTM, residual quantiser."""

from __future__ import annotations

import torch
from transformers import EncodecConfig, EncodecModel

from mumu_training.parity_cases import Case, randomise, state_of

CONFIG_KEYS = (
    "sampling_rate",
    "audio_channels",
    "normalize",
    "chunk_length_s",
    "hidden_size",
    "num_filters",
    "num_residual_layers",
    "upsampling_ratios",
    "norm_type",
    "kernel_size",
    "last_kernel_size",
    "residual_kernel_size",
    "dilation_growth_rate",
    "use_causal_conv",
    "pad_mode",
    "compress",
    "num_lstm_layers",
    "trim_right_ratio",
    "codebook_size",
    "codebook_dim",
    "use_conv_shortcut",
    "target_bandwidths",
)

# A code is compared one for one only where rounding cannot decide it: the gap between the best
# and second best squared distance, relative to the best.
MINIMUM_MARGIN = 1e-4


def encodec_config_dict(config: EncodecConfig) -> dict[str, object]:
    """The subset of EncodecConfig that checkpoint.json holds."""
    full = config.to_dict()
    return {key: full[key] for key in CONFIG_KEYS}


def make_encodec(config: EncodecConfig, seed: int) -> EncodecModel:
    """A codec with random weights and codebooks that fit what its encoder puts out."""
    model = EncodecModel(config).eval()
    randomise(model, seed, gain=1.3)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        probe = torch.randn(1, 1, config.hop_length * 40, generator=generator) * 0.3
        residual = model.encoder(probe)[0].T  # [frames, hidden]
        for layer in model.quantizer.layers:
            spread = residual.std(dim=0, keepdim=True)
            shape = (config.codebook_size, config.hidden_size)
            book = residual.mean(dim=0) + spread * torch.randn(shape, generator=generator)
            layer.codebook.embed.copy_(book)
            residual = residual - book[layer.codebook.quantize(residual)]
    return model


def _smallest_margin(model: EncodecModel, embeddings: torch.Tensor) -> float:
    """Smallest relative gap between the best and the second best code over all decisions."""
    residual = embeddings[0].T.double()
    smallest = float("inf")
    for layer in model.quantizer.layers:
        book = layer.codebook.embed.double()
        distances = torch.cdist(residual, book) ** 2
        best = distances.topk(2, dim=1, largest=False)
        gap = (best.values[:, 1] - best.values[:, 0]) / best.values[:, 0]
        smallest = min(smallest, gap.min().item())
        residual = residual - book[best.indices[:, 0]]
    return smallest


def _waveform(model: EncodecModel, length: int, seed: int) -> torch.Tensor:
    """Noise of `length` samples whose codes rounding cannot decide. Raises if none was found."""
    for attempt in range(200):
        generator = torch.Generator().manual_seed(seed * 1000 + attempt)
        waveform = torch.randn(1, 1, length, generator=generator) * 0.3
        if _smallest_margin(model, model.encoder(waveform)) > MINIMUM_MARGIN:
            return waveform
    raise RuntimeError(f"no waveform of {length} samples has clear codes")


def _case(
    config: EncodecConfig, seed: int, lengths: tuple[int, ...], frames: tuple[int, ...]
) -> Case:
    model = make_encodec(config, seed)
    inputs, outputs = {}, {}
    generator = torch.Generator().manual_seed(seed + 2)
    with torch.no_grad():
        for length in lengths:
            waveform = _waveform(model, length, seed)
            inputs[f"waveform.{length}"] = waveform
            outputs[f"codes.{length}"] = model.encode(waveform).audio_codes[0]
        for count in frames:
            shape = (1, config.num_quantizers, count)
            codes = torch.randint(0, config.codebook_size, shape, generator=generator)
            inputs[f"codes.{count}"] = codes
            outputs[f"waveform.{count}"] = model.decode(codes[None], [None]).audio_values
    return Case(
        config=encodec_config_dict(config),
        weights=state_of(model),
        inputs=inputs,
        outputs=outputs,
        facts={
            "lengths": list(lengths),
            "frames": list(frames),
            "num_quantizers": config.num_quantizers,
            "hop": config.hop_length,
        },
    )


def symmetric() -> Case:
    """As in MusicGen: no causal padding, identity shortcuts, two LSTM layers, odd ratios.

    Lengths below the reflection's reach, not a multiple of the hop, and a multiple of it.
    """
    config = EncodecConfig(
        sampling_rate=3000,
        target_bandwidths=[3.5],
        num_filters=6,
        hidden_size=20,
        num_residual_layers=1,
        upsampling_ratios=[5, 3, 2],
        codebook_size=64,
        use_causal_conv=False,
        use_conv_shortcut=False,
        num_lstm_layers=2,
    )
    return _case(config, 21, (1, 7, 301, 600), (1, 2, 3, 21))


def causal() -> Case:
    """Causal padding, conv shortcuts, two dilated residual layers, unusual kernels and trims."""
    config = EncodecConfig(
        sampling_rate=2000,
        target_bandwidths=[5.0],
        num_filters=8,
        hidden_size=12,
        num_residual_layers=2,
        upsampling_ratios=[4, 3],
        kernel_size=5,
        last_kernel_size=3,
        residual_kernel_size=4,
        dilation_growth_rate=3,
        compress=4,
        codebook_size=32,
        use_causal_conv=True,
        use_conv_shortcut=True,
        num_lstm_layers=1,
        trim_right_ratio=0.4,
    )
    return _case(config, 22, (5, 250), (1, 30))


def replicated() -> Case:
    """Edges repeated in place of reflected, one wide ratio."""
    config = EncodecConfig(
        sampling_rate=1000,
        target_bandwidths=[1.5],
        num_filters=4,
        hidden_size=8,
        upsampling_ratios=[8],
        codebook_size=16,
        use_causal_conv=False,
        pad_mode="replicate",
        num_lstm_layers=1,
    )
    return _case(config, 23, (77,), (5,))


def mini_codec_config() -> EncodecConfig:
    """The codec of mini: 16 kHz, 25 frames a second, six codebooks of 512."""
    return EncodecConfig(
        sampling_rate=16000,
        target_bandwidths=[1.35],
        num_filters=16,
        hidden_size=128,
        upsampling_ratios=[8, 5, 4, 4],
        codebook_size=512,
        num_lstm_layers=1,
        use_causal_conv=False,
    )


def mini() -> Case:
    """The codec of mini."""
    return _case(mini_codec_config(), 24, (24_010,), (50,))


CASES = {
    "encodec-symmetric": symmetric,
    "encodec-causal": causal,
    "encodec-replicated": replicated,
    "encodec-mini": mini,
}
