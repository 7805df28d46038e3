"""A codec that starts as a bank of oscillators driven by a log spectrum.

An MDCT start (`codec_start`) codes waveforms: its codes carry phase, which no small music decoder
learns to continue. Here the codes carry only how loud each band is, and the decoder's own LSTM
keeps the phases, so that a held note is the same code again and again. All of it is written into
the weights of an ordinary EnCodec; training goes on from there.

Encoder: the strided convolutions carry samples on as channels (as in `codec_start`); the last one
projects two hops of them onto Hann-windowed cosines in three phases per band. LSTM layer 1, its
memory switched off, rectifies them (sigmoid(Kc) * tanh(Kc); the three phases together depend on the
magnitude alone); layer 2 looks at each band's sum through three gains, and the last convolution adds
these up to something close to the logarithm of the magnitude.

Decoder: LSTM layer 1 holds two units per band that rotate by the band's phase advance per frame
(a linear oscillator near zero, kept steady by tanh) and passes the latents on; in layer 2 the
latents open the output gates of the oscillators, sigmoid being close to exp below one half; the
transposed convolutions play each as a windowed sinusoid of its band.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from transformers import EncodecModel
from transformers.models.encodec.modeling_encodec import (
    EncodecConv1d,
    EncodecConvTranspose1d,
    EncodecLSTM,
)

from mumu_training.generation.codec_start import (
    _bias,
    _inner,
    _set,
    carry_down,
    carry_up,
)
from mumu_training.runs import hold

PHASES = 3
SAMPLE_SCALE = 0.02
_RAW = 0.002
"""Band signals leave the convolution this small, so that what the LSTM's skip adds stays linear."""
_GAINS = (0.5, 6.0, 90.0)
"""Of layer 2 over a band's rectified sum: one for loud, middle and quiet."""
_OPEN, _SHUT = 15.0, -15.0
"""Biases of gates that are always open or shut."""
_RADIUS = 0.12
"""Of an oscillator's circle: tanh is nearly linear there."""
_SWING = 0.012
"""Amplitude of layer 2's outputs at an open gate: ELU is nearly linear there."""
_CARRY = 0.02
"""Latents pass layer 1 of the decoder this small."""


def band_centres(bands: int, rate: int) -> NDArray[np.float64]:
    """Hertz `[bands]`: a few below G2, then semitones of equal temperament (A4 is 440 Hz) for two
    thirds of the bands (five octaves at most), the rest spaced evenly in pitch up to 0.475 of the
    rate: who plays is heard from what lies above the notes, so a third of the bands is there."""
    own = tone_bands(bands)
    low, tones, high = own.start, len(own), bands - own.stop
    semitones = 440 * 2 ** ((np.arange(tones) - 26) / 12)
    below = np.linspace(50, semitones[0] * 0.93, low)
    above = np.geomspace(semitones[-1] * 1.07, 0.475 * rate, high)
    return np.concatenate((below, semitones, above))


