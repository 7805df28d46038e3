"""The part of the suite "editing" about instruments: one added, one deleted, the main one replaced.

Songs of the evaluation set are played again part by part, so that the true edit is known to the
sample: everything but the one part is the same (`data.edits`). mumu gets the song before and the
wish in words, as any user would send them. It may make the music anew, and a piece made anew is far
from every other sample by sample; so the distance to the true edit stands beside that of the song
that was not edited, and beside that of another song's true edit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from mumu_training.data.composer import Piece, compose
from mumu_training.data.dataset import SOUNDFONT_FOLDER
from mumu_training.data.edits import render_edit
from mumu_training.data.edits_plan import SongEdit, attributes_of, choose_edit, possible_edits
from mumu_training.data.edits_sound import Band
from mumu_training.data.edits_words import plain_instruction
from mumu_training.data.manifest import MusicRecord, Operation
from mumu_training.data.render import Renderer
from mumu_training.evaluation.client import MumuClient, Query, RequestFailed
from mumu_training.evaluation.heldout import HELD_OUT_SOUNDFONT
from mumu_training.evaluation.music_measures import log_spectral_distance
from mumu_training.evaluation.pieces import Jury, make_piece
from mumu_training.evaluation.qa import tempo_right
from mumu_training.evaluation.report import Chart, Outcome, Table, percent
from mumu_training.evaluation.statistics import bootstrap_interval
from mumu_training.judge.features import RATE, Floats

PART_EDITS: Final[tuple[Operation, ...]] = ("add", "delete", "replace")
_FOLDERS: Final[tuple[Path, ...]] = (HELD_OUT_SOUNDFONT.parent, SOUNDFONT_FOLDER)
"""Where a song's soundfont is looked for by its name."""
_SHARES: Final[tuple[str, ...]] = (
    "main_right",
    "main_right_of_exact",
    "main_right_of_unedited",
    "tempo_right",
    "tempo_right_of_exact",
)
_DISTANCES: Final[tuple[str, ...]] = ("distance", "distance_unedited", "distance_of_another")


@dataclass(frozen=True)
class Case:
    """A wish, the song before it and the song as it should become."""

    song: MusicRecord
    edit: SongEdit
    main: str
    """The main instrument that should sound afterwards."""
    before: Floats
    """`[samples]` at 24 kHz, as `true`."""
    true: Floats


def levelled(wave: Floats) -> Floats:
    """The same at a root mean square of 0.1: edits may change the level."""
    return (wave * (0.1 / (float(np.sqrt(np.mean(wave**2))) + 1e-9))).astype(np.float32)


def distance(made: Floats, true: Floats) -> float:
    """Log-spectral distance in dB of two songs at one level."""
    return log_spectral_distance(levelled(made), levelled(true))


def wish_for(piece: Piece, operation: Operation) -> SongEdit | None:
    """The change of a kind that is asked for, None where the piece allows none.

    Of the replacements only those of the main instrument, as the judge can hear no other.
    """
    rng = np.random.default_rng([piece.plan.seed, 25])
    if operation != "replace":
        return choose_edit(piece, rng, [operation])
    edits = [edit for edit in possible_edits(piece, operation) if edit.part == "melody"]
    return edits[int(rng.integers(len(edits)))] if edits else None


def soundfont_of(song: MusicRecord) -> Path | None:
    """File of the soundfont that played a song; None where it is not installed."""
    paths = (folder / song.soundfont for folder in _FOLDERS)
    return next((path for path in paths if path.is_file()), None)


def cases(songs: Sequence[MusicRecord]) -> Iterator[Case]:
    """Play every song part by part, before and after each change that it allows."""
    renderers: dict[Path, Renderer] = {}
    try:
        for song in songs:
            font = soundfont_of(song)
            if font is None:
                continue
            if font not in renderers:
                renderers[font] = Renderer(font)
            piece = compose(song.seed, fixed={"seconds": song.seconds})
            band = Band(piece, renderers[font])
            for operation in PART_EDITS:
                edit = wish_for(piece, operation)
                if edit is not None:
                    pair = [(wave / 32768).astype(np.float32) for wave in render_edit(band, edit)]
                    main = attributes_of(piece, edit)[1].instrument
                    yield Case(song, edit, main, pair[0], pair[1])
    finally:
        for renderer in renderers.values():
            renderer.close()


def measure_part(case: Case, made: Floats, answer: str, jury: Jury) -> dict[str, Any]:
    """What an edit did, beside what it should do."""
    heard, right = jury.judge.listen(made), jury.judge.listen(case.true)
    tempo = case.song.attributes.tempo
    return {
        "song": case.song.id,
        "edit": case.edit.operation,
        **case.edit.parameters(),
        "instruction": plain_instruction(case.edit),
        "answer": answer,
        "main": heard.instrument,
        "main_right": heard.instrument == case.main,
        "main_right_of_exact": right.instrument == case.main,
        "main_right_of_unedited": jury.judge.listen(case.before).instrument == case.main,
        "tempo": heard.tempo,
        "tempo_right": tempo_right(heard.tempo, tempo),
        "tempo_right_of_exact": tempo_right(right.tempo, tempo),
        "distance": distance(made, case.true),
        "distance_unedited": distance(case.before, case.true),
    }


