"""Painters of the four inland places: forest, mountains, field and desert."""

from __future__ import annotations

import math

from mumu_training.data.scene_canvas import Canvas
from mumu_training.data.scene_light import Colour, mix

SNOW: Colour = (238, 244, 252)
LAMP: Colour = (255, 214, 120)


def ground(canvas: Canvas, colour: Colour) -> Colour:
    """Snow lies on the ground when it snows; rain darkens it."""
    if canvas.look.weather == "snow":
        return mix(colour, SNOW, 0.85)
    if canvas.look.weather in ("rain", "storm"):
        return mix(colour, (40, 48, 60), 0.25)
    return colour


def _pine(canvas: Canvas, x: float, foot: float, tall: float, depth: float) -> None:
    green = canvas.light.on((30, 92, 58), depth)
    snow = canvas.light.on(SNOW, depth)
    canvas.box(
        x - 0.012, foot - tall * 0.2, 0.024, tall * 0.2, canvas.light.on((84, 58, 40), depth)
    )
    for k in range(3):
        top, w = foot - tall * (1 - 0.24 * k), tall * (0.17 + 0.08 * k)
        low = top + tall * 0.40
        canvas.shape([(x, top), (x - w, low), (x + w, low)], green)
        if canvas.look.weather == "snow":
            canvas.shape(
                [(x, top), (x - w * 0.6, top + tall * 0.22), (x + w * 0.5, top + tall * 0.2)], snow
            )


def paint_forest(canvas: Canvas) -> None:
    """Pines in three depths, tall trunks in front."""
    light = canvas.light
    canvas.shape(canvas.ridge(0.62, 0.05, (1.0, 2.3), 0.3, 0.4), light.on((46, 92, 66), 0.6))
    for layer, (depth, foot, tall, n) in enumerate(((0.3, 0.66, 0.26, 14), (0.6, 0.74, 0.36, 11))):
        for i, row in enumerate(canvas.layout["things"][layer * 14 : layer * 14 + n]):
            x = canvas.slide((i + 0.6 * row[0]) / n, depth, 1.3)
            _pine(canvas, x, foot, tall * (0.75 + 0.5 * row[1]), 0.65 - 0.35 * layer)
    canvas.shape(
        canvas.ridge(0.74, 0.03, (0.8, 2.0), 0.8, 0.9), light.on(ground(canvas, (62, 104, 52)))
    )
    for i, row in enumerate(canvas.layout["things"][28:33]):
        x = canvas.slide((i + 0.5 * row[0]) / 5, 1.0, 1.4)
        foot = 0.84 + 0.1 * row[1]
        if row[2] < 0.45:
            _pine(canvas, x, foot, 0.55 + 0.12 * row[3], 0.0)
        else:
            canvas.box(x - 0.02, 0.05, 0.04, foot - 0.05, light.on((92, 66, 46)))
            canvas.disc(x, 0.08, 0.17, 0.15, light.on(ground(canvas, (40, 108, 50))))


def paint_mountains(canvas: Canvas) -> None:
    """Two chains with white peaks, a lake before them."""
    light = canvas.light
    for layer, (depth, base, tall, n) in enumerate(((0.12, 0.62, 0.40, 5), (0.3, 0.66, 0.30, 5))):
        for i, row in enumerate(canvas.layout["things"][layer * 5 : layer * 5 + n]):
            x = canvas.slide((i + 0.4 * row[0]) / n, depth, 1.4)
            h, w = tall * (0.7 + 0.4 * row[1]), 0.20 + 0.08 * row[2]
            top = base - h
            rock = light.on((104, 106, 128), 0.5 - 0.35 * layer)
            shade = light.on((72, 74, 98), 0.5 - 0.35 * layer)
            canvas.shape([(x, top), (x - w, base), (x + w, base)], rock)
            canvas.shape([(x, top), (x + w * 0.25, base), (x + w, base)], shade)
            cap = 0.62 if canvas.look.weather == "snow" else 0.30
            canvas.shape(
                [
                    (x, top),
                    (x - w * cap, top + h * cap),
                    (x - w * cap * 0.4, top + h * cap * 0.8),
                    (x, top + h * cap * 1.1),
                    (x + w * cap * 0.45, top + h * cap * 0.75),
                    (x + w * cap, top + h * cap),
                ],
                light.on(SNOW, 0.35 - 0.25 * layer),
            )
    canvas.shape(
        canvas.ridge(0.70, 0.05, (0.9, 2.1), 0.5, 0.2),
        light.on(ground(canvas, (74, 122, 72)), 0.1),
    )
    lake = mix(light.on((48, 124, 176)), light.horizon, 0.35)
    canvas.disc(0.5 - 0.2 * math.sin(canvas.pan), 0.80, 0.36, 0.055, lake)
    for i, row in enumerate(canvas.layout["things"][20:26]):
        _pine(
            canvas, canvas.slide((i + 0.5 * row[0]) / 6, 0.8, 1.4), 0.86 + 0.08 * row[1], 0.2, 0.0
        )


