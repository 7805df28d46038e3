"""What a vocoder codec's decoder reads from its codes, fitted by least squares.

Bands a semitone apart need windows far longer than a frame's: in 80 ms a note below A4 sounds in its
neighbours too, codes say so, and oscillators a semitone apart then beat against each other. Out came a
fuzz between the notes that hid major and minor, and onsets that nobody played. Which neighbours are
leaks is seen by a longer window, and mostly also by the codes of a few frames together. So the
decoder's first convolution, which passes latents on, becomes the linear map (all bands, its seven
frames) that comes closest to the latents before quantisation with (part of) the leaks taken out. Codes
stay what they are: a music decoder trained on them needs no training again.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d
from torch import Tensor
from transformers import EncodecModel

from mumu_training.generation.codec import encode_latents
from mumu_training.generation.codec_start import _bias, _inner, _set
from mumu_training.generation.vocoder_start import (
    band_basis,
    band_centres,
    band_windows,
    fit_logarithm,
    settle,
    tone_bands,
)

Floats = NDArray[np.float64]

LONG_SECONDS = 0.256
"""Of the window that tells semitones apart, down to the lowest."""
NEIGHBOURS = 2
"""Bands either side that a note leaks into."""
DEEPEST = -4.0
"""Of what is taken from a leak, in nepers (35 dB)."""
_RIDGE = 1e-3
"""Of the mean square of a latent."""


def magnitudes(song: NDArray[np.float32], basis: NDArray[np.complex128], hop: int) -> Floats:
    """Logarithm of each band's magnitude `[bands, frames]`, frames centred in their hops.

    `basis` `[taps, bands]` (`band_basis`) has an even number of taps, at least two hops.
    """
    taps = len(basis)
    frames = -(-len(song) // hop)
    before = (taps - hop) // 2
    padded = np.pad(song.astype(np.float64), (before, taps + hop))
    view = np.lib.stride_tricks.sliding_window_view(padded, taps)[::hop][:frames]
    return np.asarray(np.log(np.abs(view @ basis) + 1e-5).T)


def below_the_loudest(levels: Floats) -> Floats:
    """How far each band `[bands, frames]` is below the loudest of its neighbours and itself: 0 or less."""
    return np.asarray(levels - maximum_filter1d(levels, 2 * NEIGHBOURS + 1, axis=0, mode="nearest"))


class Leaks:
    """Tells which bands of a codec's frames are leaks."""

    def __init__(self, codec: EncodecModel) -> None:
        config = codec.config
        rate, self.hop, bands = config.sampling_rate, config.hop_length, config.hidden_size
        hertz, taps = band_centres(bands, rate), 2 * self.hop
        self.tones = tone_bands(bands)
        self.short = band_basis(hertz, band_windows(hertz, taps, rate), rate)
        window = np.hanning(max(taps, round(LONG_SECONDS * rate) // 2 * 2))
        self.long = band_basis(hertz, (window * 2 / window.sum())[None], rate)

    def of(self, song: NDArray[np.float32]) -> Floats:
        """What leaks add, as negative nepers `[bands, frames]`: how much further below its neighbours a
        band is in the long window than in the codec's own. Above the notes and below them nothing."""
        near = below_the_loudest(magnitudes(song, self.short, self.hop))
        true = below_the_loudest(magnitudes(song, self.long, self.hop))
        found = np.clip(true - near, DEEPEST, 0.0)
        found[: self.tones.start] = 0.0
        found[self.tones.stop :] = 0.0
        return found


def in_context(latents: Tensor, frames: int) -> Tensor:
    """Latents `[bands, T]` with their neighbours in time and a one: `[T, frames * bands + 1]`."""
    half = frames // 2
    padded = torch.nn.functional.pad(latents[None], (half, frames - 1 - half), mode="replicate")[0]
    length = latents.shape[1]
    rows = torch.cat([padded[:, first : first + length] for first in range(frames)])
    return torch.cat([rows, torch.ones(1, length)]).T.double()


@torch.no_grad()
def fit_decoder(
    codec: EncodecModel, songs: Iterable[NDArray[np.float32]], sharpness: float
) -> tuple[float, float]:
    """Set the first convolution of a vocoder codec's decoder to the map described above.

    Args:
        songs: mono, at the codec's rate.
        sharpness: share of the leaks that is taken out: 0 to 1.

    Returns: mean square error of the latents before (what was quantised) and after, to the fit's goal.
    """
    config = codec.config
    first = _inner(codec.decoder.layers[0])
    frames, bands = first.kernel_size[0], config.hidden_size
    leaks, slope = Leaks(codec), fit_logarithm().slope
    size = frames * bands + 1
    squares = torch.zeros(size, size, dtype=torch.float64)
    products = torch.zeros(size, bands, dtype=torch.float64)
    count, before, power = 0, 0.0, 0.0
    for song in songs:
        true = encode_latents(codec, song)
        coded = codec.quantizer.decode(codec.quantizer.encode(true, config.target_bandwidths[-1]))
        goal = true[0].double() + sharpness / slope * torch.from_numpy(leaks.of(song))
        rows = in_context(coded[0], frames)
        squares += rows.T @ rows
        products += rows.T @ goal.T
        count += goal.shape[1]
        before += float((coded[0] - goal).pow(2).sum())
        power += float(goal.pow(2).sum())
    ridge = _RIDGE * count * torch.ones(size, dtype=torch.float64)
    ridge[-1] = 0.0
    fitted = torch.linalg.solve(squares + ridge.diag(), products)
    after = power + float((fitted * (squares @ fitted - 2 * products)).sum())
    weight, bias = first.weight.detach().clone(), _bias(first).clone()
    own = slice(2 * bands, 3 * bands)  # where the decoder's LSTM takes the latents from
    weight[own] = fitted[:-1].reshape(frames, bands, bands).permute(2, 1, 0).float()
    bias[own] = fitted[-1].float()
    _set(first, weight, bias)
    settle(codec)
    return before / (count * bands), after / (count * bands)
