"""Stage 0: train text encoder and music decoder together, from scratch, on cached codes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import EncodecModel

from mumu_training.data.composer_patterns import BEATS_A_BAR
from mumu_training.data.manifest import MusicAttributes, MusicRecord
from mumu_training.data.music_captions import full_caption, music_caption
from mumu_training.data.music_words import plain_caption
from mumu_training.data.vocabulary import tempo_word
from mumu_training.generation.codec import codec_config
from mumu_training.generation.export import load_part, save_part
from mumu_training.generation.metronome import (
    hold_metronome,
    metronome_rates,
    start_metronome,
)
from mumu_training.generation.music_model import (
    MusicModel,
    caption_batch,
    music_decoder_config,
    text_encoder_config,
)
from mumu_training.generation.token_cache import (
    codec_mark,
    encode_songs,
    expected_frames,
    read_cache,
    read_song_marks,
    write_cache,
)
from mumu_training.loop import TrainingJob, pick_device, run_training
from mumu_training.recipe import Recipe
from mumu_training.runs import START, hold
from mumu_training.stage0.codec import AUDIO_PREFIX, wait_for_songs
from mumu_training.stage0.media import record_mark
from mumu_training.stage0.text_encoder import JOB as TEXT_JOB
from mumu_training.stage0.text_encoder import load_reader, positions_of
from mumu_training.text import PromptTokenizer


@dataclass
class MusicBatch:
    """Codes `[B, K, N]`, caption ids and mask `[B, L]`, which captions are kept `[B]`, and what
    share of its past each item lacks `[B]`."""

    codes: Tensor
    ids: Tensor
    mask: Tensor
    keep: Tensor
    blank: Tensor | None = None

    def to(self, device: str) -> MusicBatch:
        """The same on a device."""
        blank = None if self.blank is None else self.blank.to(device)
        codes, ids, mask, keep = (
            tensor.to(device) for tensor in (self.codes, self.ids, self.mask, self.keep)
        )
        return MusicBatch(codes, ids, mask, keep, blank)


def load_codec(recipe: Recipe) -> EncodecModel:
    """The trained codec of a recipe."""
    codec = EncodecModel(codec_config(recipe.component("codec")))
    load_part(recipe.run_folder("codec"), codec, AUDIO_PREFIX)
    return codec.eval()


def load_tokenizer(recipe: Recipe) -> PromptTokenizer:
    """The tokenizer that language model and text encoder share."""
    path = recipe.run_folder("tokenizer") / "tokenizer.json"
    return PromptTokenizer(path, recipe.prompt["template"])


def build_model(recipe: Recipe, dropout: float = 0.0) -> MusicModel:
    """Text encoder and decoder of a recipe, freshly initialised."""
    return MusicModel(
        text_encoder_config(recipe.component("text_encoder"), dropout),
        music_decoder_config(recipe.component("music_decoder"), dropout),
    )


def load_music_model(recipe: Recipe) -> MusicModel:
    """The trained text encoder and decoder of a recipe."""
    model = build_model(recipe)
    load_part(recipe.run_folder("music"), model)
    model.text_encoder.tie_weights()
    return model.eval()


def cached_codes(recipe: Recipe, records: Sequence[MusicRecord]) -> dict[str, NDArray[np.uint16]]:
    """Codes of these songs, encoding and adding to the cache those it lacks or has of another song.

    The cache belongs to one codec: it is kept in the codec's run folder, and another's is not used.
    """
    path = recipe.run_folder("codec") / "codes.npz"
    codec = load_codec(recipe)
    of_codec = codec_mark(codec)
    codes = read_cache(path, of_codec)
    known = read_song_marks(path) if codes else {}
    marks = {record.id: record_mark(recipe.data, record) for record in records}

    def current(record: MusicRecord) -> bool:
        own, mark = codes.get(record.id), marks[record.id]
        if own is None or mark is None:
            return own is not None  # without its file there is nothing to compare with
        if record.id in known:
            return known[record.id] == mark
        # From before songs had marks: hours of work, taken (and marked) as they are if their length fits.
        return abs(own.shape[1] - expected_frames(codec.config, record)) <= 1

    wanted = [record for record in records if not current(record)]
    if changed := sum(record.id in codes for record in wanted):
        print(f"tokens: {changed} songs were made again and are encoded again", flush=True)
    if wanted:
        codes |= encode_songs(codec, recipe.data, wanted, recipe.threads)
    now = known | {name: mark for name, mark in marks.items() if mark is not None}
    if wanted or now != known:
        write_cache(path, codes, of_codec, now)
    return codes


class SongCodes:
    """Songs as codes with their captions: what the music decoder is trained on."""

    def __init__(
        self,
        records: Sequence[MusicRecord],
        codes: Mapping[str, NDArray[np.uint16]],
        tokenizer: PromptTokenizer,
        frame_rate: int,
        frames: int,
        longest: int,
    ) -> None:
        """Crops have `frames` frames; songs that are shorter are left out.

        Raises ValueError when that leaves none.
        """
        self.records = [r for r in records if codes[r.id].shape[1] >= frames]
        if not self.records:
            raise ValueError(f"no song has the {frames} frames of a crop")
        self.frames = frames
        self._codes = codes
        self._tokenizer = tokenizer
        self._rate = frame_rate
        self._longest = longest

    def caption(self, record: MusicRecord, rng: np.random.Generator, full: float) -> str:
        """The full caption with probability `full` (half of them without the key, which no scene calls
        for), else the plain caption of some of what is known (what an answer carries) or, now and
        then, one in other words."""
        if rng.random() < full:
            known = asdict(record.attributes)
            if rng.random() < 0.5:
                del known["key"]
            return full_caption(known)
        if rng.random() < 0.25:
            return music_caption(record.attributes, rng)
        return plain_caption(some_of(record.attributes, rng))

    def start(self, record: MusicRecord, rng: np.random.Generator, spare: int) -> tuple[int, bool]:
        """First frame of a crop, and whether a bar begins there.

        Most begin with a bar: the song's first, or one that falls on a frame. One in seven or so
        begins anywhere, as the later windows of a long piece do.
        """
        chance = rng.random()
        if chance < 0.55 or spare < 1:
            return 0, True
        if chance < 0.85:
            bars = record.beats[:: BEATS_A_BAR[record.attributes.metre]]
            places = [(time - record.beats[0]) * self._rate for time in bars]
            near = [round(p) for p in places if round(p) <= spare and abs(p - round(p)) < 0.2]
            return near[int(rng.integers(len(near)))], True
        return int(rng.integers(1, spare + 1)), False

    def batch(self, rng: np.random.Generator, size: int, options: Mapping[str, Any]) -> MusicBatch:
        """A random batch of crops.

        A share `short_share` of the batches has as many frames in crops of `short_frames`: many
        captions at once, and less of a past that would make them needless.
        """
        frames = self.frames
        if rng.random() < options.get("short_share", 0.0):
            frames = min(frames, int(options["short_frames"]))
            size = size * self.frames // frames
        pieces: list[NDArray[np.int64]] = []
        captions: list[list[int]] = []
        on_bar: list[bool] = []
        for _ in range(size):
            record = self.records[int(rng.integers(len(self.records)))]
            codes = self._codes[record.id]
            first, bar = self.start(record, rng, codes.shape[1] - frames)
            on_bar.append(bar)
            pieces.append(codes[:, first : first + frames].astype(np.int64))
            text = self.caption(record, rng, float(options.get("full_captions", 0.35)))
            captions.append(self._tokenizer.encode(text))
        ids, mask = caption_batch(captions, self._longest)
        dropped = rng.random(size) < float(options.get("caption_dropout", 0.1))
        hidden = np.array(on_bar) & (rng.random(size) < options.get("blank_past", 0.0))
        blank = rng.uniform(0.4, 1.0, size) * hidden  # without a past nobody knows where a bar is
        return MusicBatch(
            torch.from_numpy(np.stack(pieces)),
            ids,
            mask,
            torch.from_numpy(1 - dropped),
            torch.from_numpy(blank),
        )


def some_of(attributes: MusicAttributes, rng: np.random.Generator) -> dict[str, Any]:
    """Some of a song's attributes, as wishes name them; the tempo mostly in beats a minute."""
    keep = {"tempo": 0.9, "mood": 0.6, "style": 0.8, "instrument": 0.9, "mode": 0.5}
    wish = {n: getattr(attributes, n) for n, chance in keep.items() if rng.random() < chance}
    if "mode" in wish and rng.random() < 0.5:
        wish["key"] = attributes.key
    if rng.random() < 0.3:
        wish["metre"] = attributes.metre
    if "tempo" in wish and rng.random() < 0.2:
        wish["tempo_word"] = tempo_word(wish.pop("tempo"))
    others = [name for name in attributes.instruments if name != attributes.instrument]
    if "instrument" in wish and others and rng.random() < 0.15:
        wish["extra"] = [others[int(rng.integers(len(others)))]]
    if not {"style", "instrument"} & set(wish):
        wish["style"] = attributes.style
    return wish


