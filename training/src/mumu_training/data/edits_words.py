"""Changes of a song in words, and captions that name everything that sounds."""

from __future__ import annotations

from typing import Final

from mumu_training.data.chance import Chance, pick, shuffled
from mumu_training.data.edits_plan import SongEdit
from mumu_training.data.manifest import MusicAttributes
from mumu_training.data.music_words import article, plain_caption
from mumu_training.data.talk_music import as_typed

_IT: Final = ("it", "this", "the song", "this song", "the track", "the music")
_TIMES: Final[dict[float, tuple[str, ...]]] = {
    0.5: ("Make {it} half as long", "Play {it} twice as fast", "Halve the duration of {it}"),
    0.7: ("Make {it} 30 % shorter", "Shorten {it} by 30 %"),
    1.3: ("Make {it} 30 % longer", "Lengthen {it} by 30 %"),
    1.5: ("Make {it} one and a half times as long", "Lengthen {it} by 50 %"),
}
_INTERVALS: Final[dict[float, tuple[str, ...]]] = {
    100.0: ("a semitone", "one semitone", "a half step", "100 cents"),
    200.0: ("a whole tone", "two semitones", "a whole step", "200 cents"),
}


def full_words(attributes: MusicAttributes) -> str:
    """The plain caption of everything that is known, all instruments included."""
    others = [name for name in attributes.instruments if name != attributes.instrument]
    return plain_caption(
        {
            "tempo": attributes.tempo,
            "mood": attributes.mood,
            "style": attributes.style,
            "key": attributes.key,
            "mode": attributes.mode,
            "metre": attributes.metre,
            "instrument": attributes.instrument,
            "extra": others,
        }
    )


def plain_instruction(edit: SongEdit) -> str:
    """The plainest wording of a change, always the same."""
    return _wordings(edit)[0]


def instructions(edit: SongEdit, rng: Chance, count: int) -> list[str]:
    """Several different wordings of a change, as people type them; all that there are, at most."""
    said: list[str] = []
    for wording in shuffled(rng, _wordings(edit)):
        text = as_typed(wording.replace("{it}", pick(rng, _IT)), rng)
        if text not in said:
            said.append(text)
    return said[:count]


def _wordings(edit: SongEdit) -> list[str]:
    """Every wording of a change, the plainest first; `{it}` stands for the song."""
    return {
        "duration": _duration,
        "pitch": _pitch,
        "add": _add,
        "delete": _delete,
        "replace": _replace,
    }[edit.operation](edit)


def _duration(edit: SongEdit) -> list[str]:
    factor, share = f"{edit.factor:g}", f"{100 * edit.factor:.0f} %"
    verb = "Stretch" if edit.factor > 1 else "Squeeze"
    return [
        f"Change the duration by x{factor}",
        f"Duration x {factor}",
        f"Change the duration of {{it}} to {share}",
        f"Make {{it}} {factor} times as long",
        f"Make {{it}} {factor} times as long without changing the pitch",
        f"{verb} {{it}} to {share} of its length, same pitch",
        *_TIMES[edit.factor],
    ]


def _pitch(edit: SongEdit) -> list[str]:
    way, verb = ("up", "Raise") if edit.cents > 0 else ("down", "Lower")
    more = "higher" if edit.cents > 0 else "lower"
    texts = [f"Shift the pitch {way} by {abs(edit.cents):.0f} cents"]
    for interval in _INTERVALS[abs(edit.cents)]:
        texts += [
            f"{verb} the pitch of {{it}} by {interval}",
            f"Transpose {{it}} {way} by {interval}",
            f"Play {{it}} {interval} {more}",
            f"Pitch {way} by {interval}, same tempo",
        ]
    return texts


def _add(edit: SongEdit) -> list[str]:
    what = article(edit.instrument)
    return [
        f"Add {what}",
        f"Add {what} to {{it}}",
        f"Put {what} on top of {{it}}",
        f"Can you add {what}?",
        f"Let {what} play along",
        f"I'd like {what} in {{it}} too",
    ]


def _delete(edit: SongEdit) -> list[str]:
    return [
        f"Delete the {edit.instrument}",
        f"Remove the {edit.instrument}",
        f"Remove the {edit.instrument} from {{it}}",
        f"Take out the {edit.instrument}",
        f"Mute the {edit.instrument}",
        f"Play {{it}} without the {edit.instrument}",
    ]


def _replace(edit: SongEdit) -> list[str]:
    old, new = edit.instrument, article(edit.new)
    texts = [
        f"Replace the {old} by {new}",
        f"Replace the {old} with {new}",
        f"Use {new} instead of the {old}",
        f"Swap the {old} for {new}",
        f"Let {new} play what the {old} plays",
        f"Change the {old} to {new}",
    ]
    if edit.part == "melody":
        texts.append(f"Let {new} play the melody of {{it}}")
    return texts
