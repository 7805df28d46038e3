"""Questions and answers about a picture or a clip, and music for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mumu_training.data import scene_vocabulary as scene_words
from mumu_training.data.chance import Chance, pick
from mumu_training.data.music_captions import full_caption
from mumu_training.data.music_words import article, music_answer
from mumu_training.data.scene_canvas import Look
from mumu_training.data.scene_rules import scene_phrase

Turn = tuple[str, str]

_PICTURES = ("picture", "image", "photo", "drawing")
_CLIPS = ("clip", "video", "animation")
_PEOPLE_FACTS: dict[str, str] = {
    "none": "There is nobody.",
    "one": "There is one person.",
    "crowd": "There is a dancing crowd.",
}
_MOTION_FACTS: dict[str, str] = {
    "still": "Nothing moves.",
    "drift": "The view drifts slowly.",
    "walking": "Somebody walks by.",
    "falling": "Rain or snow comes down.",
    "dancing": "People are dancing.",
    "traffic": "Cars rush past.",
    "driving": "Everything rushes past at high speed.",
}
_QUESTIONS: dict[str, tuple[str, ...]] = {
    "time": (
        "What time of day is it?",
        "Is it day or night?",
        "When was this {it} made, by day or at night?",
        "What time is it in the {it}?",
    ),
    "weather": (
        "What is the weather like?",
        "How is the weather in this {it}?",
        "Is it raining?",
        "What's the weather?",
    ),
    "place": (
        "Where is this?",
        "What place is it?",
        "What place does the {it} show?",
        "Where was this {it} taken?",
    ),
    "people": (
        "Are there people?",
        "How many people are there?",
        "Is anybody in the {it}?",
        "Who is in this {it}?",
    ),
    "mood": (
        "What is the mood of this {it}?",
        "How does this {it} feel?",
        "What is the mood?",
        "What's the mood?",
        "What mood does it have?",
        "What atmosphere does the {it} have?",
    ),
    "motion": (
        "What moves?",
        "What is happening in the {it}?",
        "How fast is the motion?",
        "What is moving in this {it}?",
    ),
}
_DESCRIBE = (
    "Describe the {it}",
    "Describe this {it}.",
    "What do you see?",
    "What is in the {it}?",
    "What does this {it} show?",
    "What can you see in this {it}?",
    "Describe the {it} in a sentence.",
)
_SUITS = (
    "What music would fit this {it}?",
    "Which music suits the {it}?",
    "What kind of music goes with this {it}?",
    "Describe music that would suit this {it}.",
)
_MAKE = (
    "Make music for this {it}",
    "Generate music for this {it}.",
    "Compose a soundtrack for this {it}.",
    "Create background music for the {it}",
    "music for this {it}",
    "Music for this {it}, please",
    "Write a piece of music that fits this {it}.",
    "Play something that fits the {it}",
    "Make a song for it",
    "soundtrack",
    "Give this {it} some music",
    "What does this {it} sound like? Play it.",
    "Turn this {it} into music",
)


def look_of(attributes: Mapping[str, Any]) -> Look:
    """The Look of an image or video record's attributes."""
    return Look(
        time=str(attributes["time"]),
        weather=str(attributes["weather"]),
        place=str(attributes["place"]),
        people=str(attributes["people"]),
        palette=str(attributes["palette"]),
        motion=str(attributes.get("motion", "still")),
    )


def _thing(moving: bool, rng: Chance) -> str:
    return pick(rng, _CLIPS if moving else _PICTURES)


def _worded(forms: tuple[str, ...], moving: bool, rng: Chance) -> str:
    return pick(rng, forms).replace("{it}", _thing(moving, rng))


def describe_turn(look: Look, music: Mapping[str, Any], moving: bool, rng: Chance) -> Turn:
    """What is to be seen: place, time, weather, people and, in a clip, motion."""
    shown = "clip" if moving else "picture"
    facts = [f"The {shown} shows {scene_phrase(look)}.", _PEOPLE_FACTS[look.people]]
    if moving:
        facts.append(_MOTION_FACTS[look.motion])
    facts.append(f"The mood is {music['mood']}.")
    return _worded(_DESCRIBE, moving, rng), " ".join(facts)


def fact_turn(look: Look, music: Mapping[str, Any], moving: bool, name: str, rng: Chance) -> Turn:
    """One of time, weather, place, people, mood and (clips only) motion."""
    answers = {
        "time": f"The time is {look.time}.",
        "weather": f"The weather is {scene_words.WEATHER_WORDS[look.weather][0]}.",
        "place": f"The place is {_place(look.place)}.",
        "people": _PEOPLE_FACTS[look.people],
        "mood": f"The mood is {music['mood']}.",
        "motion": _MOTION_FACTS[look.motion],
    }
    return _worded(_QUESTIONS[name], moving, rng), answers[name]


def suits_turn(look: Look, music: Mapping[str, Any], moving: bool, rng: Chance) -> Turn:
    """Which music would suit it, in words only."""
    caption = full_caption(music)
    return _worded(_SUITS, moving, rng), f"{caption[0].upper()}{caption[1:]} would suit it."


def make_turn(look: Look, caption: str, moving: bool, rng: Chance) -> Turn:
    """Music for it: the answer has the music's caption and the scene in plain words."""
    return _worded(_MAKE, moving, rng), music_answer(caption, scene_phrase(look))


def _place(place: str) -> str:
    if place == "mountains":
        return "the mountains"
    return "the sea" if place == "sea" else article(place)