def tone_bands(bands: int) -> range:
    """Which of the bands are semitones."""
    low = max(1, bands // 28)
    return range(low, low + min(60, bands * 2 // 3))


def band_window(hertz: float, taps: int, rate: int) -> NDArray[np.float64]:
    """Analysis window `[taps]`, summing to 2: 34 cycles of Hann within 30 ms and all taps."""
    length = int(np.clip(34 * rate / hertz, 0.03 * rate, taps))
    window = np.zeros(taps)
    start = (taps - length) // 2
    window[start : start + length] = np.hanning(length)
    return window * 2 / window.sum()


def band_windows(hertz: NDArray[np.float64], taps: int, rate: int) -> NDArray[np.float64]:
    """The window of each band `[bands, taps]`."""
    return np.stack([band_window(f, taps, rate) for f in hertz])


def band_basis(
    hertz: NDArray[np.float64], windows: NDArray[np.float64], rate: int
) -> NDArray[np.complex128]:
    """What frames are multiplied with to look at bands, `[taps, bands]`; `windows` are each band's
    `[bands, taps]` or one for all `[1, taps]`."""
    taps = windows.shape[1]
    time = (np.arange(taps) - taps / 2) / rate
    return np.asarray((windows * np.exp(-2j * math.pi * hertz[:, None] * time)).T)


def _rectified(magnitude: NDArray[np.float64], phases: int = 24) -> NDArray[np.float64]:
    """What layer 1 makes of a band of this magnitude (times K), summed over its phases, on average."""
    angles = np.linspace(0, 2 * np.pi / PHASES, phases, endpoint=False)
    total = np.zeros_like(magnitude)
    for angle in angles:
        for phase in range(PHASES):
            c = magnitude * np.cos(angle + 2 * np.pi * phase / PHASES)
            total += np.tanh(np.tanh(c) / (1 + np.exp(-c))) / phases
    return total


@dataclass(frozen=True)
class LogFit:
    """The near-logarithm of layer 2: latent = sum of weights * tanh(gain * sum) + offset."""

    weights: NDArray[np.float64]
    offset: float
    slope: float
    """log(magnitude) is about slope * latent + intercept."""
    intercept: float


def fit_logarithm() -> LogFit:
    """Weights of the three gains by least squares against the logarithm, over 46 dB."""
    magnitude = np.geomspace(0.03, 6, 200)
    sums = _rectified(magnitude)
    columns = [np.tanh(np.tanh(gain * sums)) for gain in _GAINS]
    design = np.stack([*columns, np.ones_like(sums)], axis=1)
    target = np.log(magnitude)
    solution = np.linalg.lstsq(design, target, rcond=None)[0]
    # Latents of about unit spread.
    scale = 1 / 1.5
    return LogFit(solution[:-1] * scale, -1.0, 1 / scale, float(solution[-1] + 1 / scale))


def lstm_of(layers: nn.ModuleList) -> nn.LSTM:
    lstm = next(layer for layer in layers if isinstance(layer, EncodecLSTM)).lstm
    assert isinstance(lstm, nn.LSTM)
    return lstm


def _identity_lstm(lstm: nn.LSTM, noise: float) -> None:
    """Everything off: gates i and o open, f shut, nothing comes in, but for a little noise."""
    width = lstm.hidden_size
    for layer in range(lstm.num_layers):
        for name in ("weight_ih", "weight_hh"):
            lstm.get_parameter(f"{name}_l{layer}").mul_(noise)
        bias = lstm.get_parameter(f"bias_ih_l{layer}")
        bias.zero_()
        bias[:width] = _OPEN
        bias[width : 2 * width] = _SHUT
        bias[3 * width :] = _OPEN
        lstm.get_parameter(f"bias_hh_l{layer}").zero_()


def start_encoder(codec: EncodecModel, strength: NDArray[np.float64], fit: LogFit) -> None:
    """Write the analysis described above into the encoder. `strength` `[bands]` is each band's usual
    magnitude, which becomes 1."""
    config = codec.config
    rate, hop, bands = config.sampling_rate, config.hop_length, config.hidden_size
    layers = codec.encoder.layers
    carried = carry_down(layers, SAMPLE_SCALE)
    stages = [_inner(layer) for layer in layers if isinstance(layer, EncodecConv1d)]
    down, last = stages[-2], stages[-1]
    taps = 2 * hop
    time = (np.arange(taps) - taps / 2) / rate
    rows = []
    for hertz, usual in zip(band_centres(bands, rate), strength, strict=True):
        for phase in range(PHASES):
            wave = np.cos(2 * math.pi * (hertz * time + phase / PHASES))
            rows.append(band_window(hertz, taps, rate) * wave * _RAW / (usual * SAMPLE_SCALE))
    basis = torch.from_numpy(np.stack(rows)).float()
    used = len(basis)
    weight, bias = 0.01 * down.weight.clone(), torch.zeros_like(_bias(down))
    weight[:used] = 0.0
    weight[:used, :carried] = basis.reshape(used, down.kernel_size[0], carried).transpose(1, 2)
    _set(down, weight, bias)
    lstm = lstm_of(layers)
    width = lstm.hidden_size
    _identity_lstm(lstm, 0.01)
    channels = torch.arange(used)
    lstm.get_parameter("bias_ih_l0")[:width][channels] = 0.0
    for gate in (0, 2):  # i and g of layer 1 read the band's signal
        lstm.get_parameter("weight_ih_l0")[gate * width + channels] = 0.0
        lstm.get_parameter("weight_ih_l0")[gate * width + channels, channels] = 1 / _RAW
    for band in range(bands):
        own = slice(PHASES * band, PHASES * band + PHASES)
        for place, gain in enumerate(_GAINS):
            row = 2 * width + PHASES * band + place
            lstm.get_parameter("weight_ih_l1")[row] = 0.0
            lstm.get_parameter("weight_ih_l1")[row, own] = gain
    for layer in range(2):
        lstm.get_parameter(f"weight_hh_l{layer}").mul_(0.1)
    places, centre = torch.arange(bands), last.kernel_size[0] // 2
    weight = 0.02 * last.weight.clone()
    weight[:, :used] = 0.0
    for place, value in enumerate(fit.weights):
        weight[places, PHASES * places + place, centre] = float(value)
    _set(last, weight, torch.full_like(_bias(last), fit.offset))


def steady_oscillator(angle: float) -> tuple[Tensor, Tensor, Tensor]:
    """An LSTM cell pair that turns by `angle` a step from its first step on.

    Returns: recurrent weights `[2, 2]`, bias `[2]` and the centre `[2]` it turns around. The gain is
    searched such that the circle neither grows nor shrinks over a minute of 25 frames a second.
    """
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    centre = np.array([_RADIUS, 0.0])
    step = turn - np.eye(2)

    def growth(gain: float, steps: int = 400) -> float:
        weights, bias, middle = gain * step, -gain * step @ np.tanh(centre), centre
        c, radii = np.zeros(2), []
        for _ in range(steps):
            c = c + np.tanh(weights @ np.tanh(c) + bias)
            radii.append(float(np.hypot(*(c - middle))))
        quarter = steps // 4
        return float(np.mean(radii[-quarter:]) - np.mean(radii[:quarter]))

    low, high = 0.98, 1.06
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (low, middle) if growth(middle) > 0 else (middle, high)
    weights = torch.from_numpy(low * step).float()
    bias = torch.from_numpy(-low * step @ np.tanh(centre)).float()
    return weights, bias, torch.from_numpy(centre).float()


def start_decoder(codec: EncodecModel, strength: NDArray[np.float64], fit: LogFit) -> None:
    """Write the oscillators described above into the decoder."""
    config = codec.config
    rate, hop, bands = config.sampling_rate, config.hop_length, config.hidden_size
    layers = codec.decoder.layers
    first = _inner(layers[0])
    lstm = lstm_of(layers)
    width, pairs = lstm.hidden_size, 2 * bands
    if 3 * bands > width:
        raise ValueError(f"{width} channels can't hold {bands} bands")
    places = torch.arange(bands)
    # Nowhere all zero: the weight norm divides by each row's norm.
    weight, bias = 0.001 * first.weight.clone(), torch.zeros_like(_bias(first))
    weight[pairs : 3 * bands] = 0.0
    weight[pairs + places, places, first.kernel_size[0] // 2] = 1.0
    _set(first, weight, bias)
    _identity_lstm(lstm, 0.0)
    centres = band_centres(bands, rate)
    g = 2 * width
    lstm.get_parameter("weight_ih_l0")[g + pairs + places, pairs + places] = _CARRY
    for band, hertz in enumerate(centres):
        weights, kick, centre = steady_oscillator(2 * math.pi * (hertz * hop / rate % 1.0))
        own = slice(2 * band, 2 * band + 2)
        lstm.get_parameter("bias_ih_l0")[width : 2 * width][own] = _OPEN  # remembers
        lstm.get_parameter("weight_hh_l0")[g + 2 * band : g + 2 * band + 2, own] = weights
        lstm.get_parameter("bias_ih_l0")[g + 2 * band : g + 2 * band + 2] = kick
        swing = _SWING / _RADIUS
        for part in range(2):
            unit = 2 * band + part
            lstm.get_parameter("weight_ih_l1")[g + unit, unit] = swing
            lstm.get_parameter("bias_ih_l1")[g + unit] = -swing * math.tanh(float(centre[part]))
            # Gate: log amplitude relative to six times the usual magnitude, which is half open.
            lstm.get_parameter("weight_ih_l1")[3 * width + unit, pairs + band] = fit.slope / _CARRY
            lstm.get_parameter("bias_ih_l1")[3 * width + unit] = fit.intercept - math.log(6.0)
    up = next(_inner(layer) for layer in layers if isinstance(layer, EncodecConvTranspose1d))
    taps = 2 * hop
    time = (np.arange(taps) - taps / 2) / rate
    hann = 0.5 - 0.5 * np.cos(2 * math.pi * (np.arange(taps) + 0.5) / taps)
    rows = []
    for hertz, usual in zip(centres, strength, strict=True):
        angle = 2 * math.pi * hertz * time
        # An oscillator starts opposite its centre: its phase is half a turn off, which nobody hears.
        amplitude = 6.0 * usual * hann * SAMPLE_SCALE / _SWING
        rows += [amplitude * np.cos(angle), -amplitude * np.sin(angle)]
    basis = torch.from_numpy(np.stack(rows)).float()
    carried = hop // up.stride[0]
    weight, bias = up.weight.clone(), _bias(up).clone()
    weight[:, :carried] = 0.0
    weight[:pairs, carried:] *= 0.1
    shaped = basis.reshape(pairs, up.kernel_size[0], carried).transpose(1, 2)
    weight[:pairs, :carried] = shaped
    bias[:carried] = 0.0
    _set(up, weight, bias)
    carry_up(layers, carried, SAMPLE_SCALE)


def silence(codec: EncodecModel) -> None:
    """Nothing but what is written below comes through: samples are carried so small that whatever the
    other channels add would be loud."""
    for module in codec.modules():
        if isinstance(module, _ConvNd):
            _set(module, 1e-7 * module.weight, torch.zeros_like(_bias(module)))
        if isinstance(module, EncodecLSTM):
            for parameter in module.parameters():
                parameter.zero_()


def settle(codec: EncodecModel) -> None:
    """Silent rows get a norm of zero and a direction: half precision would lose the tiny ones, and a
    weight norm divides by the row's norm."""
    own = dict(codec.named_parameters())
    for name, norms in own.items():
        if name.endswith("weight.original0"):
            silent = norms.flatten() < 1e-4
            norms[silent] = 0.0
            own[name.replace("original0", "original1")][silent] = 1.0


@torch.no_grad()
def start_as_vocoder(codec: EncodecModel, strength: NDArray[np.float64]) -> None:
    """Give a non-causal, weight-normed, mono codec with two LSTM layers the weights above.

    `strength` `[hidden_size]`: usual magnitude of each band (`band_strength`). Raises ValueError
    when the codec's shape can't hold it.
    """
    if codec.config.num_lstm_layers != 2:
        raise ValueError("a vocoder start needs num_lstm_layers: 2")
    silence(codec)
    fit = fit_logarithm()
    start_encoder(codec, strength, fit)
    start_decoder(codec, strength, fit)
    settle(codec)


def freeze_oscillators(codec: EncodecModel) -> None:
    """Keep training from detuning the decoder's first LSTM layer; its weights are saved all the same."""
    lstm = lstm_of(codec.decoder.layers)
    hold(parameter for name, parameter in lstm.named_parameters() if name.endswith("_l0"))


def band_strength(
    songs: list[NDArray[np.float32]], bands: int, hop: int, rate: int
) -> NDArray[np.float64]:
    """Magnitude of each band `[bands]` that the codec's range is centred on, at least a hundredth of
    the loudest band's: five times the 75th percentile over some songs' frames.

    The range goes from a 33rd of it to six times it (`fit_logarithm`, `start_decoder`). Most frames of
    a band are between notes; a range around those cuts the notes themselves, and with them all that
    tells one instrument from another.
    """
    taps = 2 * hop
    rows = []
    centres = band_centres(bands, rate)
    basis = band_basis(centres, band_windows(centres, taps, rate), rate)
    for song in songs:
        frames = np.lib.stride_tricks.sliding_window_view(song.astype(np.float64), taps)[:: 2 * hop]
        rows.append(np.abs(frames @ basis))
    strength = 5 * np.percentile(np.concatenate(rows), 75, axis=0)
    smooth = np.convolve(np.pad(np.log(strength + 1e-6), 3, mode="edge"), np.ones(7) / 7, "valid")
    usual = np.exp(smooth)
    return np.asarray(np.maximum(usual, usual.max() / 100))
