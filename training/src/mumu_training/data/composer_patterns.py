"""Grooves: drum, bass and comping patterns of each style and metre.

A pattern is one bar on a grid: four steps a beat in 4/4 (16) and 3/4 (12), six a beat in 6/8 (12,
its beat being a dotted quarter). Drums: `x` loud, `o` soft. Bass: `r` root, `f` fifth, `t` third,
`o` octave, `a` a step towards the next root. Comping: `x` a chord, a digit that chord tone.
"""

from __future__ import annotations

from typing import Final

STEPS_A_BEAT: Final[dict[str, int]] = {"4/4": 4, "3/4": 4, "6/8": 6}
BEATS_A_BAR: Final[dict[str, int]] = {"4/4": 4, "3/4": 3, "6/8": 2}

# General MIDI percussion keys (GM1, table 3).
KICK, STICK, SNARE, CLAP = 36, 37, 38, 39
HAT, PEDAL, OPEN_HAT, LOW_TOM, MID_TOM = 42, 44, 46, 45, 47
CRASH, RIDE, TAMBOURINE, SHAKER, TRIANGLE = 49, 51, 54, 70, 81

DrumPattern = dict[int, str]

DRUMS: Final[dict[str, dict[str, tuple[DrumPattern, ...]]]] = {
    "rock": {
        "4/4": (
            {KICK: "x.......x.x.....", SNARE: "....x.......x...", HAT: "x.x.x.x.x.x.x.x."},
            {KICK: "x.....x.x.......", SNARE: "....x.......x...", OPEN_HAT: "x...x...x...x..."},
            {KICK: "x..x....x.x.....", SNARE: "....x.......x...", RIDE: "x.x.x.x.x.x.x.x."},
        ),
        "3/4": ({KICK: "x.....x.....", SNARE: "....x...x...", HAT: "x.x.x.x.x.x."},),
        "6/8": ({KICK: "x.........x.", SNARE: "......x.....", HAT: "x.x.x.x.x.x."},),
    },
    "pop": {
        "4/4": (
            {KICK: "x.....x...x.....", CLAP: "....x.......x...", HAT: "x.oox.oox.oox.oo"},
            {KICK: "x.......x.......", SNARE: "....x.......x...", TAMBOURINE: "x.o.x.o.x.o.x.o."},
            {KICK: "x...x...x...x...", SNARE: "....x.......x...", HAT: "o.x.o.x.o.x.o.x."},
        ),
        "3/4": ({KICK: "x...........", CLAP: "....x...x...", HAT: "x.o.x.o.x.o."},),
        "6/8": ({KICK: "x.....o.....", CLAP: "......x.....", HAT: "x.o.o.x.o.o."},),
    },
    "jazz": {
        "4/4": (
            {RIDE: "x...x.o.x...x.o.", PEDAL: "....x.......x...", KICK: "o.......o......."},
            {RIDE: "x...x.o.x...x.o.", PEDAL: "....x.......x...", STICK: "..............o."},
            {HAT: "x...x.o.x...x.o.", KICK: "o...o...o...o...", STICK: "....x.......x..."},
        ),
        "3/4": ({RIDE: "x...x.o.x.o.", PEDAL: "....x...x...", KICK: "x..........."},),
    },
    "blues": {
        "4/4": (
            {HAT: "x.x.x.x.x.x.x.x.", KICK: "x.......x.......", SNARE: "....x.......x..."},
            {RIDE: "x.o.x.o.x.o.x.o.", KICK: "x.......x.x.....", SNARE: "....x.......x..."},
        ),
        "6/8": ({HAT: "x.o.o.x.o.o.", KICK: "x...........", SNARE: "......x....."},),
    },
    "waltz": {
        "3/4": (
            {KICK: "x...........", SNARE: "....o...o..."},
            {KICK: "x...........", HAT: "....x...x..."},
            {KICK: "x...........", TAMBOURINE: "....x...x..."},
        ),
    },
    "lullaby": {
        "4/4": ({TRIANGLE: "x.......x.......", SHAKER: "x...o...x...o..."},),
        "3/4": ({TRIANGLE: "x...........", SHAKER: "x...o...o..."},),
        "6/8": ({TRIANGLE: "x...........", SHAKER: "x.o.o.x.o.o."},),
    },
    "techno": {
        "4/4": (
            {KICK: "x...x...x...x...", OPEN_HAT: "..x...x...x...x.", CLAP: "....x.......x..."},
            {KICK: "x...x...x...x...", HAT: "oooxoooxoooxooox", CLAP: "....x.......x..."},
            {KICK: "x...x...x...x...", OPEN_HAT: "..x...x...x...x.", HAT: "xoxoxoxoxoxoxoxo"},
        ),
    },
    "folk": {
        "4/4": (
            {SHAKER: "x.o.x.o.x.o.x.o.", KICK: "x.......x......."},
            {TAMBOURINE: "o...x...o...x...", KICK: "x...o...x...o..."},
        ),
        "3/4": ({SHAKER: "x.o.x.o.x.o.", KICK: "x..........."},),
        "6/8": ({SHAKER: "x.o.o.x.o.o.", KICK: "x.....x....."},),
    },
    "march": {
        "4/4": (
            {SNARE: "x.oox.o.x.oox.oo", KICK: "x.......x......."},
            {SNARE: "x...x...x...x.oo", KICK: "x...x...x...x...", CRASH: "x..............."},
        ),
        "6/8": ({SNARE: "x...o.x.o.o.", KICK: "x.....x....."},),
    },
    "classical": {
        "4/4": ({TRIANGLE: "x...x...x...x...", KICK: "x..............."},),
        "3/4": ({TRIANGLE: "x...x...x...", KICK: "x..........."},),
        "6/8": ({TRIANGLE: "x.....x.....", KICK: "x..........."},),
    },
}

