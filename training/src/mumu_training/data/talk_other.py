"""Turns without a file or a request: greetings, what it can do, and what it cannot."""

from __future__ import annotations

from mumu_training.data.chance import Chance, pick
from mumu_training.data.talk_audio import FIXED_QUESTIONS, QUESTIONS, Turn, question
from mumu_training.data.talk_music import as_typed

CAN_DO = (
    "I can describe a song, answer questions about it, "
    "and make music from words, a picture, a clip or another song."
)
ASK_FOR_SONG = "Please upload a song first, then I can listen to it and answer."
ASK_FOR_PICTURE = "Please upload a picture or a clip first, then I can look at it."
ASK_FOR_CHANGE = "Please upload a song first, then I can change it."

_GREETINGS: dict[str, tuple[str, ...]] = {
    f"Hello! {CAN_DO}": (
        "Hi",
        "Hello",
        "Hey",
        "Good morning",
        "Good evening",
        "Hi there",
        "hello mumu",
        "Hey, how are you?",
        "yo",
    ),
    "You are welcome!": (
        "Thanks",
        "Thank you",
        "Thanks a lot!",
        "Great, thank you",
        "thx",
        "Nice one, thanks",
    ),
    CAN_DO: (
        "What can you do?",
        "Help",
        "Who are you?",
        "What are you?",
        "How do I use this?",
        "What is this?",
        "Which commands are there?",
        "How can you help me?",
    ),
    "Goodbye!": ("Bye", "Goodbye", "See you", "Good night"),
}
_THINGS: dict[str, tuple[str, ...]] = {
    "event": ("the world cup", "the election", "the race", "the chess final", "the war", "the cup"),
    "land": ("France", "Japan", "Brazil", "Kenya", "Canada", "Spain", "India", "Egypt"),
    "person": ("the president", "Napoleon", "my neighbour", "the queen", "Einstein", "the mayor"),
    "dish": ("pancakes", "soup", "bread", "a pizza", "curry", "an omelette"),
    "code": ("a Python program", "some JavaScript", "a web page", "an SQL query", "a script"),
    "topic": ("physics", "taxes", "football", "history", "chemistry", "the stock market", "cars"),
    "animal": ("a dog", "a whale", "a spider", "an elephant", "a cat"),
    "tongue": ("German", "Spanish", "Chinese", "French", "Arabic"),
}
_OUTSIDE = (
    "Who won {event}?",
    "When was {event}?",
    "What is the capital of {land}?",
    "How many people live in {land}?",
    "What is the weather in {land} today?",
    "Who is {person}?",
    "How old is {person}?",
    "Where was {person} born?",
    "How do I cook {dish}?",
    "Give me a recipe for {dish}.",
    "Write {code}.",
    "Debug {code} for me.",
    "Tell me about {topic}.",
    "Explain {topic} to me.",
    "How heavy is {animal}?",
    "What does {animal} eat?",
    "Translate this into {tongue}.",
    "How do you say hello in {tongue}?",
    "What is {n} plus {m}?",
    "What is {n} times {m}?",
    "What time is it in {land}?",
    "Book a flight to {land}.",
    "Tell me a joke about {animal}.",
    "Write a letter to {person}.",
    "What is the meaning of life?",
)
_PICTURE_QUESTIONS = (
    "Describe the picture",
    "What do you see?",
    "What is in the image?",
    "What does this picture show?",
    "Describe the clip",
    "What is the weather in the picture?",
    "Make music for this picture",
    "Make a soundtrack for this video",
)
_CHANGES = (
    "Make it faster",
    "Make it slower",
    "Replace the piano by a violin",
    "Turn it into jazz",
    "Add drums",
    "Make the song happier",
    "Remix this",
    "Play it on a guitar",
)


def small_talk(rng: Chance) -> Turn:
    """A greeting, thanks, a goodbye or a question what it can do."""
    answer = pick(rng, list(_GREETINGS))
    return as_typed(pick(rng, _GREETINGS[answer]), rng), answer


def refusal(rng: Chance) -> Turn:
    """A question about the rest of the world: says plainly that it knows music only."""
    slots = {name: pick(rng, values) for name, values in _THINGS.items()}
    numbers = {"n": str(int(rng.random() * 100)), "m": str(int(rng.random() * 100))}
    asked = pick(rng, _OUTSIDE).format(**slots, **numbers)
    return as_typed(asked, rng), f"I only know about music. {CAN_DO}"


def missing_song(rng: Chance) -> Turn:
    """A question about a song with none given."""
    name = pick(rng, [*QUESTIONS, "fixed", "fixed"])
    asked = pick(rng, FIXED_QUESTIONS) if name == "fixed" else question(name, rng)
    return as_typed(asked, rng), ASK_FOR_SONG


def missing_other(rng: Chance) -> Turn:
    """A question about a picture, or a change of a song, with none given."""
    if rng.random() < 0.5:
        return as_typed(pick(rng, _PICTURE_QUESTIONS), rng), ASK_FOR_PICTURE
    return as_typed(pick(rng, _CHANGES), rng), ASK_FOR_CHANGE
