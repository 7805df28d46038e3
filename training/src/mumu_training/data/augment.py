"""Audio augmentation on numpy arrays, used by the trainers on the fly.

Nothing here changes what a song is about: tempo, key, instruments and beats stay where they are.
All functions take and return `[samples]` mono float32.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt, tf2sos

Audio = npt.NDArray[np.float32]
_CODEC_RATES: Final[tuple[int, ...]] = (11025, 12000, 16000, 22050)


def reverberate(
    audio: Audio, rate: int, decay: float, wet: float, rng: np.random.Generator
) -> Audio:
    """Add a room: noise decaying by 60 dB in `decay` seconds, duller as it dies away.

    Args:
        audio: `[samples]`.
        rate: sampling rate, in Hz.
        decay: reverberation time (RT60), in seconds.
        wet: share of the room in the level, 0 (dry) to 1.
        rng: source of the room.
    """
    if wet <= 0:
        return audio
    time = np.arange(int(rate * min(decay, 3.0))) / rate
    noise = rng.standard_normal(time.size)
    dull = sosfilt(butter(1, min(2500.0, 0.45 * rate), fs=rate, output="sos"), noise)
    fading = np.exp(-6.9 * time / decay)
    room = (0.4 * noise * fading**2 + dull * fading) * (time > 0.012)
    room /= np.sqrt(np.sum(room**2) + 1e-12)
    tail = fftconvolve(audio, room)[: audio.size]
    level = np.sqrt(np.mean(audio**2) + 1e-12) / np.sqrt(np.mean(tail**2) + 1e-12)
    return ((1 - wet) * audio + wet * level * tail).astype(np.float32)


def equalise(audio: Audio, rate: int, rng: np.random.Generator, gain: float = 6.0) -> Audio:
    """Tilt bass and treble with two shelves and one bell, each up to `gain` dB either way."""
    sections = [
        _shelf(rng.uniform(80, 300), rng.uniform(-gain, gain), rate, high=False),
        _bell(
            float(np.exp(rng.uniform(np.log(300), np.log(4000)))), rng.uniform(-gain, gain), rate
        ),
        _shelf(rng.uniform(2500, 6000), rng.uniform(-gain, gain), rate, high=True),
    ]
    return sosfilt(np.concatenate(sections), audio).astype(np.float32)


def add_noise(audio: Audio, rng: np.random.Generator, snr: float) -> Audio:
    """Add noise between white and pink at a signal-to-noise ratio in dB."""
    spectrum = np.fft.rfft(rng.standard_normal(audio.size))
    slope = rng.uniform(0.0, 0.5)
    spectrum /= np.maximum(np.arange(spectrum.size), 1) ** slope
    noise = np.fft.irfft(spectrum, audio.size)
    level = np.sqrt(np.mean(audio**2)) / (np.sqrt(np.mean(noise**2)) + 1e-12) * 10 ** (-snr / 20)
    return (audio + level * noise).astype(np.float32)


def through_lower_rate(audio: Audio, rate: int, lower: int) -> Audio:
    """Resample to a lower rate and back, as a poor recording or a call would."""
    divisor = int(np.gcd(rate, lower))
    up, down = lower // divisor, rate // divisor
    back = resample_poly(resample_poly(audio, up, down), down, up)
    return np.pad(back, (0, max(0, audio.size - back.size)))[: audio.size].astype(np.float32)


def lossy(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """Imitate a lossy codec: a steep lowpass and coarse (companded) steps of amplitude."""
    cutoff = rng.uniform(4500.0, min(10500.0, 0.47 * rate))
    low = sosfilt(butter(8, cutoff, fs=rate, output="sos"), audio)
    peak = float(np.abs(low).max(initial=0.0)) + 1e-9
    steps = 2.0 ** rng.integers(6, 10)
    squeezed = np.sign(low) * np.log1p(255 * np.abs(low) / peak) / np.log(256)
    squeezed = np.round(squeezed * steps) / steps
    return (np.sign(squeezed) * (256 ** np.abs(squeezed) - 1) / 255 * peak).astype(np.float32)


def augment(audio: Audio, rate: int, rng: np.random.Generator, strength: float = 1.0) -> Audio:
    """Apply a random selection of the augmentations, then a random level.

    Args:
        audio: `[samples]`.
        rate: sampling rate, in Hz.
        rng: source of every choice; the same state gives the same result.
        strength: factor on the probability of each augmentation (0 leaves the audio alone but for
            its level).

    Returns:
        `[samples]`, its peak between -18 and 0 dB of full scale.
    """
    out = audio.astype(np.float32, copy=True)
    if rng.random() < 0.5 * strength:
        out = equalise(out, rate, rng)
    if rng.random() < 0.25 * strength:
        out = reverberate(out, rate, rng.uniform(0.15, 1.0), rng.uniform(0.05, 0.3), rng)
    if rng.random() < 0.2 * strength:
        out = through_lower_rate(
            out, rate, int(rng.choice([r for r in _CODEC_RATES if r < rate] or [rate]))
        )
    if rng.random() < 0.2 * strength:
        out = lossy(out, rate, rng)
    if rng.random() < 0.3 * strength:
        out = add_noise(out, rng, rng.uniform(15.0, 45.0))
    peak = float(np.abs(out).max(initial=0.0))
    if peak > 1e-6:
        out *= np.float32(10 ** (rng.uniform(-18.0, 0.0) / 20) / peak)
    return out


def _shelf(corner: float, gain: float, rate: int, high: bool) -> npt.NDArray[np.float64]:
    """Second-order shelf (Bristow-Johnson's audio EQ cookbook, slope 1)."""
    a = 10 ** (gain / 40)
    omega = 2 * np.pi * min(corner, 0.45 * rate) / rate
    cos, alpha = np.cos(omega), np.sin(omega) / np.sqrt(2)
    s = -1.0 if high else 1.0
    root = 2 * np.sqrt(a) * alpha
    b = [
        a * ((a + 1) - s * (a - 1) * cos + root),
        s * 2 * a * ((a - 1) - s * (a + 1) * cos),
        a * ((a + 1) - s * (a - 1) * cos - root),
    ]
    d = [
        (a + 1) + s * (a - 1) * cos + root,
        -s * 2 * ((a - 1) + s * (a + 1) * cos),
        (a + 1) + s * (a - 1) * cos - root,
    ]
    return np.asarray(tf2sos(b, d))


def _bell(centre: float, gain: float, rate: int) -> npt.NDArray[np.float64]:
    """Peaking filter (Bristow-Johnson's audio EQ cookbook, Q 1)."""
    a = 10 ** (gain / 40)
    omega = 2 * np.pi * min(centre, 0.45 * rate) / rate
    cos, alpha = np.cos(omega), np.sin(omega) / 2
    b = [1 + alpha * a, -2 * cos, 1 - alpha * a]
    d = [1 + alpha / a, -2 * cos, 1 - alpha / a]
    return np.asarray(tf2sos(b, d))
