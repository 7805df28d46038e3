"""What is in front of a place: the weather that falls or drifts, and the people."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from mumu_training.data.scene_canvas import Canvas
from mumu_training.data.scene_light import Colour, ink, mix

_SHIRTS: tuple[Colour, ...] = (
    (226, 64, 64),
    (250, 196, 52),
    (72, 150, 230),
    (240, 120, 190),
    (110, 200, 110),
    (245, 245, 245),
    (160, 96, 210),
)
_SKINS: tuple[Colour, ...] = ((240, 200, 168), (196, 144, 104), (120, 82, 58))


def paint_weather(canvas: Canvas) -> None:
    """Rain streaks, snow flakes, lightning or banks of fog, over all that is outdoors."""
    weather, s, t = canvas.look.weather, canvas.size, canvas.t
    drops = canvas.layout["drops"]
    if weather in ("rain", "storm"):
        slant, length = (0.012, 0.055) if weather == "rain" else (0.05, 0.085)
        colour = (176, 196, 222) if not canvas.light.dark else (126, 146, 184)
        for x, y, speed, long in drops[: 130 if weather == "rain" else 220]:
            fall = (y + t * (1.1 + 0.6 * speed)) % 1.15 - 0.1
            px = (x - slant * 6 * fall) % 1.1 * s
            py, reach = fall * s, length * (0.6 + 0.6 * long)
            canvas.pen.line(
                (px, py, px - slant * s * (0.6 + long), py + reach * s),
                fill=colour,
                width=max(1, s // 190),
            )
    if weather == "storm" and (canvas.look.motion == "still" or math.sin(t * 3.1) > 0.2):
        x, y = 0.2 + 0.6 * canvas.layout["any"][1, 0], 0.1
        points = [(x, y)]
        for dx, dy in canvas.layout["any"][2:7, :2]:
            x, y = x + (dx - 0.5) * 0.18, y + 0.04 + dy * 0.07
            points.append((x, y))
        canvas.shine(points[2][0], points[2][1], 0.4, (190, 190, 255), 45)
        canvas.line(points, 0.012, (255, 255, 225))
    if weather == "snow":
        tone = 255 if canvas.look.time != "night" else 225
        for x, y, speed, big in drops[:170]:
            fall = (y + t * (0.10 + 0.12 * speed)) % 1.05
            sway = 0.01 * math.sin(t * 1.5 + x * 40)
            r = s * (0.004 + 0.007 * big)
            px, py = (x + sway) * s, fall * s
            canvas.pen.ellipse((px - r, py - r, px + r, py + r), fill=(tone, tone, tone))
    if weather == "fog":
        bank = ink(mix(canvas.light.horizon, (235, 235, 238), 0.25 if canvas.light.dark else 0.6))
        canvas.image.paste(bank, (0, 0), Image.new("L", (s, s), 70))
        for i, (x, y, wide, thick) in enumerate(canvas.layout["any"][:7]):
            drift = 0.0 if canvas.look.motion == "still" else 0.03 * t * (1 if i % 2 else -1)
            w, h = round(s * (0.9 + wide)), round(s * (0.10 + 0.10 * thick))
            left = round(((x + drift) % 1.4 - 0.7 - 0.3 * wide) * s)
            canvas.image.paste(bank, (left, round((0.30 + 0.55 * y) * s)), _bank(w, h))


def _bank(width: int, height: int) -> Image.Image:
    """A soft lying ellipse as a mask, [height, width]."""
    x = np.linspace(-1, 1, width)[None, :]
    y = np.linspace(-1, 1, height)[:, None]
    mask = np.clip(1 - np.sqrt(x**2 + y**2), 0, 1) ** 0.7 * 190
    return Image.fromarray(mask.astype(np.uint8))


def paint_person(
    canvas: Canvas, x: float, foot: float, tall: float, who: int, step: float, dancing: bool
) -> None:
    """A figure standing on `foot`, `tall` high; `step` is the phase of its walk or dance."""
    lift = min(1.0, 0.35 + min(canvas.light.ambient))  # people stay readable at night
    shirt = mix((0, 0, 0), _SHIRTS[who % len(_SHIRTS)], lift)
    skin = mix((0, 0, 0), _SKINS[who % len(_SKINS)], lift)
    trousers = mix((0, 0, 0), (44, 52, 84) if who % 2 else (84, 62, 48), lift)
    swing = math.sin(step)
    hop = abs(swing) * 0.12 * tall if dancing else 0.0
    foot -= hop
    hip, neck = foot - 0.45 * tall, foot - 0.80 * tall
    stride = 0.16 * tall * (swing if not dancing else 0.6 + 0.4 * swing)
    canvas.line([(x - stride, foot), (x, hip), (x + stride, foot)], 0.10 * tall, trousers)
    arm = 0.085 * tall
    if dancing:
        reach = 0.26 * tall
        canvas.line(
            [
                (x - reach, neck - 0.22 * tall * (1 - 0.5 * swing)),
                (x, neck + 0.06 * tall),
                (x + reach, neck - 0.22 * tall * (1 + 0.5 * swing)),
            ],
            arm,
            shirt,
        )
    else:
        canvas.line(
            [
                (x - 0.13 * tall - stride * 0.4, hip),
                (x, neck + 0.07 * tall),
                (x + 0.13 * tall + stride * 0.4, hip),
            ],
            arm,
            shirt,
        )
    canvas.shape(
        [
            (x - 0.12 * tall, neck),
            (x + 0.12 * tall, neck),
            (x + 0.10 * tall, hip),
            (x - 0.10 * tall, hip),
        ],
        shirt,
    )
    canvas.disc(x, neck - 0.10 * tall, 0.085 * tall, 0.10 * tall, skin)


def paint_people(canvas: Canvas) -> None:
    """Nobody, one figure, or a dancing crowd under a string of coloured lights."""
    look, t, rows = canvas.look, canvas.t, canvas.layout["people"]
    if look.people == "one":
        moves = look.motion == "walking"
        x = (0.05 + 0.3 * rows[0, 0] + 0.13 * t) % 1.1 - 0.05 if moves else 0.2 + 0.6 * rows[0, 0]
        step = t * 7.0 if moves else 0.9
        paint_person(canvas, x, 0.93, 0.32, int(rows[0, 1] * 7), step, False)
    elif look.people == "crowd":
        beat = t * 9.0 if look.motion == "dancing" else 0.0
        order = np.argsort(rows[:, 3])
        for i, row in enumerate(rows[order][:9]):
            x = 0.07 + 0.86 * (i * 4 % 9) / 8 + 0.05 * (row[0] - 0.5)
            foot = 0.80 + 0.02 * i
            phase = beat * (0.85 + 0.3 * row[2]) + row[1] * math.tau
            paint_person(canvas, x, foot, 0.23 + 0.012 * i, int(row[1] * 21), phase, True)
        string = [(i / 14, 0.50 + 0.06 * math.sin(i / 14 * math.pi)) for i in range(15)]
        canvas.line(string, 0.004, (60, 60, 60))
        for i, (x, y) in enumerate(string):
            colour = _SHIRTS[i % len(_SHIRTS)]
            if canvas.light.dark:
                canvas.shine(x, y, 0.05, colour, 60)
            canvas.disc(x, y + 0.008, 0.012, 0.014, colour)
