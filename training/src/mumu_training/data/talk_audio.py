"""Questions and answers about a song.

Each fact has one sentence, wherever it is said, so that it is easily learned and parsed:
"The main instrument is a violin.", "The tempo is about 128 bpm, which is fast.",
"The key is C major.", "The metre is 3/4.", "The style is folk.", "The mood is calm.".
"""

from __future__ import annotations

from collections.abc import Callable

from mumu_training.data import vocabulary as words
from mumu_training.data.chance import Chance, likely, pick, shuffled
from mumu_training.data.manifest import MusicAttributes
from mumu_training.data.music_words import article, listing

Turn = tuple[str, str]
"""Instruction and answer."""

FIXED_QUESTIONS: tuple[str, ...] = (
    "Describe the audio",
    "Describe the audio in detail",
    "What do you hear in the audio",
    "What can be inferred from the audio",
)
_USES: dict[str, str] = {
    "happy": "a birthday or a sunny day",
    "sad": "a rainy day or a farewell",
    "calm": "studying or resting",
    "energetic": "a party or a workout",
    "dark": "a film scene full of danger",
    "dreamy": "falling asleep or a slow film scene",
}
_PIECES = ("song", "track", "music", "piece", "audio", "clip", "recording")


def instrument_fact(a: MusicAttributes) -> str:
    """The sentence about the main instrument."""
    return f"The main instrument is {article(a.instrument)}."


def tempo_fact(a: MusicAttributes) -> str:
    """The sentence about the tempo, in whole beats a minute."""
    return f"The tempo is about {round(a.tempo)} bpm, which is {words.tempo_word(a.tempo)}."


def _others(a: MusicAttributes) -> list[str]:
    return [name for name in a.instruments if name != a.instrument]


def _others_fact(a: MusicAttributes) -> str:
    others = [article(name) for name in _others(a)]
    return f"The other instruments are {listing(others)}." if others else "It plays alone."


FACTS: dict[str, Callable[[MusicAttributes], str]] = {
    "instrument": instrument_fact,
    "tempo": tempo_fact,
    "others": _others_fact,
    "family": lambda a: f"The instrument family is {a.family}.",
    "key": lambda a: f"The key is {a.key} {a.mode}.",
    "mode": lambda a: f"The mode is {a.mode}.",
    "metre": lambda a: f"The metre is {a.metre}.",
    "style": lambda a: f"The style is {a.style}.",
    "mood": lambda a: f"The mood is {a.mood}.",
    "density": lambda a: f"The texture is {a.density}.",
    "energy": lambda a: f"The energy is {a.energy}.",
}
QUESTIONS: dict[str, tuple[str, ...]] = {
    "instrument": (
        "What is the main instrument?",
        "Which instrument plays the melody?",
        "What instrument is this?",
        "Which instrument leads the {it}?",
        "What instrument carries the tune in this {it}?",
        "What plays the lead?",
        "Name the main instrument.",
        "What's the lead instrument?",
        "Which instrument is playing?",
        "What is the instrument?",
        "Which instrument is it?",
        "What instrument do you hear the most?",
    ),
    "tempo": (
        "What is the tempo?",
        "How many beats per minute is this {it}?",
        "What's the bpm?",
        "What is the tempo in bpm?",
        "How fast is this {it}?",
        "Is this {it} slow or fast?",
        "What is the speed of the {it}?",
        "Estimate the tempo.",
        "bpm?",
        "What tempo is it?",
        "Is it fast or slow?",
        "Tempo?",
        "How many bpm?",
    ),
    "others": (
        "Which other instruments are there?",
        "What other instruments can you hear?",
        "What accompanies the melody?",
        "Which instruments play in the background?",
    ),
    "family": (
        "Which instrument family plays the melody?",
        "What family does the main instrument belong to?",
        "What kind of instrument leads?",
    ),
    "key": (
        "What key is this {it} in?",
        "What is the key?",
        "Which key is it in?",
        "Tell me the key of this {it}.",
    ),
    "mode": (
        "Is it in major or minor?",
        "Is this {it} major or minor?",
        "Is the key major or minor?",
        "Which mode is it, major or minor?",
        "What is the mode?",
        "Major or minor?",
        "Which mode is this {it} in?",
        "Does it sound major or minor?",
        "Is this in a major or a minor key?",
    ),
    "metre": (
        "What is the time signature?",
        "What is the metre?",
        "What meter is this {it} in?",
        "How many beats are in a bar?",
        "Is it in 3/4 or 4/4?",
        "Which metre is it?",
        "What is the meter?",
        "Is this {it} in 4/4, 3/4 or 6/8?",
        "Time signature?",
        "How is the {it} counted?",
    ),
    "style": (
        "What style is this {it}?",
        "What genre is this?",
        "What is the genre of the {it}?",
        "What kind of music is this?",
        "What type of music is it?",
        "Which genre does this {it} belong to?",
        "What is the style?",
        "What style is it?",
        "Which style is this?",
        "What is the genre?",
        "Which style is the {it} in?",
        "Genre?",
        "What style of music is this?",
    ),
    "mood": (
        "What is the mood of this {it}?",
        "How does this {it} feel?",
        "What mood does it have?",
        "Which emotion does the {it} convey?",
        "What is the atmosphere?",
        "What feeling does it give?",
        "What is the mood?",
        "What's the mood?",
        "Which mood is this?",
        "What is the mood like?",
        "Is it happy or sad?",
        "Describe the mood.",
        "What is the feeling of the {it}?",
        "Mood?",
    ),
    "density": (
        "Is the texture sparse or dense?",
        "How dense is the music?",
        "Are there many notes or few?",
        "How busy is the arrangement?",
    ),
    "energy": (
        "How energetic is this {it}?",
        "What is the energy level?",
        "How much energy does it have?",
        "How intense is the music?",
    ),
}
_NAMES: dict[str, tuple[str, ...]] = {
    "instrument": ("main instrument", "lead instrument"),
    "tempo": ("tempo", "bpm", "speed"),
    "key": ("key",),
    "metre": ("metre", "time signature"),
    "style": ("style", "genre"),
    "mode": ("mode",),
    "mood": ("mood", "feeling"),
    "energy": ("energy",),
}