def weighted(losses: Tensor, weights: Sequence[float]) -> Tensor:
    """Losses per codebook `[K]` -> their weighted mean."""
    scale = losses.new_tensor(weights)
    return (losses * scale).sum() / scale.sum()


def batch_loss(model: nn.Module, batch: MusicBatch) -> Tensor:
    """Cross-entropy per codebook `[K]` of one batch."""
    assert isinstance(model, MusicModel)
    batch = batch.to(str(model.enc_to_dec_proj.weight.device))
    return model.losses(batch.codes, batch.ids, batch.mask, batch.keep, batch.blank)


def evaluate(model: nn.Module, songs: SongCodes, batches: int) -> dict[str, float]:
    """Loss on held-out songs with their own captions, with another song's, and with none.

    The difference between the first two is how much the decoder listens to its caption; `unseen`
    is the same where most of the past is hidden.
    """
    figures = _compare_captions(model, songs, batches, 0.0)
    hidden = _compare_captions(model, songs, batches, 1.0)
    return figures | {f"unseen_{name}": hidden[name] for name in ("first_book", "other_first_book")}


def _compare_captions(
    model: nn.Module, songs: SongCodes, batches: int, blank: float
) -> dict[str, float]:
    rows = []
    for index in range(batches):
        rng = np.random.default_rng(index)
        batch = songs.batch(
            rng, 8, {"caption_dropout": 0.0, "full_captions": 1.0, "blank_past": blank}
        )
        own = batch_loss(model, batch)
        order = torch.arange(8).roll(1)
        other = batch_loss(
            model,
            MusicBatch(batch.codes, batch.ids[order], batch.mask[order], batch.keep, batch.blank),
        )
        none = batch_loss(
            model,
            MusicBatch(
                batch.codes, batch.ids, batch.mask, torch.zeros_like(batch.keep), batch.blank
            ),
        )
        rows.append([own.mean(), own[0], other.mean(), other[0], none.mean()])
    means = torch.tensor(rows).mean(dim=0).tolist()
    names = ("loss", "first_book", "other_loss", "other_first_book", "no_caption_loss")
    return dict(zip(names, means, strict=True))


