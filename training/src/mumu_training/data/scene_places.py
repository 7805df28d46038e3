"""The eight places of the drawn world, each a short painter over the verbs of Canvas.

Each shows at least two things no other place has, so that it can be told at 96 pixels:
beach: sand, surf, palms, an umbrella; sea: waves to the bottom, a sailing boat; city: towers
with windows, a road, cars; forest: trunks and pines; mountains: snow-capped peaks and a lake;
field: rolling meadow, flowers, a barn; desert: dunes and cacti; room: walls, window, lamp, sofa.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from mumu_training.data.scene_canvas import Canvas
from mumu_training.data.scene_land import (
    LAMP,
    SNOW,
    ground,
    paint_desert,
    paint_field,
    paint_forest,
    paint_mountains,
)
from mumu_training.data.scene_light import Colour, mix


def _sway(canvas: Canvas, amount: float) -> float:
    """How far waves have rolled; nothing moves in a still scene."""
    return 0.0 if canvas.look.motion == "still" else canvas.t * amount


def _waves(canvas: Canvas, top: float, bottom: float, colour: Colour, rows: int) -> None:
    """Crests, nearer ones larger, between two heights."""
    light = canvas.light.on(mix(colour, (255, 255, 255), 0.45))
    for i in range(rows):
        near = (i + 1) / rows
        y = top + (bottom - top) * near**1.6
        w = 0.02 + 0.06 * near
        shift = _sway(canvas, 0.05 + 0.08 * near) * (1 if i % 2 else -1)
        for k in range(7):
            x = canvas.slide((k / 7 + 0.37 * i + shift) % 1.0, near, 1.3)
            canvas.line(
                [(x - w, y), (x - w / 2, y - 0.12 * w), (x + w / 2, y - 0.12 * w), (x + w, y)],
                0.003 + 0.006 * near,
                light,
            )


def _water(canvas: Canvas, top: float, bottom: float) -> None:
    """A sheet of water that takes the colour of the sky towards its far edge."""
    steps = 10
    for i in range(steps):
        far = 1 - i / steps
        y = top + (bottom - top) * i / steps
        blue = canvas.light.on((22, 98, 168))
        canvas.box(
            0, y, 1, (bottom - top) / steps + 0.01, mix(blue, canvas.light.horizon, 0.5 * far)
        )


def _beach(canvas: Canvas) -> None:
    _water(canvas, 0.48, 0.72)
    _waves(canvas, 0.50, 0.68, (40, 120, 190), 4)
    lap = 0.008 * math.sin(_sway(canvas, 1.8))
    foam = [(x, y - 0.018 + lap) for x, y in canvas.ridge(0.69, 0.03, (1.5, 3.0), 0.8, 0.3)]
    canvas.shape([(0, 1), *foam[1:-1], (1, 1)], canvas.light.on((246, 250, 252)))
    canvas.shape(
        canvas.ridge(0.70, 0.03, (1.5, 3.0), 0.8, 0.3),
        canvas.light.on(ground(canvas, (238, 208, 146))),
    )
    for row in canvas.layout["things"][:2]:
        x = canvas.slide(row[0], 1.0, 1.5)
        _palm(canvas, x, 0.84 + 0.06 * row[1], 0.42 + 0.1 * row[2])
    x = canvas.slide(0.25 + 0.5 * canvas.layout["things"][3, 0], 1.0, 1.5)
    canvas.line([(x, 0.66), (x, 0.84)], 0.008, canvas.light.on((120, 90, 60)))
    for i in range(6):
        a, b = math.pi * (1 + i / 6), math.pi * (1 + (i + 1) / 6)
        slice_of = [(x, 0.69)] + [
            (x + 0.12 * math.cos(v), 0.69 + 0.10 * math.sin(v)) for v in (a, (a + b) / 2, b)
        ]
        canvas.shape(slice_of, canvas.light.on((228, 70, 70) if i % 2 else (250, 250, 240)))


def _palm(canvas: Canvas, x: float, foot: float, tall: float) -> None:
    lean = 0.06
    trunk = canvas.light.on((118, 84, 52))
    head = (x + lean, foot - tall)
    canvas.line([(x, foot), (x + lean * 0.35, foot - tall * 0.5), head], 0.02, trunk)
    leaf = canvas.light.on(ground(canvas, (48, 140, 66)))
    for angle in (-2.9, -2.3, -1.2, -0.6, -0.1, 0.3, 2.9, 3.4):
        tip = (head[0] + 0.15 * math.cos(angle), head[1] + 0.09 * math.sin(angle) + 0.05)
        middle = (head[0] + 0.08 * math.cos(angle), head[1] + 0.09 * math.sin(angle) - 0.01)
        canvas.line([head, middle, tip], 0.018, leaf)


def _sea(canvas: Canvas) -> None:
    _water(canvas, 0.45, 1.0)
    row = canvas.layout["things"][0]
    isle = canvas.slide(row[0], 0.1)
    canvas.disc(isle, 0.46, 0.13, 0.035, canvas.light.on((70, 100, 90), 0.7))
    canvas.box(0, 0.455, 1, 0.05, mix(canvas.light.on((22, 98, 168)), canvas.light.horizon, 0.48))
    rough = 3.0 if canvas.look.weather == "storm" else 1.0
    _waves(canvas, 0.48, 0.98, (40, 120, 190), 9)
    x = canvas.slide(0.3 + 0.4 * canvas.layout["things"][1, 0], 0.5)
    rock = math.sin(_sway(canvas, 1.6)) * 0.012 * rough
    y = 0.64 + rock
    canvas.shape(
        [(x - 0.13, y), (x + 0.13, y), (x + 0.08, y + 0.06), (x - 0.09, y + 0.06)],
        canvas.light.on((150, 62, 44)),
    )
    canvas.line([(x, y), (x + rock, y - 0.30)], 0.01, canvas.light.on((90, 60, 40)))
    white = canvas.light.on((250, 248, 240))
    canvas.shape([(x + 0.012, y - 0.02), (x + rock, y - 0.30), (x + 0.12, y - 0.03)], white)
    canvas.shape([(x - 0.012, y - 0.02), (x + rock - 0.01, y - 0.26), (x - 0.09, y - 0.03)], white)
    if canvas.look.people != "none":
        # Nobody walks on water: a pier to stand on.
        wood = canvas.light.on(ground(canvas, (156, 116, 78)))
        canvas.box(0, 0.80, 1, 0.20, wood)
        for k in range(7):
            seam = canvas.slide(k / 7, 1.0, 1.2)
            canvas.line([(seam, 0.80), (seam - 0.03, 1.0)], 0.006, mix(wood, (0, 0, 0), 0.35))
        canvas.box(0, 0.795, 1, 0.012, mix(wood, (255, 255, 255), 0.25))


def _city(canvas: Canvas) -> None:
    night = canvas.light.dark or canvas.look.time in ("sunset", "dawn")
    for layer, (depth, base, tall) in enumerate(((0.25, 0.76, 0.46), (0.55, 0.78, 0.40))):
        rows = canvas.layout["things"][layer * 14 : layer * 14 + 14]
        for i, row in enumerate(rows):
            x = canvas.slide((i + 0.3 * row[0]) / 14, depth, 1.5)
            w = 0.075 + 0.035 * row[1]
            h = tall * (0.35 + 0.65 * row[2])
            hue = mix((92, 104, 128), (156, 116, 100), row[3])
            canvas.box(x, base - h, w, h, canvas.light.on(hue, 0.6 - 0.45 * layer))
            if canvas.look.weather == "snow":
                canvas.box(x, base - h - 0.008, w, 0.014, canvas.light.on(SNOW))
            if layer == 0 and not night:
                continue
            for r in range(int(h / 0.045)):
                for c in range(3):
                    lit = (math.sin((r * 7 + c * 3 + i * 5 + layer) * 12.9898) * 43758.5) % 1 < 0.6
                    glass = LAMP if night and lit else canvas.light.on((70, 92, 120))
                    canvas.box(
                        x + w * (0.16 + 0.27 * c),
                        base - h + 0.02 + 0.045 * r,
                        w * 0.14,
                        0.02,
                        glass,
                    )
    canvas.box(0, 0.76, 1, 0.06, canvas.light.on(ground(canvas, (168, 164, 158))))
    canvas.box(
        0, 0.81, 1, 0.19, canvas.light.on(mix((70, 72, 80), ground(canvas, (70, 72, 80)), 0.5))
    )
    for k in range(6):
        canvas.box(
            canvas.slide(k / 6, 1.0, 1.2), 0.905, 0.08, 0.012, canvas.light.on((236, 226, 170))
        )
    for k in range(2):
        x = canvas.slide(0.2 + 0.5 * k, 0.9, 1.3)
        canvas.line([(x, 0.80), (x, 0.52), (x + 0.05, 0.52)], 0.01, canvas.light.on((60, 60, 66)))
        if night:
            canvas.shine(x + 0.05, 0.54, 0.12, LAMP, 80)
    _cars(canvas)


def _cars(canvas: Canvas) -> None:
    """Two parked cars, or five that rush past when the motion is traffic."""
    fast = canvas.look.motion == "traffic"
    if canvas.look.people == "crowd":
        return
    colours: tuple[Colour, ...] = ((214, 48, 48), (244, 196, 48), (52, 110, 206), (240, 240, 240))
    for i, row in enumerate(canvas.layout["cars"][: 5 if fast else 2]):
        way = 1 if i % 2 else -1
        speed = way * (0.75 + 0.5 * row[1]) if fast else 0.0
        x = (row[0] + 0.4 * i + speed * canvas.t - canvas.pan) % 1.5 - 0.25
        y = 0.93 if way > 0 else 0.845
        body = canvas.light.on(colours[int(row[2] * 4) % 4])
        canvas.box(x - 0.09, y - 0.035, 0.18, 0.04, body)
        canvas.shape(
            [
                (x - 0.06, y - 0.03),
                (x - 0.04, y - 0.075),
                (x + 0.04, y - 0.075),
                (x + 0.06, y - 0.03),
            ],
            body,
        )
        canvas.box(x - 0.035, y - 0.065, 0.07, 0.028, canvas.light.on((150, 200, 226)))
        for wheel in (-0.055, 0.055):
            canvas.disc(x + wheel, y + 0.008, 0.02, 0.02, (22, 22, 26))
        if canvas.light.dark:
            canvas.shine(x + way * 0.11, y - 0.015, 0.09, (255, 244, 190), 80)
        if fast:
            back = x - way * 0.1
            canvas.line([(back, y - 0.03), (back - way * 0.12, y - 0.03)], 0.006, (235, 235, 235))


def _room(canvas: Canvas) -> None:
    """A wall with a window; what the sky and the weather do is seen through it."""
    row = canvas.layout["things"][0]
    evening = canvas.light.dark or canvas.look.time == "sunset"
    lamp: Colour = (0.92, 0.80, 0.62) if evening else (1.0, 0.98, 0.94)
    if canvas.look.weather in ("rain", "storm") and not evening:
        lamp = (0.78, 0.78, 0.80)

    def lit(colour: Colour) -> Colour:
        return colour[0] * lamp[0], colour[1] * lamp[1], colour[2] * lamp[2]

    wall = lit(mix((224, 206, 180), (172, 192, 196), row[0]))
    left = 0.30 if row[1] < 0.5 else 0.14
    left -= 0.02 * canvas.pan
    right, top, low = left + 0.46, 0.08, 0.56
    for box in (
        (0, 0, left, 0.78),
        (right, 0, 1 - right, 0.78),
        (left, 0, 0.46, top),
        (left, low, 0.46, 0.78 - low),
    ):
        canvas.box(box[0], box[1], box[2], box[3], wall)
    if canvas.look.weather == "snow":
        canvas.box(left, low - 0.03, 0.46, 0.03, canvas.light.on(SNOW))
    frame = lit((250, 248, 240))
    for box in (
        (left - 0.015, top, 0.03, low - top),
        (right - 0.015, top, 0.03, low - top),
        (left, top - 0.015, 0.46, 0.03),
        (left - 0.02, low, 0.50, 0.03),
        (left + 0.22, top, 0.016, low - top),
    ):
        canvas.box(box[0], box[1], box[2], box[3], frame)
    curtain = lit(mix((190, 70, 70), (70, 100, 170), row[2]))
    for x in (left - 0.07, right - 0.005):
        canvas.box(x, top - 0.03, 0.075, low - top + 0.08, curtain)
    canvas.box(0, 0.78, 1, 0.22, lit((156, 108, 70)))
    canvas.disc(0.5, 0.90, 0.42, 0.07, lit(mix((180, 80, 80), (90, 120, 150), row[3])))
    sofa = lit(mix((74, 128, 120), (188, 120, 70), row[0]))
    x = 0.08 if left > 0.2 else 0.42
    canvas.box(x, 0.60, 0.40, 0.14, sofa)
    canvas.box(x - 0.03, 0.66, 0.46, 0.15, mix(sofa, (0, 0, 0), 0.15))
    lx = 0.9 if left > 0.2 else 0.08
    canvas.line([(lx, 0.84), (lx, 0.50)], 0.012, (60, 50, 44))
    canvas.shape(
        [(lx - 0.07, 0.52), (lx + 0.07, 0.52), (lx + 0.04, 0.42), (lx - 0.04, 0.42)],
        lit((250, 222, 150)),
    )
    if evening:
        canvas.shine(lx, 0.50, 0.32, LAMP, 70)


_PAINTERS: dict[str, Callable[[Canvas], None]] = {
    "beach": _beach,
    "sea": _sea,
    "city": _city,
    "forest": paint_forest,
    "mountains": paint_mountains,
    "field": paint_field,
    "desert": paint_desert,
    "room": _room,
}


def paint_place(canvas: Canvas) -> None:
    """Paints the canvas's place over its sky."""
    _PAINTERS[canvas.look.place](canvas)