def _summary(a: MusicAttributes) -> str:
    adjectives = f"{words.tempo_word(a.tempo)} {a.mood} {words.STYLE_NOUNS[a.style][0]}"
    return f"This is {article(adjectives)}."


def describe(a: MusicAttributes) -> str:
    """Two or three sentences: what it is, its main instrument, its tempo."""
    return f"{_summary(a)} {instrument_fact(a)} {tempo_fact(a)}"


def describe_in_detail(a: MusicAttributes) -> str:
    """Everything the record knows that can be heard."""
    names = ("others", "key", "metre", "density")
    return " ".join([describe(a), *(FACTS[name](a) for name in names)])


def fixed_turn(a: MusicAttributes, which: int) -> Turn:
    """One of MusicQA's four fixed questions (0..3) with its answer."""
    answers = (
        describe(a),
        describe_in_detail(a),
        f"I hear {listing([article(n) for n in a.instruments])}. {instrument_fact(a)} "
        f"{tempo_fact(a)}",
        f"The style is {a.style} and the mood is {a.mood}. The energy is {a.energy}. "
        f"It would suit {_USES[a.mood]}.",
    )
    return FIXED_QUESTIONS[which], answers[which]


def question(name: str, rng: Chance) -> str:
    """A wording of the question about one fact of FACTS."""
    return pick(rng, QUESTIONS[name]).replace("{it}", pick(rng, _PIECES))


def open_turn(a: MusicAttributes, name: str, rng: Chance) -> Turn:
    """A question about one fact of FACTS."""
    return question(name, rng), FACTS[name](a)


def pair_turn(a: MusicAttributes, rng: Chance) -> Turn:
    """Two facts asked for at once."""
    first, second = shuffled(rng, list(_NAMES))[:2]
    one, two = pick(rng, _NAMES[first]), pick(rng, _NAMES[second])
    form = pick(
        rng,
        (
            "What are the {one} and the {two}?",
            "Tell me the {one} and the {two} of this {it}.",
            "What is the {one}, and what is the {two}?",
            "{one} and {two}?",
        ),
    )
    asked = form.format(one=one, two=two, it=pick(rng, _PIECES))
    return asked[0].upper() + asked[1:], f"{FACTS[first](a)} {FACTS[second](a)}"


def tempo_comparison(a: MusicAttributes, rng: Chance) -> Turn:
    """Is it faster or slower than some round tempo, at least an eighth away from the true one?"""
    choices = [n for n in range(60, 181, 10) if abs(n / a.tempo - 1) > 0.125]
    bound, faster = pick(rng, choices), likely(rng, 0.5)
    yes = (a.tempo > bound) == faster
    asked = pick(
        rng,
        (
            f"Is it {'faster' if faster else 'slower'} than {bound} bpm?",
            f"Is the tempo {'above' if faster else 'below'} {bound} bpm?",
            f"Is the {pick(rng, _PIECES)} {'faster' if faster else 'slower'} than {bound}?",
        ),
    )
    return asked, f"{'Yes' if yes else 'No'}, the tempo is about {round(a.tempo)} bpm."


def presence_turn(a: MusicAttributes, rng: Chance) -> Turn:
    """Is there a certain instrument? True half of the time; drums are asked about often."""
    absent = [n for n in (*words.INSTRUMENTS, words.DRUMS) if n not in a.instruments]
    name = pick(rng, a.instruments) if likely(rng, 0.5) else pick(rng, absent)
    if likely(rng, 0.2):
        name = words.DRUMS
    be = "Are" if name in ("drums", "strings") else "Is"
    asked = pick(
        rng,
        (
            f"{be} there {article(name)}?",
            f"Can you hear {article(name)}?",
            f"Does it have {article(name)}?",
            f"{be} there {article(name)} in this {pick(rng, _PIECES)}?",
        ),
    )
    if name in a.instruments:
        return asked, f"Yes, there {be.lower()} {article(name)}."
    return asked, f"No, there {be.lower()} no {name}. {instrument_fact(a)}"


def choice_turn(a: MusicAttributes, rng: Chance) -> Turn:
    """One of two: the true value and another; or whether a value is the true one."""
    lists: dict[str, tuple[str, ...]] = {
        "instrument": tuple(words.INSTRUMENTS),
        "style": words.STYLES,
        "mood": words.MOODS,
        "metre": words.METRES,
    }
    name = pick(rng, list(lists))
    true = str(getattr(a, name))
    other = pick(rng, [value for value in lists[name] if value != true])
    say = article if name == "instrument" else str
    if likely(rng, 0.5):
        one, two = shuffled(rng, [true, other])
        return f"Is it {say(one)} or {say(two)}?", FACTS[name](a)
    asked = true if likely(rng, 0.5) else other
    subject = "Is the main instrument" if name == "instrument" else f"Is the {name}"
    fact = FACTS[name](a)
    return (
        f"{subject} {say(asked)}?",
        f"{'Yes' if asked == true else 'No'}, {fact[0].lower()}{fact[1:]}",
    )
