"""MusicGen's delay pattern: codebook k is heard k steps later (Copet et al. 2023, section 2.2).

Frames 0 .. N-1 of K codebooks become N + K steps, the first being the start token:

    step        0  1  2  3  ..  N   N+1 ..
    codebook 0  P  a0 a1 a2 ..  aN-1 P  P
    codebook 1  P  P  b0 b1 ..       bN-1 P
"""

from __future__ import annotations

import torch
from torch import Tensor


def delay(codes: Tensor, pad: int) -> Tensor:
    """Codes `[B, K, N]` -> `[B, K, N + K]`, `pad` where a codebook has not begun or is over."""
    batch, books, frames = codes.shape
    steps = codes.new_full((batch, books, frames + books), pad)
    for book in range(books):
        steps[:, book, book + 1 : book + 1 + frames] = codes[:, book]
    return steps


def undelay(steps: Tensor) -> Tensor:
    """The inverse: `[B, K, N + K]` -> `[B, K, N]`."""
    books = steps.shape[1]
    frames = steps.shape[2] - books
    rows = [steps[:, book, book + 1 : book + 1 + frames] for book in range(books)]
    return torch.stack(rows, dim=1)
