"""Light and air of a drawn scene: sky colours, ambient light, haze, glows and grading.

All colours are RGB triples of 0..255 floats; images are Pillow RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

Colour = tuple[float, float, float]
Ink = tuple[int, int, int]

_SKIES: dict[str, tuple[Colour, Colour, Colour]] = {
    # top, middle, horizon
    "dawn": ((132, 152, 214), (232, 190, 208), (255, 226, 178)),
    "day": ((44, 122, 220), (112, 182, 242), (206, 234, 250)),
    "sunset": ((62, 36, 110), (206, 76, 92), (255, 150, 52)),
    "night": ((6, 10, 40), (18, 28, 74), (46, 62, 122)),
}
_AMBIENT: dict[str, Colour] = {
    "dawn": (0.90, 0.80, 0.86),
    "day": (1.0, 1.0, 1.0),
    "sunset": (0.80, 0.52, 0.50),
    "night": (0.32, 0.37, 0.58),
}
_AIR: dict[str, tuple[Colour, float, float]] = {
    # what the sky is mixed with (scaled by how bright the time of day is), how much, ambient
    "clear": ((255, 255, 255), 0.0, 1.0),
    "rain": ((120, 132, 150), 0.62, 0.78),
    "snow": ((206, 216, 230), 0.55, 0.95),
    "fog": ((214, 216, 218), 0.60, 0.92),
    "storm": ((52, 56, 76), 0.80, 0.66),
}
_BRIGHTNESS: dict[str, float] = {"dawn": 0.92, "day": 1.0, "sunset": 0.72, "night": 0.36}


def mix(a: Colour, b: Colour, amount: float) -> Colour:
    """The colour `amount` (0..1) of the way from a to b."""
    return (
        a[0] + (b[0] - a[0]) * amount,
        a[1] + (b[1] - a[1]) * amount,
        a[2] + (b[2] - a[2]) * amount,
    )


def ink(colour: Colour) -> Ink:
    """The nearest colour Pillow can draw with."""
    r, g, b = (max(0, min(255, round(c))) for c in colour)
    return r, g, b


@dataclass(frozen=True)
class Light:
    """The light of one scene."""

    top: Colour
    middle: Colour
    horizon: Colour
    ambient: Colour
    haze: float
    dark: bool

    def on(self, colour: Colour, depth: float = 0.0) -> Ink:
        """What `colour` looks like here; `depth` 0 (near) to 1 (at the horizon) adds air."""
        lit = (
            colour[0] * self.ambient[0],
            colour[1] * self.ambient[1],
            colour[2] * self.ambient[2],
        )
        return ink(mix(lit, self.horizon, min(0.9, depth * (0.35 + self.haze))))


def light_of(time: str, weather: str) -> Light:
    """The light at a time of day in a weather (both from scene_vocabulary)."""
    air, amount, dim = _AIR[weather]
    bright = _BRIGHTNESS[time]
    air = (air[0] * bright, air[1] * bright, air[2] * bright)
    top, middle, horizon = _SKIES[time]
    # The horizon keeps more of the hour's own colour, so that a rainy sunset is still one.
    ambient = _AMBIENT[time]
    if time == "night" and weather == "storm":
        dim = 0.82  # dark twice over would leave nothing to be seen
    return Light(
        top=mix(top, air, amount),
        middle=mix(middle, air, amount * 0.85),
        horizon=mix(horizon, air, amount * 0.7),
        ambient=(ambient[0] * dim, ambient[1] * dim, ambient[2] * dim),
        haze=0.85 if weather == "fog" else 0.35 if weather in ("rain", "snow", "storm") else 0.1,
        dark=time == "night" or weather == "storm",
    )


def gradient(size: int, height: int, stops: tuple[Colour, ...]) -> Image.Image:
    """A vertical gradient `size` wide and `height` high through evenly spaced colours."""
    at = np.linspace(0, len(stops) - 1, height)
    column = np.stack(
        [np.interp(at, range(len(stops)), [stop[c] for stop in stops]) for c in range(3)], axis=1
    )
    rows = np.repeat(column[:, None, :], size, axis=1)
    return Image.fromarray(rows.clip(0, 255).astype(np.uint8))


@lru_cache(maxsize=256)
def _glow_mask(radius: int, strength: int) -> Image.Image:
    """A round mask that fades out, [2r, 2r], `strength` percent at its middle."""
    axis = (np.arange(2 * radius) - radius + 0.5) / radius
    away = np.sqrt(axis[:, None] ** 2 + axis[None, :] ** 2)
    mask = np.clip(1 - away, 0, 1) ** 2 * 2.55 * strength
    return Image.fromarray(mask.astype(np.uint8))


def glow(
    image: Image.Image, x: float, y: float, radius: float, colour: Colour, strength: int
) -> None:
    """Light around (x, y) pixels, fading out over `radius` pixels; strength in percent."""
    r = max(1, round(radius))
    image.paste(ink(colour), (round(x) - r, round(y) - r), _glow_mask(r, strength))


def grade(image: Image.Image, palette: str) -> Image.Image:
    """The picture in one of the PALETTES; "natural" leaves it alone."""
    if palette == "natural":
        return image
    pixels = np.asarray(image).astype(np.float32)
    if palette == "warm":
        pixels = pixels * (1.08, 0.97, 0.72) + (24, 8, 0)
    elif palette == "cold":
        pixels = pixels * (0.70, 0.94, 1.08) + (0, 4, 22)
    else:
        grey = pixels.mean(axis=2, keepdims=True)
        if palette == "vivid":
            pixels = grey + (pixels - grey) * 1.75
        else:
            pixels = grey + (pixels - grey) * 0.65
            pixels = pixels * 0.70 + (78, 72, 78)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
