"""Suite "codec": what a song loses on its way through a pack's codec, and what that costs the judge.

Needs no mumu: the codec of a checkpoint folder is run by transformers, which the packs' graphs are
held equal to. Generated music can be no better than this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from transformers import EncodecModel

from mumu_training.checkpoint import read_checkpoint
from mumu_training.data.manifest import MusicRecord
from mumu_training.evaluation.marks import compare_marks, marks, marks_table, spectral_table
from mumu_training.evaluation.pieces import Heard, Jury
from mumu_training.evaluation.report import Chart, Outcome, Table
from mumu_training.evaluation.statistics import bootstrap_interval
from mumu_training.generation.codec import TRAINING_BUFFERS, codec_config, decode_codes, encode_song
from mumu_training.generation.measures import log_spectral_distance, onset_f1, si_sdr
from mumu_training.generation.songs import load_song
from mumu_training.judge.features import RATE

PREFIX = "generation_model.audio_encoder."


def checkpoint_codec(folder: Path) -> EncodecModel:
    """The codec of a checkpoint folder, in single precision.

    Raises CheckpointError when there is none.
    """
    checkpoint = read_checkpoint(folder)
    codec = EncodecModel(codec_config(checkpoint.metadata["components"]["codec"]))
    missing, unexpected = codec.load_state_dict(checkpoint.part(PREFIX), strict=False)
    lost = [name for name in missing if not name.endswith(TRAINING_BUFFERS)]
    if lost or unexpected:
        raise ValueError(f"the codec in {folder} is of another shape: {[*lost, *unexpected][:3]}")
    return codec.eval()


def evaluate_codec(
    codec: EncodecModel,
    jury: Jury,
    songs: Sequence[MusicRecord],
    folder: Path,
    report: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Send songs of `folder` through the codec; measure what comes back and let the judge hear both."""
    rate = int(codec.config.sampling_rate)
    measures: dict[str, list[float]] = {"lsd_db": [], "si_sdr_db": [], "onset_f1": []}
    made: list[Heard] = []
    true: list[Heard] = []
    for number, song in enumerate(songs, start=1):
        before = load_song(folder / song.path, rate)
        after = decode_codes(codec, encode_song(codec, before))[: len(before)]
        measures["lsd_db"].append(log_spectral_distance(after, before))
        measures["si_sdr_db"].append(si_sdr(after, before))
        measures["onset_f1"].append(onset_f1(after, before, rate))
        made.append(jury.hear(np.asarray(soxr.resample(after, rate, RATE), dtype=np.float32)))
        true.append(jury.hear(load_song(folder / song.path, RATE)))
        if number % 10 == 0:
            report(f"{number}/{len(songs)} songs through the codec")
    wishes = [asdict(song.attributes) for song in songs]
    marked = compare_marks(marks(made, wishes), marks(true, wishes))
    looks, spectra = spectral_table(made, true)
    found: dict[str, dict[str, Any]] = {
        name: {"mean": float(np.mean(values)), "interval": bootstrap_interval(values)}
        for name, values in measures.items()
    }
    outcome = Outcome(
        "codec",
        f"{len(songs)} songs through the codec and back, {codec.config.num_quantizers} codebooks at "
        f"{codec.config.frame_rate} Hz.",
        {"measures": found, "marks": marked, "spectral": spectra, "judge": jury.judge.measures},
    )
    units = {
        "lsd_db": "log-spectral distance, dB",
        "si_sdr_db": "SI-SDR, dB",
        "onset_f1": "onset F1",
    }
    outcome.tables += [
        Table(
            ["measure", "mean (95 %)"],
            [
                [units[name], f"{e['mean']:.2f} ({e['interval'][0]:.2f} to {e['interval'][1]:.2f})"]
                for name, e in found.items()
            ],
        ),
        marks_table(marked, "What it costs the judge (generated: after the codec)"),
        looks,
    ]
    outcome.charts.append(
        Chart(
            "Songs before and after the codec, as the judge hears them",
            [name.replace(" ", "\n", 1) for name in marked],
            {
                "before": [entry["true"] for entry in marked.values()],
                "after": [entry["generated"] for entry in marked.values()],
            },
            {
                "before": [entry["true_interval"] for entry in marked.values()],
                "after": [entry["generated_interval"] for entry in marked.values()],
            },
            "share right",
        )
    )
    return outcome
