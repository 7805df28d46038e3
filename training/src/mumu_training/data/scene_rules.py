"""Written rules from what a scene shows to the music that suits it. First match wins.

| scene                              | mood      |
|------------------------------------|-----------|
| a crowd: at night, in a storm, or  |           |
| seen dancing in a clip             | energetic |
| a dancing crowd otherwise          | happy     |
| storm                              | dark      |
| traffic or driving                 | energetic |
| rain                               | sad       |
| fog at night                       | dark      |
| fog                                | dreamy    |
| snow                               | calm      |
| clear day                          | happy     |
| clear sunset                       | dreamy    |
| clear dawn or night                | calm      |

| tempo word | when                                                               |
|------------|--------------------------------------------------------------------|
| fast       | crowd; storm; traffic, driving                                     |
| moderate   | a clear day without motion; walking; rain coming down as motion    |
| slow       | everything else (night, snow, fog, drifting, still clips)          |

Tempo in beats a minute: slow calm 70, dreamy 66, sad 72, dark 76, other 80; moderate happy 108,
sad 92, other 100; fast energetic 140, happy 126, dark 132, other 128 (TEMPO below).
Mode: minor for sad and dark, major otherwise.

| place     | style (storm; crowd or fast; else)  | main instrument                         |
|-----------|-------------------------------------|-----------------------------------------|
| beach     | rock; pop; pop                      | acoustic guitar; marimba with a crowd   |
| city      | rock; pop, techno at night; jazz    | saxophone                               |
| forest    | classical; folk; folk, snow lullaby | flute; piano in snow                    |
| mountains | march; march; classical             | strings; choir in fog; trumpet in march |
| field     | folk                                | violin; banjo with a crowd              |
| desert    | rock; rock; blues                   | clarinet                                |
| sea       | classical; waltz; waltz             | accordion; cello in fog and storm       |
| room      | classical; jazz, techno at night;   | piano; music box in snow; organ in      |
|           | classical, lullaby at night         | storm                                   |

The music of rock is led by an electric guitar, that of techno by a synth, whatever the place.
"""

from __future__ import annotations

from typing import Any

from mumu_training.data import scene_vocabulary as scene_words
from mumu_training.data.chance import Chance, likely, pick
from mumu_training.data.scene_canvas import Look
from mumu_training.data.vocabulary import INSTRUMENTS

TEMPO: dict[str, dict[str, int]] = {
    "slow": {"calm": 70, "dreamy": 66, "sad": 72, "dark": 76},
    "moderate": {"happy": 108, "sad": 92},
    "fast": {"energetic": 140, "happy": 126, "dark": 132},
}
_OTHERWISE: dict[str, int] = {"slow": 80, "moderate": 100, "fast": 128}
_METRES: dict[str, str] = {"waltz": "3/4", "lullaby": "6/8"}


def mood_for(look: Look) -> str:
    """The mood of a scene's music."""
    if look.people == "crowd":
        wild = look.time == "night" or look.weather == "storm" or look.motion == "dancing"
        return "energetic" if wild else "happy"
    if look.weather == "storm":
        return "dark"
    if look.motion in ("traffic", "driving"):
        return "energetic"
    if look.weather == "rain":
        return "sad"
    if look.weather == "fog":
        return "dark" if look.time == "night" else "dreamy"
    if look.weather == "snow":
        return "calm"
    return {"day": "happy", "sunset": "dreamy"}.get(look.time, "calm")


def tempo_word_for(look: Look, moving: bool) -> str:
    """Slow, moderate or fast; `moving` says that the scene is a clip rather than a picture."""
    if look.people == "crowd" or look.weather == "storm":
        return "fast"
    if moving:
        if look.motion == "falling" and look.weather == "snow":
            return "slow"
        return scene_words.MOTION_PACE[look.motion]
    return "moderate" if (look.weather, look.time) == ("clear", "day") else "slow"


