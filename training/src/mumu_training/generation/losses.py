"""Reconstruction losses of the codec: waveform error and multi-resolution spectra."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from librosa.filters import mel as mel_filters
from torch import Tensor, nn
from torch.nn import functional


class SpectralLoss(nn.Module):
    """Distance of magnitude spectra at several window lengths.

    For each window: mean absolute difference of log-mel magnitudes (what is heard) plus spectral
    convergence of the linear magnitudes (energy; Arik et al. 2019, section 3). Low windows see
    onsets, long ones see pitch.
    """

    def __init__(
        self,
        rate: int,
        windows: Sequence[int] = (2048, 512, 128),
        bands: Sequence[int] = (128, 64, 24),
        floor: float = 1e-3,
    ) -> None:
        """`floor` is added to magnitudes under the logarithm: quieter parts do not matter."""
        super().__init__()
        self.windows = tuple(windows)
        self.floor = floor
        for window, count in zip(windows, bands, strict=True):
            mel = mel_filters(sr=rate, n_fft=window, n_mels=count, norm=None)
            self.register_buffer(f"mel_{window}", torch.from_numpy(mel), persistent=False)
            self.register_buffer(f"hann_{window}", torch.hann_window(window), persistent=False)

    def magnitudes(self, wave: Tensor, window: int) -> Tensor:
        """Magnitude spectra `[B, bins, frames]` of waveforms `[B, T]`, a full-scale sine being 1."""
        hann = getattr(self, f"hann_{window}")
        spectrum = torch.stft(wave, window, window // 4, window=hann, return_complex=True)
        power = torch.view_as_real(spectrum).pow(2).sum(-1)
        return torch.sqrt(power + 1e-10) * (4.0 / window)

    def forward(self, made: Tensor, true: Tensor) -> Tensor:
        """Distance of waveforms `[B, 1, T]` -> `[]`."""
        total = made.new_zeros(())
        for window in self.windows:
            mel = getattr(self, f"mel_{window}")
            ours = self.magnitudes(made[:, 0], window)
            theirs = self.magnitudes(true[:, 0], window)
            logs = torch.log(mel @ ours + self.floor), torch.log(mel @ theirs + self.floor)
            difference = (ours - theirs).pow(2).sum(dim=(1, 2)).sqrt()
            size = theirs.pow(2).sum(dim=(1, 2)).sqrt()
            convergence = (difference / size.clamp(min=1e-2)).mean()
            total = total + functional.l1_loss(*logs) + 0.5 * convergence
        return total / len(self.windows)


def wave_loss(made: Tensor, true: Tensor) -> Tensor:
    """Energy of the error relative to the song's, mean over items of `[B, 1, T]` -> `[]`.

    This is what gets training under way: it pulls at once towards the loud, tonal parts with
    their phase. Spectra alone settle on noise of the right colour, and a mean absolute error
    on silence. Below a level of -30 dB errors count less, or near-silence would rule.
    """
    error = (made - true).pow(2).mean(dim=(1, 2))
    return (error / true.pow(2).mean(dim=(1, 2)).clamp(min=1e-3)).mean()
