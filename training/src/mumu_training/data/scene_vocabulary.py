"""Closed lists of the drawn world: what a scene may show, and how people say it.

Every list is closed so that a picture can be scored exactly: the attribute drawn is the
attribute asked about. Phrases are wordings of the same fact, chosen at random for captions.
"""

from __future__ import annotations

TIMES: tuple[str, ...] = ("dawn", "day", "sunset", "night")
WEATHERS: tuple[str, ...] = ("clear", "rain", "snow", "fog", "storm")
PLACES: tuple[str, ...] = (
    "beach",
    "city",
    "forest",
    "mountains",
    "field",
    "desert",
    "sea",
    "room",
)
PEOPLE: tuple[str, ...] = ("none", "one", "crowd")
PALETTES: tuple[str, ...] = ("natural", "warm", "cold", "vivid", "pastel")
MOTIONS: tuple[str, ...] = (
    "still",
    "drift",
    "walking",
    "falling",
    "dancing",
    "traffic",
    "driving",
)

TIME_PHRASES: dict[str, tuple[str, ...]] = {
    "dawn": ("at dawn", "at sunrise", "in the early morning"),
    "day": ("by day", "in the daytime", "in daylight"),
    "sunset": ("at sunset", "at dusk", "in the evening light"),
    "night": ("at night", "by night", "in the dark of night"),
}
WEATHER_WORDS: dict[str, tuple[str, ...]] = {
    "clear": ("clear", "calm"),
    "rain": ("rainy", "wet"),
    "snow": ("snowy",),
    "fog": ("foggy", "misty"),
    "storm": ("stormy",),
}
WEATHER_NOUNS: dict[str, str] = {
    "clear": "clear weather",
    "rain": "rain",
    "snow": "snow",
    "fog": "fog",
    "storm": "a storm",
}
PLACE_NOUNS: dict[str, tuple[str, ...]] = {
    "beach": ("beach",),
    "city": ("city", "city street"),
    "forest": ("forest",),
    "mountains": ("mountain landscape", "mountain valley"),
    "field": ("field", "green field"),
    "desert": ("desert",),
    "sea": ("sea", "open sea"),
    "room": ("room",),
}
PEOPLE_PHRASES: dict[str, tuple[str, ...]] = {
    "none": ("",),
    "one": ("with one person", "with a lone figure"),
    "crowd": ("with people dancing", "with a dancing crowd"),
}
PALETTE_PHRASES: dict[str, tuple[str, ...]] = {
    "natural": ("",),
    "warm": ("in warm colours",),
    "cold": ("in cold colours",),
    "vivid": ("in vivid colours",),
    "pastel": ("in pastel colours",),
}
MOTION_PHRASES: dict[str, tuple[str, ...]] = {
    "still": ("standing still", "without motion"),
    "drift": ("drifting slowly by", "in a slow pan"),
    "walking": ("and somebody walking through it", "as a person walks by"),
    "falling": ("as it comes down steadily",),
    "dancing": ("with everybody moving to the beat",),
    "traffic": ("with cars rushing past",),
    "driving": ("rushing past at high speed",),
}

MOTION_PACE: dict[str, str] = {
    "still": "slow",
    "drift": "slow",
    "walking": "moderate",
    "falling": "moderate",
    "dancing": "fast",
    "traffic": "fast",
    "driving": "fast",
}
"""The pace a viewer feels; it sets the tempo word of the music for a clip."""
