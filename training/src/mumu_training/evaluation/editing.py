"""Suite "editing": changes as MUEdit has them, asked for in words and compared with exact edits.

Duration times 0.5, 0.7, 1.3 and 1.5 (a longer piece is a slower one) and pitch by 100 and 200 cents
up and down. The exact edit is made by ffmpeg: `atempo` (WSOLA) for duration, and resampling with
`atempo` for pitch. As no two ways of stretching agree sample by sample, the log-spectral distance
to it stands beside the one between the exact edit and the song that was not edited. Instruments
added, deleted and replaced are `editing_parts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mumu_training.data.edits_sound import stretched
from mumu_training.data.manifest import MusicRecord
from mumu_training.evaluation.client import MumuClient, Query
from mumu_training.evaluation.editing_parts import add_parts, distance
from mumu_training.evaluation.music_measures import pitch_shift
from mumu_training.evaluation.pieces import Jury, make_piece
from mumu_training.evaluation.qa import tempo_right
from mumu_training.evaluation.report import Chart, Outcome, Table, percent
from mumu_training.evaluation.statistics import bootstrap_interval
from mumu_training.judge.features import RATE, Floats, read_audio

CENTS_RIGHT = 40.0
"""A pitch within this of what was asked counts as right."""


@dataclass(frozen=True)
class Edit:
    """One change."""

    name: str
    instruction: str
    duration: float = 1.0
    cents: float = 0.0


EDITS: tuple[Edit, ...] = (
    *(
        Edit(f"duration x {factor:g}", f"Change the duration by x{factor:g}", duration=factor)
        for factor in (0.5, 0.7, 1.3, 1.5)
    ),
    *(
        Edit(
            f"pitch {cents:+d} cents",
            f"Shift the pitch {'up' if cents > 0 else 'down'} by {abs(cents)} cents",
            cents=float(cents),
        )
        for cents in (-200, -100, 100, 200)
    ),
)


def exact(path: Path, edit: Edit) -> Floats:
    """A song with an edit made by ffmpeg, `[samples]` at 24 kHz.

    Raises:
        FileNotFoundError: ffmpeg is not installed.
        RuntimeError: ffmpeg failed.
    """
    return stretched(read_audio(path), edit.duration, edit.cents)


def measure(edit: Edit, song: MusicRecord, made: Floats, path: Path, jury: Jury) -> dict[str, Any]:
    """What an edit did, beside what it should do."""
    true, before = exact(path, edit), read_audio(path)
    wanted = song.attributes.tempo / edit.duration
    heard, right = jury.judge.listen(made), jury.judge.listen(true)
    cents = pitch_shift(made, true, RATE)
    # Compared at one duration: a stretched song is read against an exactly stretched one.
    return {
        "song": song.id,
        "edit": edit.name,
        "duration_ratio": len(made) / len(before),
        "duration_right": abs(len(made) / len(before) / edit.duration - 1) <= 0.02,
        "cents": cents,
        "pitch_right": abs(cents) <= CENTS_RIGHT,
        "tempo": heard.tempo,
        "tempo_right": tempo_right(heard.tempo, wanted),
        "tempo_right_of_exact": tempo_right(right.tempo, wanted),
        "distance": distance(made, true),
        "distance_unedited": distance(before, true),
    }


def evaluate_editing(
    client: MumuClient,
    jury: Jury,
    songs: Sequence[MusicRecord],
    folder: Path,
    report: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Ask for every edit of every song, and for an instrument more, one less and another one."""
    rows: list[dict[str, Any]] = []
    for number, song in enumerate(songs, start=1):
        path = folder / song.path
        for edit in EDITS:
            query = Query("remix", edit.instruction, [path], {"seed": 1, "format": "wav"})
            rows.append(measure(edit, song, make_piece(client, query).audio, path, jury))
        report(f"{number}/{len(songs)} songs edited")
    results: dict[str, Any] = {}
    lines = []
    for edit in EDITS:
        own = [row for row in rows if row["edit"] == edit.name]
        shares = {
            name: float(np.mean([row[name] for row in own]))
            for name in ("duration_right", "pitch_right", "tempo_right", "tempo_right_of_exact")
        }
        edited = float(np.mean([row["distance"] for row in own]))
        unedited = float(np.mean([row["distance_unedited"] for row in own]))
        ends = bootstrap_interval([row["distance"] for row in own])
        results[edit.name] = {
            **shares,
            "distance": edited,
            "distance_interval": ends,
            "distance_unedited": unedited,
        }
        lines.append(
            [
                edit.name,
                percent(shares["duration_right"]),
                percent(shares["pitch_right"]),
                f"{percent(shares['tempo_right'])} / {percent(shares['tempo_right_of_exact'])}",
                f"{edited:.1f} ({ends[0]:.1f} to {ends[1]:.1f})",
                f"{unedited:.1f}",
            ]
        )
    outcome = Outcome(
        "editing",
        f"{len(songs)} songs, {len(EDITS)} edits each, asked for in words.",
        {"edits": results, "judge": jury.judge.measures},
        rows=rows,
    )
    outcome.tables.append(
        Table(
            [
                "edit",
                "duration within 2 %",
                f"pitch within {CENTS_RIGHT:g} cents",
                "tempo by the judge: edited / exact",
                "distance to the exact edit, dB (95 %)",
                "unedited to exact, dB",
            ],
            lines,
        )
    )
    outcome.charts.append(
        Chart(
            "Log-spectral distance to the exact edit",
            [edit.name.replace(" ", "\n", 1) for edit in EDITS],
            {
                "edited by mumu": [results[edit.name]["distance"] for edit in EDITS],
                "not edited": [results[edit.name]["distance_unedited"] for edit in EDITS],
            },
            {"edited by mumu": [results[edit.name]["distance_interval"] for edit in EDITS]},
            "dB",
        )
    )
    add_parts(outcome, client, jury, songs, report)
    return outcome
