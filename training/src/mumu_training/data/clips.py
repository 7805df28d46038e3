"""Moving scenes: sixteen frames for the video encoder, or an mp4 to look at.

Frames are evenly spaced over the clip; how much changes between two of them is the motion that
the music's tempo follows.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mumu_training.data.scene_canvas import Look
from mumu_training.data.scene_painter import Painter

FRAMES = 16
SIZE = 96


def clip_frames(look: Look, seed: int, seconds: float) -> NDArray[np.uint8]:
    """Sixteen evenly spaced frames of a clip of some seconds: uint8 [16, 96, 96, 3]."""
    painter = Painter(look, seed, SIZE)
    times = np.arange(FRAMES) * seconds / FRAMES
    return np.stack([np.asarray(painter.frame(float(t))) for t in times])


def motion_energy(frames: NDArray[np.uint8]) -> float:
    """Mean absolute change between neighbouring frames, 0..255."""
    return float(np.abs(np.diff(frames.astype(np.int16), axis=0)).mean())


def write_clip(path: Path, look: Look, seed: int, seconds: float, size: int = 384) -> None:
    """Draw a clip at 24 frames a second and encode it as H.264 in mp4, without sound.

    Raises:
        RuntimeError: ffmpeg is missing or refused; the message has its last words.
    """
    painter = Painter(look, seed, size)
    frames = b"".join(painter.frame(n / 24).tobytes() for n in range(round(seconds * 24)))
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{size}x{size}", "-r", "24", "-i", "-", "-c:v", "libx264", "-crf", "26"]
    command += ["-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)]
    try:
        done = subprocess.run(command, input=frames, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise RuntimeError("ffmpeg is needed to write a clip and was not found.") from error
    if done.returncode != 0:
        raise RuntimeError(f"ffmpeg could not write {path.name}: {done.stderr.decode()[-300:]}")