def paint_field(canvas: Canvas) -> None:
    """Rolling meadow, a barn, a tree, a fence, flowers unless it snows."""
    light = canvas.light
    canvas.shape(
        canvas.ridge(0.58, 0.09, (0.7, 1.6), 0.2, 0.6),
        light.on(ground(canvas, (126, 176, 84)), 0.4),
    )
    x = canvas.slide(0.15 + 0.6 * canvas.layout["things"][0, 0], 0.35, 1.4)
    canvas.box(x, 0.50, 0.17, 0.12, light.on((178, 52, 44)))
    roof = light.on(ground(canvas, (92, 70, 64)))
    canvas.shape([(x - 0.02, 0.51), (x + 0.085, 0.42), (x + 0.19, 0.51)], roof)
    canvas.box(x + 0.06, 0.55, 0.05, 0.07, light.on((250, 240, 220)))
    if light.dark:
        canvas.box(x + 0.07, 0.565, 0.03, 0.03, LAMP)
    canvas.shape(
        canvas.ridge(0.66, 0.07, (0.6, 1.3), 0.5, 0.1),
        light.on(ground(canvas, (104, 164, 62)), 0.1),
    )
    x = canvas.slide(0.2 + 0.6 * canvas.layout["things"][1, 0], 0.6, 1.4)
    canvas.box(x - 0.015, 0.52, 0.03, 0.18, light.on((96, 68, 44)))
    canvas.disc(x, 0.47, 0.11, 0.10, light.on(ground(canvas, (62, 136, 52))))
    canvas.shape(
        canvas.ridge(0.80, 0.05, (0.8, 1.9), 0.9, 0.7), light.on(ground(canvas, (86, 150, 50)))
    )
    petals: tuple[Colour, ...] = ((244, 214, 64), (232, 84, 96), (250, 250, 250), (176, 110, 220))
    if canvas.look.weather != "snow":
        for row in canvas.layout["things"][4:46]:
            px = canvas.slide(row[0], 1.0, 1.2)
            canvas.disc(
                px, 0.84 + 0.15 * row[1], 0.011, 0.011, light.on(petals[int(row[2] * 4) % 4])
            )
    for k in range(8):
        px = canvas.slide(k / 8, 0.7, 1.2)
        canvas.box(px, 0.70, 0.012, 0.09, light.on((214, 196, 164)))
    canvas.box(0, 0.73, 1, 0.01, light.on((214, 196, 164)))


def paint_desert(canvas: Canvas) -> None:
    """Dunes, pyramids and cacti."""
    light = canvas.light
    canvas.shape(
        canvas.ridge(0.58, 0.10, (1.1, 2.4), 0.2, 0.8),
        light.on(ground(canvas, (214, 142, 84)), 0.4),
    )
    x = canvas.slide(0.2 + 0.6 * canvas.layout["things"][0, 0], 0.25, 1.4)
    for w, h, dx in ((0.16, 0.20, 0.0), (0.10, 0.12, 0.2)):
        canvas.shape(
            [(x + dx - w, 0.60), (x + dx, 0.60 - h), (x + dx + w, 0.60)],
            light.on((222, 176, 104), 0.15),
        )
        canvas.shape(
            [(x + dx + w * 0.2, 0.60), (x + dx, 0.60 - h), (x + dx + w, 0.60)],
            light.on((176, 128, 70), 0.15),
        )
    canvas.shape(
        canvas.ridge(0.66, 0.09, (0.7, 1.5), 0.5, 0.2),
        light.on(ground(canvas, (232, 172, 98)), 0.1),
    )
    canvas.shape(
        canvas.ridge(0.80, 0.08, (0.6, 1.2), 0.9, 0.5), light.on(ground(canvas, (240, 188, 110)))
    )
    green = light.on(ground(canvas, (64, 136, 74)))
    for i, row in enumerate(canvas.layout["things"][5:8]):
        x, foot = canvas.slide((i + 0.6 * row[0]) / 3, 1.0, 1.4), 0.80 + 0.1 * row[1]
        tall = 0.24 + 0.1 * row[2]
        canvas.line([(x, foot), (x, foot - tall)], 0.045, green)
        canvas.disc(x, foot - tall, 0.022, 0.022, green)
        for side, up in ((-1, 0.45), (1, 0.3)):
            elbow = x + side * 0.075
            canvas.line(
                [
                    (x, foot - tall * up),
                    (elbow, foot - tall * up),
                    (elbow, foot - tall * (up + 0.38)),
                ],
                0.03,
                green,
            )
