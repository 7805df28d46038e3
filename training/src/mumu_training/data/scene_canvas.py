"""The drawing verbs shared by the painters of a scene.

Positions are fractions of the picture (0 left/top, 1 right/bottom).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from mumu_training.data.scene_light import Colour, Light, glow, ink


@dataclass(frozen=True)
class Look:
    """What is to be seen, in words of scene_vocabulary; `motion` is "still" for a picture."""

    time: str
    weather: str
    place: str
    people: str
    palette: str
    motion: str = "still"


@dataclass
class Canvas:
    """What the painters of places share: pen, light, layout and where the camera is."""

    image: Image.Image
    pen: ImageDraw.ImageDraw
    size: int
    light: Light
    look: Look
    t: float
    pan: float
    layout: dict[str, np.ndarray]

    def box(self, x: float, y: float, w: float, h: float, fill: Colour | tuple[int, ...]) -> None:
        """A filled rectangle, corner at (x, y)."""
        s = self.size
        self.pen.rectangle((x * s, y * s, (x + w) * s, (y + h) * s), fill=ink3(fill))

    def disc(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        """A filled ellipse around (x, y)."""
        s = self.size
        self.pen.ellipse(((x - rx) * s, (y - ry) * s, (x + rx) * s, (y + ry) * s), fill=ink3(fill))

    def shape(self, points: list[tuple[float, float]], fill: Colour) -> None:
        """A filled polygon."""
        s = self.size
        self.pen.polygon([(x * s, y * s) for x, y in points], fill=ink3(fill))

    def line(self, points: list[tuple[float, float]], width: float, fill: Colour) -> None:
        """An open line, `width` a fraction of the picture."""
        s = self.size
        self.pen.line(
            [(x * s, y * s) for x, y in points],
            fill=ink3(fill),
            width=max(1, round(width * s)),
            joint="curve" if s > 500 else None,  # only to be seen in large pictures
        )

    def shine(self, x: float, y: float, radius: float, colour: Colour, strength: int) -> None:
        """A soft light."""
        glow(self.image, x * self.size, y * self.size, radius * self.size, colour, strength)

    def slide(self, x: float, depth: float, width: float = 1.3) -> float:
        """Where something at layout position x (0..1) is now: the camera pans, near things
        (depth 1) most, and what leaves on the left comes back on the right."""
        return (x * width - self.pan * depth) % width - (width - 1) / 2

    def ridge(
        self, base: float, height: float, roughness: tuple[float, ...], depth: float, seed: float
    ) -> list[tuple[float, float]]:
        """The outline of hills: sines of the given frequencies, closed at the bottom."""
        xs = np.linspace(0, 1, 48)
        at = xs + self.pan * depth
        y = np.zeros_like(xs)
        for i, frequency in enumerate(roughness):
            y += np.sin(at * frequency * math.tau + seed * (i + 1) * 7.0) / (i + 1.4)
        top = base - height * (0.5 + 0.5 * y)
        return [(0.0, 1.0), *zip(xs.tolist(), top.tolist(), strict=True), (1.0, 1.0)]


def ink3(colour: Colour | tuple[int, ...]) -> tuple[int, int, int]:
    """The first three channels as Pillow's ink."""
    return ink((colour[0], colour[1], colour[2]))