BASS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "rock": {
        "4/4": ("r.r.r.r.r.r.r.r.", "r...r...r...r...", "r.....r.r.r.r..."),
        "3/4": ("r...r...r...",),
        "6/8": ("r.....r...r.",),
    },
    "pop": {
        "4/4": ("r.....r.r.....r.", "r...r...r...r...", "r.......r.....f."),
        "3/4": ("r.......r...",),
        "6/8": ("r.....r...r.",),
    },
    "jazz": {
        "4/4": ("r...t...f...a...", "r...f...t...a...", "r...f...o...a..."),
        "3/4": ("r...t...a...", "r.......f..."),
    },
    "blues": {
        "4/4": ("r.r.t.t.f.f.t.t.", "r...t...f...t...", "r...r...f...a..."),
        "6/8": ("r...r.f...f.", "r.....f....."),
    },
    "waltz": {"3/4": ("r...........", "f...........")},
    "lullaby": {"4/4": ("r.......f.......",), "3/4": ("r...........",), "6/8": ("r.....f.....",)},
    "techno": {
        "4/4": ("..r...r...r...r.", "r.r.r.r.r.r.r.r.", "r.rrr.rrr.rrr.rr", "..ro..ro..ro..ro")
    },
    "folk": {
        "4/4": ("r...f...r...f...", "r.......f......."),
        "3/4": ("r...........",),
        "6/8": ("r.....f.....",),
    },
    "march": {"4/4": ("r...f...r...f...", "r...r...f...f..."), "6/8": ("r.....f.....",)},
    "classical": {
        "4/4": ("r.......f.......", "r...r...f...f..."),
        "3/4": ("r...........", "r.......f..."),
        "6/8": ("r.....f.....",),
    },
}

COMP: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "rock": {
        "4/4": ("x.x.x.x.x.x.x.x.", "x.....x.....x...", "x...x...x...x..."),
        "3/4": ("x...x...x...",),
        "6/8": ("x.x.x.x.x.x.",),
    },
    "pop": {
        "4/4": ("x...x...x...x...", "0.1.2.1.0.1.2.1.", "x..x..x.....x..."),
        "3/4": ("0.1.2.1.2.1.",),
        "6/8": ("0.1.2.0.1.2.",),
    },
    "jazz": {
        "4/4": ("x.....x.........", "......x...x.....", "....x.......x..."),
        "3/4": ("x.....x.....", "....x...x..."),
    },
    "blues": {
        "4/4": ("x...x...x...x...", "....x.......x...", "x.x.x.x.x.x.x.x."),
        "6/8": ("x.x.x.x.x.x.", "x.....x....."),
    },
    "waltz": {"3/4": ("....x...x...",)},
    "lullaby": {
        "4/4": ("0.1.2.1.0.1.2.1.", "0...1...2...1..."),
        "3/4": ("0.1.2.1.2.1.", "0...1...2..."),
        "6/8": ("0.1.2.2.1.0.", "0...2.1...2."),
    },
    "techno": {
        "4/4": ("x..x..x.x..x..x.", "0120120120120120", "..x...x...x...x.", "0.2.1.2.0.2.1.2.")
    },
    "folk": {
        "4/4": ("..x...x...x...x.", "x...x.x...x.x.x.", "0.2.1.2.0.2.1.2."),
        "3/4": ("....x...x...", "0.1.2.1.2.1."),
        "6/8": ("x...x.x...x.", "0.1.2.0.1.2."),
    },
    "march": {
        "4/4": ("..x...x...x...x.", "x...x...x...x..."),
        "6/8": ("..x.x...x.x.", "x.....x....."),
    },
    "classical": {
        "4/4": ("0.2.1.2.0.2.1.2.", "x...x...x...x...", "0.1.2.1.0.1.2.1."),
        "3/4": ("0.1.2.1.2.1.", "....x...x..."),
        "6/8": ("0.1.2.0.1.2.", "0.1.2.1.2.1."),
    },
}

FILLS: Final[dict[str, DrumPattern]] = {
    "4/4": {SNARE: "............xoxo", MID_TOM: "..............x.", LOW_TOM: "...............x"},
    "3/4": {SNARE: "........x.o.", LOW_TOM: "..........x."},
    "6/8": {SNARE: "......x.x...", LOW_TOM: "..........x."},
}
"""Hits added in the last bar of a phrase."""


def sounds_on_every_beat(pattern: str, metre: str) -> bool:
    """Whether a pattern has a note on each beat of its bar."""
    return all(step != "." for step in pattern[:: STEPS_A_BEAT[metre]])


def beat_pattern(metre: str) -> str:
    """A comping pattern of one chord on each beat, for pieces where nothing else marks it."""
    return ("x" + "." * (STEPS_A_BEAT[metre] - 1)) * BEATS_A_BAR[metre]
