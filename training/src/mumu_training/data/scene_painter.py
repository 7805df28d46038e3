"""Paints one scene at any moment: sky, place, people, then what falls from the sky.

Everything is drawn at twice the wanted size and averaged down, which smooths the edges.
Random layouts are drawn once per painter, so frames of a clip differ only by what moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from mumu_training.data.scene_canvas import Canvas, Look, ink3
from mumu_training.data.scene_figures import paint_people, paint_weather
from mumu_training.data.scene_light import Light, glow, grade, gradient, ink, light_of, mix
from mumu_training.data.scene_places import paint_place

_SUPERSAMPLING = 2


@dataclass
class Painter:
    """Paints a Look; the same seed gives the same picture, `frame(t)` what it is t s later."""

    look: Look
    seed: int
    size: int
    _layout: dict[str, np.ndarray] = field(init=False)
    _sky: Image.Image = field(init=False)
    _light: Light = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, 71])
        self._light = light_of(self.look.time, self.look.weather)
        # Rows of uniform numbers; every painter of a place reads the ones it needs.
        self._layout = {
            name: rng.random((rows, 4))
            for name, rows in (
                ("things", 48),
                ("stars", 90),
                ("clouds", 8),
                ("people", 12),
                ("drops", 240),
                ("cars", 6),
                ("any", 12),
            )
        }
        self._sky = self._paint_sky()

    def frame(self, t: float = 0.0) -> Image.Image:
        """The scene after `t` seconds: RGB, [size, size]."""
        inner = self.size * _SUPERSAMPLING
        image = self._sky.copy()
        speed = {"drift": 0.05, "driving": 0.55}.get(self.look.motion, 0.0)
        canvas = Canvas(
            image=image,
            pen=ImageDraw.Draw(image),
            size=inner,
            light=self._light,
            look=self.look,
            t=t,
            pan=speed * t,
            layout=self._layout,
        )
        indoors = self.look.place == "room"
        self._paint_clouds(canvas)
        if indoors:
            paint_weather(canvas)  # behind the window
        paint_place(canvas)
        paint_people(canvas)
        if not indoors:
            paint_weather(canvas)
        return grade(image.reduce(_SUPERSAMPLING), self.look.palette)

    def _paint_sky(self) -> Image.Image:
        """Gradient, sun or moon, stars: what does not move."""
        look, light, inner = self.look, self._light, self.size * _SUPERSAMPLING
        sky = gradient(inner, inner, (light.top, light.middle, light.horizon, light.horizon))
        pen = ImageDraw.Draw(sky)
        clear = look.weather in ("clear", "snow")
        x = 0.2 + 0.6 * self._layout["any"][0, 0]
        if look.time == "night" and clear:
            for sx, sy, brightness, big in self._layout["stars"]:
                r = inner * (0.0035 if big < 0.85 else 0.006)
                tone = 120 + 135 * brightness
                px, py = sx * inner, sy * 0.6 * inner
                pen.ellipse((px - r, py - r, px + r, py + r), fill=ink3((tone, tone, tone)))
        if look.weather == "storm" or (look.weather in ("rain", "fog") and look.time == "day"):
            return sky
        y, radius, colour = {
            "dawn": (0.40, 0.055, (255, 250, 205)),
            "day": (0.14, 0.065, (255, 246, 170)),
            "sunset": (0.42, 0.10, (255, 92, 40)),
            "night": (0.17, 0.06, (240, 240, 222)),
        }[look.time]
        veil = 0.0 if look.weather == "clear" else 0.35 if look.weather == "snow" else 0.62
        disc = mix(colour, light.middle, veil)
        halo = radius * (5.5 if look.time != "night" else 3.2)
        glow(sky, x * inner, y * inner, halo * inner, disc, 70 if look.time != "night" else 40)
        r, px, py = radius * inner, x * inner, y * inner
        if look.time == "night":
            pen.polygon(_crescent(px, py, r), fill=ink(disc))
        else:
            pen.ellipse((px - r, py - r, px + r, py + r), fill=ink(disc))
        return sky

    def _paint_clouds(self, canvas: Canvas) -> None:
        """A few white clouds in clear weather, a closed grey cover in rain and storm."""
        weather, light = self.look.weather, self._light
        count = {"clear": 3, "snow": 5, "fog": 0, "rain": 8, "storm": 8}[weather]
        if weather == "clear" and self.look.time == "night":
            count = 0
        drift = 0.0 if self.look.motion == "still" else 0.012 * canvas.t
        for row in self._layout["clouds"][:count]:
            heavy = weather in ("rain", "storm")
            x = canvas.slide(row[0] + drift, 0.15)
            y = 0.05 + row[1] * (0.13 if heavy else 0.22)
            w = (0.20 if heavy else 0.09) + 0.08 * row[2]
            if heavy:
                shade = mix(light.top, (0, 0, 0) if weather == "storm" else (70, 78, 94), 0.35)
            elif self.look.time == "sunset":
                shade = mix((255, 170, 150), light.middle, 0.3)
            else:
                shade = mix((255, 255, 255), light.middle, 0.7 if light.dark else 0.25)
            for dx, dy, scale in ((-0.55, 0.12, 0.6), (0.0, -0.05, 0.85), (0.55, 0.1, 0.65)):
                canvas.disc(x + dx * w, y + dy * w, w * scale * 0.75, w * scale * 0.42, shade)
            canvas.disc(x, y + 0.2 * w, w, w * 0.22, shade)


def _crescent(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    """The outline of a crescent moon around (x, y): out along a circle, back along a flatter arc."""
    angles = np.linspace(0.42 * np.pi, 1.58 * np.pi, 40)
    tip = np.cos(angles[0])
    outer = [(np.cos(a), np.sin(a)) for a in angles]
    inner = [(tip + 0.45 * (c - tip), s) for c, s in reversed(outer)]
    return [(float(x + radius * c), float(y + radius * s)) for c, s in outer + inner]