def add_parts(
    outcome: Outcome,
    client: MumuClient,
    jury: Jury,
    songs: Sequence[MusicRecord],
    report: Callable[[str], None] = lambda line: None,
) -> None:
    """Ask for an instrument more, one less and another one in every song; extend the outcome.

    Songs whose soundfont is not installed cannot be played part by part: a note counts them, and
    the wishes that were refused.
    """
    asked: list[tuple[Case, Floats, dict[str, Any]]] = []
    refused: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        for case in cases(songs):
            path = Path(name) / f"{case.song.id}-{case.edit.operation}.flac"
            soundfile.write(path, case.before, RATE, subtype="PCM_16")
            wish = plain_instruction(case.edit)
            query = Query("remix", wish, [path], {"seed": 1, "format": "wav"})
            try:
                piece = make_piece(client, query)
            except RequestFailed as error:
                # A pack refuses what it was never trained to do: an answer, though nothing to measure.
                if error.code != "cannot_do":
                    raise
                refused.setdefault(case.edit.operation, []).append(str(error))
                continue
            row = measure_part(case, piece.audio, piece.answer.text, jury)
            asked.append((case, piece.audio, row))
            report(f"{len(asked)} instruments changed, {case.song.id}: {wish}")
    for kind in PART_EDITS:
        alike = [one for one in asked if one[0].edit.operation == kind]
        for (_, made, row), (other, _, _) in zip(alike, alike[1:] + alike[:1], strict=True):
            row["distance_of_another"] = distance(made, other.true) if len(alike) > 1 else None
    missing = sum(soundfont_of(song) is None for song in songs)
    if missing:
        outcome.notes.append(
            f"Add, delete and replace are not measured on {missing} of {len(songs)} songs: "
            "their soundfont is not installed."
        )
    outcome.notes += [
        f"Refused {len(said)} times: {kind} an instrument, the first as follows. {said[0]}"
        for kind, said in refused.items()
    ]
    rows = [row for _, _, row in asked]
    outcome.rows += rows
    outcome.results["parts"] = _results(rows)
    outcome.results["refused"] = {kind: len(said) for kind, said in refused.items()}
    if rows:
        _present(outcome)


def _results(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Shares right and mean distances by change."""
    results: dict[str, dict[str, Any]] = {}
    for kind in PART_EDITS:
        own = [row for row in rows if row["edit"] == kind]
        if not own:
            continue
        results[kind] = {"pieces": len(own)}
        for name in (*_SHARES, *_DISTANCES):
            known = [row[name] for row in own if row[name] is not None]
            results[kind][name] = float(np.mean(known)) if known else None
        results[kind]["distance_interval"] = bootstrap_interval([row["distance"] for row in own])
    return results


def _present(outcome: Outcome) -> None:
    """Add the table and the chart of the results."""
    results = outcome.results["parts"]
    lines = []
    for kind, entry in results.items():
        low, high = entry["distance_interval"]
        another = entry["distance_of_another"]
        main = (percent(entry[name]) for name in _SHARES[:3])
        tempo = (percent(entry[name]) for name in _SHARES[3:])
        lines.append(
            [
                f"{kind} the main instrument" if kind == "replace" else f"{kind} an instrument",
                str(entry["pieces"]),
                " / ".join(main),
                " / ".join(tempo),
                f"{entry['distance']:.1f} ({low:.1f} to {high:.1f})",
                f"{entry['distance_unedited']:.1f}",
                "-" if another is None else f"{another:.1f}",
            ]
        )
    columns = [
        "edit",
        "pieces",
        "main instrument wished for, by the judge: edited / exact / unedited",
        "tempo by the judge: edited / exact",
        "distance to the exact edit, dB (95 %)",
        "unedited to exact, dB",
        "to another song's exact edit, dB",
    ]
    outcome.tables.append(Table(columns, lines, "Instruments added, deleted and replaced"))
    outcome.charts.append(
        Chart(
            "Instruments: log-spectral distance to the exact edit",
            list(results),
            {
                "edited by mumu": [entry["distance"] for entry in results.values()],
                "not edited": [entry["distance_unedited"] for entry in results.values()],
                "edited, to another song's": [
                    entry["distance_of_another"] or float("nan") for entry in results.values()
                ],
            },
            {"edited by mumu": [entry["distance_interval"] for entry in results.values()]},
            "dB",
        )
    )
