"""Evaluation of a pack through mumu itself, so that what is measured is what users get.

    python -m mumu_training.evaluation data --out DIR
    python -m mumu_training.evaluation SUITE --pack NAME --data DIR --out DIR
    python -m mumu_training.evaluation codec --checkpoint DIR --judge DIR --data DIR --out DIR
    python -m mumu_training.evaluation SUITE --server http://127.0.0.1:8020 --data DIR --out DIR

`data` makes the evaluation set. With `--pack` a mumu is started and stopped; with `--server` one that
runs is asked. Writes SUITE.json, SUITE.md and SUITE-N.png. See docs/evaluation.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import requests

from mumu_training.checkpoint import CheckpointError
from mumu_training.data.dataset import HELD_OUT_SEED
from mumu_training.data.manifest import ImageRecord, VideoRecord, read_manifest, read_music
from mumu_training.evaluation.caption import evaluate_caption
from mumu_training.evaluation.client import MumuClient, RequestFailed
from mumu_training.evaluation.editing import evaluate_editing
from mumu_training.evaluation.embedding import judge_embedding, load_embedding
from mumu_training.evaluation.heldout import HELD_OUT_SOUNDFONT, make_held_out
from mumu_training.evaluation.pieces import Jury
from mumu_training.evaluation.qa import evaluate_qa
from mumu_training.evaluation.recordings import evaluate_recordings, find_recordings
from mumu_training.evaluation.report import Outcome, write
from mumu_training.evaluation.round_trip import checkpoint_codec, evaluate_codec
from mumu_training.evaluation.scene2music import evaluate_scenes
from mumu_training.evaluation.server import ServerFailed, mumu_server
from mumu_training.evaluation.speed import evaluate_speed
from mumu_training.evaluation.text2music import evaluate_text2music
from mumu_training.judge.train import load_judge

Item = TypeVar("Item")
Suite = Callable[[MumuClient, argparse.Namespace], Outcome]


class NotEnoughData(Exception):
    """The dataset folder holds less than was asked for."""


def tell(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)


def _first(items: list[Item], count: int, what: str, folder: Path) -> list[Item]:
    if len(items) < count:
        raise NotEnoughData(
            f"only {len(items)} {what} of the split 'test' in {folder}, not {count}: make more "
            "with `python -m mumu_training.evaluation data`, or ask for fewer"
        )
    return items[:count]


def _jury(options: argparse.Namespace) -> Jury:
    judge = load_judge(options.judge)
    embed = judge_embedding(judge)
    if options.embedding:
        embed = load_embedding(options.embedding, options.embedding_rate)
    return Jury(judge, embed)


def _qa(client: MumuClient, options: argparse.Namespace) -> Outcome:
    songs = _first(read_music(options.data, "test"), options.songs, "songs", options.data)
    return evaluate_qa(client, songs, options.data, report=tell)


def _caption(client: MumuClient, options: argparse.Namespace) -> Outcome:
    songs = _first(read_music(options.data, "test"), options.songs, "songs", options.data)
    return evaluate_caption(client, songs, options.data, options.detailed, tell)


def _text2music(client: MumuClient, options: argparse.Namespace) -> Outcome:
    return evaluate_text2music(
        client,
        _jury(options),
        options.prompts,
        options.pairs,
        options.mood_pairs,
        options.seeds,
        options.seconds,
        tell,
    )


def _image2music(client: MumuClient, options: argparse.Namespace) -> Outcome:
    all_of_them = [r for r in read_manifest(options.data) if isinstance(r, ImageRecord)]
    test = [record for record in all_of_them if record.split == "test"]
    scenes = _first(test, options.scenes, "pictures", options.data)
    return evaluate_scenes(client, _jury(options), scenes, options.data, options.seconds, tell)


def _video2music(client: MumuClient, options: argparse.Namespace) -> Outcome:
    all_of_them = [r for r in read_manifest(options.data) if isinstance(r, VideoRecord)]
    playable = [r for r in all_of_them if r.split == "test" and r.path.endswith(".mp4")]
    scenes = _first(playable, options.scenes, "clips", options.data)
    return evaluate_scenes(client, _jury(options), scenes, options.data, options.seconds, tell)


def _editing(client: MumuClient, options: argparse.Namespace) -> Outcome:
    songs = _first(read_music(options.data, "test"), options.songs, "songs", options.data)
    return evaluate_editing(client, _jury(options), songs, options.data, tell)


def _recordings(client: MumuClient, options: argparse.Namespace) -> Outcome:
    files = find_recordings(options.files, options.count)
    return evaluate_recordings(client, files, options.files, tell)


def _speed(client: MumuClient, options: argparse.Namespace) -> Outcome:
    return evaluate_speed(client, options.pairs, options.seconds, tell)


SUITES: dict[str, Suite] = {
    "speed": _speed,
    "qa": _qa,
    "caption": _caption,
    "text2music": _text2music,
    "image2music": _image2music,
    "video2music": _video2music,
    "editing": _editing,
    "recordings": _recordings,
}
_SONGS = {"qa": 100, "caption": 100, "editing": 10}
_SCENES = {"image2music": 50, "video2music": 50}


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    top = argparse.ArgumentParser(
        prog="mumu_training.evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True)
    data = commands.add_parser("data", help="make the evaluation set")
    data.add_argument("--out", type=Path, required=True, help="folder to fill")
    data.add_argument("--songs", type=int, default=300)
    data.add_argument("--images", type=int, default=150)
    data.add_argument("--videos", type=int, default=100)
    data.add_argument("--seconds", type=float, default=12.0, help="mean length of a song")
    data.add_argument("--seed", type=int, default=HELD_OUT_SEED, help="0 to 999")
    data.add_argument("--soundfont", type=Path, default=HELD_OUT_SOUNDFONT)
    data.add_argument("--workers", type=int, default=1, help="processes")
    data.add_argument(
        "--against",
        type=Path,
        nargs="*",
        default=[Path("training/data-cache")],
        help="training sets that nothing may overlap with",
    )
    common = argparse.ArgumentParser(add_help=False)
    asked = common.add_mutually_exclusive_group(required=True)
    asked.add_argument("--server", help="address of a running mumu")
    asked.add_argument("--pack", help="pack to start a mumu with")
    common.add_argument("--out", type=Path, required=True, help="folder for the report")
    for name in SUITES:
        suite = commands.add_parser(name, parents=[common], help=f"suite {name}")
        _suite_options(name, suite)
    codec = commands.add_parser("codec", help="suite codec, which needs no mumu")
    codec.add_argument("--checkpoint", type=Path, required=True, help="folder with the codec")
    codec.add_argument("--data", type=Path, required=True, help="folder made by `data`")
    codec.add_argument("--out", type=Path, required=True, help="folder for the report")
    codec.add_argument("--songs", type=int, default=60)
    _judge_options(codec)
    return top


def _judge_options(suite: argparse.ArgumentParser) -> None:
    suite.add_argument("--judge", type=Path, required=True, help="folder of mumu_training.judge")
    suite.add_argument("--embedding", type=Path, help="of the Frechet distance: ONNX or a judge")
    suite.add_argument("--embedding-rate", type=int, default=16_000, help="Hz, of an ONNX file")


def _suite_options(name: str, suite: argparse.ArgumentParser) -> None:
    if name == "speed":
        suite.add_argument("--pairs", type=int, default=40, help="pairs of fast and slow")
        suite.add_argument("--seconds", type=float, default=8.0, help="length of a piece")
        return
    if name == "recordings":
        suite.add_argument("--files", type=Path, required=True, help="folder of sound files")
        suite.add_argument("--count", type=int, default=20, help="files to ask about (20)")
        return
    if name != "text2music":
        suite.add_argument("--data", type=Path, required=True, help="folder made by `data`")
    if name in _SONGS:
        suite.add_argument("--songs", type=int, default=_SONGS[name])
    if name in _SCENES:
        suite.add_argument("--scenes", type=int, default=_SCENES[name])
    if name == "caption":
        suite.add_argument("--detailed", action="store_true", help="ask for all the detail")
    if name == "text2music":
        suite.add_argument("--prompts", type=int, default=40, help="by instrument and tempo")
        suite.add_argument("--pairs", type=int, default=15, help="pairs of fast and slow")
        suite.add_argument("--mood-pairs", type=int, default=15, help="pairs of moods")
        suite.add_argument("--seeds", type=int, default=2, help="prompts under several seeds")
    if name.endswith("2music"):
        suite.add_argument("--seconds", type=float, default=8.0, help="length of a piece")
    if name.endswith("2music") or name == "editing":
        _judge_options(suite)


def _evaluate_codec(options: argparse.Namespace) -> Outcome:
    songs = _first(read_music(options.data, "test"), options.songs, "songs", options.data)
    codec = checkpoint_codec(options.checkpoint)
    return evaluate_codec(codec, _jury(options), songs, options.data, tell)


def _evaluate(options: argparse.Namespace) -> None:
    if options.command == "codec":
        _finish(_evaluate_codec(options), options.out)
        return
    with ExitStack() as stack:
        server = options.server
        if server is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = stack.enter_context(mumu_server(options.pack, folder / "server.log"))
        client = MumuClient(server)
        pack = client.pack()
        outcome = SUITES[options.command](client, options)
    outcome.results["pack"] = pack
    _finish(outcome, options.out)


def _finish(outcome: Outcome, out: Path) -> None:
    files = write(outcome, out)
    print(outcome.markdown())
    tell(f"written: {', '.join(str(file) for file in files)}")


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code (2 when what was given or is there is wrong)."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "data":
            counts = make_held_out(
                options.out,
                options.against,
                options.songs,
                options.images,
                options.videos,
                options.seconds,
                options.soundfont,
                options.seed,
                options.workers,
                tell,
            )
            print(f"{options.out}: {', '.join(f'{n} {kind}' for kind, n in counts.items())}")
        else:
            _evaluate(options)
    except (
        CheckpointError,
        NotEnoughData,
        RequestFailed,
        ServerFailed,
        FileNotFoundError,
        ValueError,
        requests.RequestException,
    ) as error:
        print(f"evaluation: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