def run(recipe: Recipe, resume: bool = True) -> dict[str, float]:
    """Train the `music` job; writes `final.safetensors` and the parts' configurations."""
    settings = recipe.job("music")
    options = settings.options
    config = codec_config(recipe.component("codec"))
    tokenizer = load_tokenizer(recipe)
    records = wait_for_songs(recipe.data, "train", 1, seeds=options.get("seeds"))
    valid = wait_for_songs(recipe.data, "valid", 1)
    codes = cached_codes(recipe, [*records, *valid])
    longest = int(recipe.component("text_encoder").get("max_tokens", 32))
    frames = round(float(options.get("crop_seconds", 10)) * config.frame_rate)
    rest = (codes, tokenizer, config.frame_rate, frames, longest)
    train_songs, valid_songs = SongCodes(records, *rest), SongCodes(valid, *rest)
    weights = list(options.get("codebook_weights", [1.0] * config.num_quantizers))
    torch.manual_seed(recipe.seed)
    model = build_model(recipe, float(options.get("dropout", 0.0)))
    start_from_reader(recipe, model)
    means: dict[str, float] = {}

    def batch(rng: np.random.Generator) -> MusicBatch:
        return train_songs.batch(rng, settings.batch_size, options)

    def loss(trained: nn.Module, made: MusicBatch) -> tuple[Tensor, Mapping[str, float]]:
        books = batch_loss(trained, made)
        for name, value in (("first_book", books[0].item()), ("mean", books.mean().item())):
            means[name] = 0.95 * means.get(name, value) + 0.05 * value
        return weighted(books, weights), dict(means)

    def after_step(trained: nn.Module, step: int) -> None:
        if settings.evaluate_every and step % settings.evaluate_every == 0:
            write_parts(recipe.run_folder("music"), model)  # usable before the run ends

    figures = run_training(
        TrainingJob(
            name="music",
            folder=recipe.run_folder("music"),
            model=model,
            settings=settings,
            batch=batch,
            loss=loss,
            seed=recipe.seed,
            device=pick_device(),
            after_step=after_step,
            evaluate=lambda trained: evaluate(
                trained, valid_songs, int(options.get("valid_batches", 6))
            ),
        ),
        resume,
    )
    write_parts(recipe.run_folder("music"), model)
    return figures


def start_from_reader(recipe: Recipe, model: MusicModel) -> None:
    """Give a fresh model what the `text` job learned, where the recipe has that job: the text encoder,
    which stays as it is, and a metronome that reads its `clock`.

    A run that begins with a checkpoint (`start.begin`) gets both from there; they are only held.
    """
    if TEXT_JOB in recipe.jobs and (recipe.run_folder("music") / START).is_file():
        hold(model.text_encoder.parameters())
        covered = metronome_rates(model.decoder, *positions_of(recipe))
        hold_metronome(model.decoder, model.enc_to_dec_proj, covered)
        return
    reader = load_reader(recipe)
    if reader is None:
        return
    model.text_encoder.load_state_dict(reader.text_encoder.state_dict())
    hold(model.text_encoder.parameters())
    covered = start_metronome(
        model.decoder, model.enc_to_dec_proj, reader.clock.weight, reader.rates, reader.frame_rate
    )
    if len(covered) > 0:
        bpm = reader.rates * 60 * reader.frame_rate / (2 * math.pi)
        fastest, slowest = float(bpm[covered[0]]), float(bpm[covered[-1]])
        print(f"music: metronome, {slowest:.0f} to {fastest:.0f} pulses a minute", flush=True)


def write_parts(folder: Path, model: MusicModel) -> None:
    """Write the weights, and the configuration of text encoder and decoder."""
    save_part(folder, model, model.config)
    (folder / "config.json").rename(folder / "music_decoder.json")
    text = model.text_encoder.config.to_json_string(use_diff=False)
    (folder / "text_encoder.json").write_text(text, encoding="utf-8")