def style_for(look: Look, pace: str) -> str:
    """The style of a scene's music."""
    storm, fast, night = look.weather == "storm", pace == "fast", look.time == "night"
    if look.place == "beach":
        return "rock" if storm else "pop"
    if look.place == "city":
        return "rock" if storm else "jazz" if not fast else "techno" if night else "pop"
    if look.place == "forest":
        return (
            "classical" if storm else "lullaby" if look.weather == "snow" and not fast else "folk"
        )
    if look.place == "mountains":
        return "march" if fast else "classical"
    if look.place == "field":
        return "folk"
    if look.place == "desert":
        return "rock" if fast else "blues"
    if look.place == "sea":
        return "classical" if storm else "waltz"
    if storm:
        return "classical"
    if fast:
        return "techno" if night else "jazz"
    return "lullaby" if night else "classical"


def instrument_for(look: Look, style: str) -> str:
    """The main instrument of a scene's music."""
    if style in ("rock", "techno"):
        return "electric guitar" if style == "rock" else "synth"
    crowd, weather = look.people == "crowd", look.weather
    if look.place == "beach":
        return "marimba" if crowd else "acoustic guitar"
    if look.place == "city":
        return "saxophone"
    if look.place == "forest":
        return "piano" if weather == "snow" else "flute"
    if look.place == "mountains":
        return "trumpet" if style == "march" else "choir" if weather == "fog" else "strings"
    if look.place == "field":
        return "banjo" if crowd else "violin"
    if look.place == "desert":
        return "clarinet"
    if look.place == "sea":
        return "cello" if weather in ("fog", "storm") else "accordion"
    return {"snow": "music box", "storm": "organ"}.get(weather, "piano")


def music_for(look: Look, moving: bool) -> dict[str, Any]:
    """Attributes of the music a scene calls for, under the names music records use."""
    mood = mood_for(look)
    pace = tempo_word_for(look, moving)
    style = style_for(look, pace)
    instrument = instrument_for(look, style)
    return {
        "instrument": instrument,
        "family": INSTRUMENTS[instrument].family,
        "tempo": float(TEMPO[pace].get(mood, _OTHERWISE[pace])),
        "mode": "minor" if mood in ("sad", "dark") else "major",
        "metre": _METRES.get(style, "4/4"),
        "style": style,
        "mood": mood,
    }


def scene_phrase(look: Look, rng: Chance | None = None) -> str:
    """The scene in a few words, "a snowy forest at night"; without rng in its plainest form."""

    def one(options: tuple[str, ...]) -> str:
        return options[0] if rng is None else pick(rng, options)

    place, time = one(scene_words.PLACE_NOUNS[look.place]), one(scene_words.TIME_PHRASES[look.time])
    weather = one(scene_words.WEATHER_WORDS[look.weather])
    if look.weather == "clear" and (rng is None or likely(rng, 0.6)):
        weather = ""
    if look.place == "room":
        outside = f" with {scene_words.WEATHER_NOUNS[look.weather]} outside" if weather else ""
        return f"a room {time}{outside}"
    if weather and rng is not None and likely(rng, 0.25):
        return f"{_article(place)} {time} in {scene_words.WEATHER_NOUNS[look.weather]}"
    return f"{_article(' '.join((weather, place)).strip())} {time}"


def scene_caption(look: Look, rng: Chance, moving: bool = False) -> str:
    """A caption of the picture or clip: place, time, weather, people, motion, sometimes palette."""
    parts = [scene_phrase(look, rng), pick(rng, scene_words.PEOPLE_PHRASES[look.people])]
    if moving and not (look.motion == "walking" and look.people == "one" and likely(rng, 0.3)):
        parts.append(pick(rng, scene_words.MOTION_PHRASES[look.motion]))
    if look.palette != "natural" and likely(rng, 0.3):
        parts.append(pick(rng, scene_words.PALETTE_PHRASES[look.palette]))
    return " ".join(part for part in parts if part)


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
