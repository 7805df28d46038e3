"""What a recipe may say: its jobs with their options and what they start from, its components, and of
what kind every value is. `recipe.load_recipe` holds recipes against it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

Kind = Callable[[Any], Any]
"""Takes a value as YAML gave it and returns it as the code wants it; raises ValueError with the end of a
sentence that begins with the value's place."""


def number(value: Any) -> float:
    """A finite number. YAML reads `1e-4` as a string."""
    try:
        made = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        made = math.nan
    if not math.isfinite(made):
        raise ValueError(f"is {value!r}, not a number")
    return made


def amount(value: Any) -> float:
    """A number that is not negative."""
    if (made := number(value)) < 0:
        raise ValueError(f"is {value!r}; it can't be negative")
    return made


def whole(value: Any) -> int:
    """A whole number that is not negative."""
    if not (made := amount(value)).is_integer():
        raise ValueError(f"is {value!r}, not a whole number")
    return int(made)


def truth(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"is {value!r}; it can be true or false")
    return value


def text(value: Any) -> str:
    """Words."""
    if not isinstance(value, str):
        raise ValueError(f"is {value!r}, not a text")
    return value


def many(kind: Kind) -> Kind:
    """A list of values of a kind."""

    def read(value: Any) -> list[Any]:
        if not isinstance(value, list | tuple):
            raise ValueError(f"is {value!r}, not a list")
        return [kind(one) for one in value]

    return read


def table(value: Any) -> dict[str, Any]:
    """Values by name."""
    if not isinstance(value, Mapping):
        raise ValueError(f"is {value!r}, not a table of names and values")
    return {str(key): one for key, one in value.items()}


def amounts(value: Any) -> dict[str, float]:
    """Amounts by name."""
    return {key: amount(one) for key, one in table(value).items()}


def pair(value: Any) -> tuple[float, ...]:
    """Two numbers."""
    if len(made := tuple(many(number)(value))) != 2:
        raise ValueError(f"is {value!r}, not two numbers")
    return made


def shares(value: Any) -> dict[str, float]:
    """How often what is talked about."""
    require_known(made := amounts(value), ("music", "image", "video", "plain", "edit"), "kinds")
    return made


def shares_of_words(value: Any) -> dict[str, float]:
    """The same for stage 1, which makes no music."""
    if "edit" in (made := shares(value)):
        raise ValueError("has edit, but stage 1 only answers in words, and every pair makes music")
    return made


def numbers_inside(value: Any) -> Any:
    """The same with numbers that YAML read as strings (`1e-5`) as numbers."""
    if isinstance(value, Mapping):
        return {key: numbers_inside(one) for key, one in value.items()}
    if isinstance(value, list):
        return [numbers_inside(one) for one in value]
    for kind in (int, number):
        try:
            return kind(value) if isinstance(value, str) else value
        except ValueError:
            continue
    return value


def require_known(given: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raises ValueError naming what is given and not known."""
    known = sorted(known)
    if unknown := sorted(map(str, set(given) - set(known))):
        there = f"it can have {', '.join(known)}" if known else "it has none"
        raise ValueError(f"has unknown {what} {', '.join(unknown)}; {there}")


RECIPE: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("name", "variant", "data", "runs", "checkpoint"), text),
    **dict.fromkeys(("conditioning", "licence", "notes"), text),
    **dict.fromkeys(("components", "jobs", "prompt", "sampling", "fsdp"), table),
    **dict.fromkeys(("order", "changes"), many(text)),
    **dict.fromkeys(("seed", "threads"), whole),
}
"""What is at the top of a recipe."""

SETTINGS: Final[Mapping[str, Kind]] = {
    "int": whole,
    "float": amount,
    "bool": truth,
    "str": text,
    "tuple[float, float]": pair,
    "Mapping[str, Any]": table,
}
"""Kinds of a job's settings, by how `JobSettings` annotates them."""

_SEEDS = many(whole)
_HEARD: Mapping[str, Kind] = {"frames": whole, "seeds": _SEEDS}

OPTIONS: Final[Mapping[str, Mapping[str, Kind]]] = {
    "tokenizer": {"documents": whole, "seeds": _SEEDS},
    "language": {
        "bare": amount,
        "feature_noise": amount,
        "prompt_weight": amount,
        "seeds": _SEEDS,
        "shares": shares,
        "valid_documents": whole,
    },
    "audio": {
        "crop_seconds": amount,
        "refresh_minutes": amount,
        "seeds": _SEEDS,
        "stretch_semitones": whole,
        "valid_songs": whole,
        "weights": amounts,
    },
    "image": {"seeds": _SEEDS},
    "video": {"seeds": _SEEDS},
    "codec": {
        "commitment_weight": amount,
        "crop_seconds": amount,
        "fit_songs": whole,
        "gain_db": pair,
        "least_songs": whole,
        "patience": amount,
        "refit_songs": whole,
        "seeds": _SEEDS,
        "sharpness": amount,
        "spectral_weight": amount,
        "start": text,
        "valid_songs": whole,
        "warmup_steps": whole,
        "wave_weight": amount,
    },
    "text": {},
    "music": {
        "blank_past": amount,
        "caption_dropout": amount,
        "codebook_weights": many(amount),
        "crop_seconds": amount,
        "dropout": amount,
        "full_captions": amount,
        "seeds": _SEEDS,
        "short_frames": whole,
        "short_share": amount,
        "valid_batches": whole,
    },
    "stage1_adapters": {**_HEARD, "hidden_states": amount},
    "stage1": {**_HEARD, "hidden_states": amount, "shares": shares_of_words, "valid_songs": whole},
    "stage2": {**_HEARD, "shares": shares, "token_rows": truth},
    "stage3": {
        **_HEARD,
        "condition_weight": amount,
        "hidden_states": amount,
        "only": many(text),
        "regulariser_weight": amount,
        "shares": shares,
        "valid_rows": whole,
        "valid_songs": whole,
    },
    "evaluate": {"songs": whole},
}
"""Options by job: every job there is."""

STAGES: Final = ("stage1", "stage2", "stage3")
_ENCODERS = ("audio", "image", "video")
_UNDERSTANDING = ("audio_encoder", "image_encoder", "video_encoder", "language", "projector")
_MUSIC = ("codec", "text_encoder", "music_decoder")

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "tokenizer": ("language",),
    **{job: (f"{job}_encoder",) for job in _ENCODERS},
    "codec": ("codec",),
    **dict.fromkeys(("text", "music"), _MUSIC),
    **dict.fromkeys(
        ("language", "stage1_adapters", "stage1", "stage3", "evaluate"), _UNDERSTANDING
    ),
    "stage2": (*_UNDERSTANDING, "text_encoder"),
}
"""Components that a job can't do without."""

_INPUTS: Mapping[str, tuple[str, ...]] = {
    "language": ("tokenizer",),
    "text": ("tokenizer",),
    "music": ("tokenizer", "codec", "text"),
    "stage1_adapters": ("language", *_ENCODERS),
    "stage1": ("tokenizer", "language", *_ENCODERS, "stage1_adapters"),
    "stage2": ("tokenizer", "language", *_ENCODERS, "music"),
    "stage3": ("tokenizer", "language", *_ENCODERS, "music"),
}


def inputs_of(
    job: str, jobs: Iterable[str], order: tuple[str, ...], options: Mapping[str, Any]
) -> tuple[str, ...]:
    """The jobs whose results a job starts from or learns by, in a recipe of these jobs and this order of
    stages."""
    names = list(_INPUTS.get(job, ()))
    for name in ("text", "stage1_adapters"):  # not every recipe has them
        if name in names and name not in jobs:
            names.remove(name)
    if job == "stage3" and options.get("condition_weight", 1.0) == 0:
        names.remove("music")
    return (*names, *(order[: order.index(job)] if job in order else ()))


_READ_BY_NAME: Mapping[str, tuple[str, ...]] = {
    "audio_encoder": (
        *("sampling_rate", "conv_dim", "conv_kernel", "conv_stride"),
        *("hidden_size", "num_hidden_layers"),
    ),
    "image_encoder": ("image_size", "patch_size", "hidden_size", "image_mean", "image_std"),
    "video_encoder": ("image_size", "num_frames", "tubelet_size", "hidden_size"),
    "music_decoder": ("vocab_size", "hidden_size", "ffn_dim"),
}
"""What the code reads of a component itself; all else has transformers' defaults."""

_OURS: Mapping[str, tuple[str, ...]] = {
    "audio_encoder": (
        *("sampling_rate", "do_normalize", "chunk_seconds"),
        *("tie_last_hidden_states", "architecture"),
    ),
    "image_encoder": ("image_mean", "image_std", "architecture"),
    "video_encoder": ("architecture",),
    "codec": ("num_quantizers",),
    "text_encoder": ("max_tokens",),
    "music_decoder": ("window_seconds", "guidance_scale", "top_k", "position_base"),
}
"""What a component has beyond the fields of transformers' configuration."""
_SET_BY_US: Mapping[str, tuple[str, ...]] = {
    "audio_encoder": ("num_feat_extract_layers", "hidden_dropout"),
    "image_encoder": ("hidden_dropout_prob", "attention_probs_dropout_prob"),
    "video_encoder": ("hidden_dropout_prob",),
    "text_encoder": ("dropout_rate", "pad_token_id"),
    "music_decoder": ("dropout", "pad_token_id", "bos_token_id"),
}
"""Fields of those configurations that this package sets itself."""


def component(name: str, value: Any) -> dict[str, Any]:
    """The dimensions of one component, checked by its configuration.

    Raises ValueError for a component there is none of, a field that is missing or unknown, or values
    that don't go together.
    """
    # Imported here: whoever only reads settings needs no models.
    from transformers import (
        EncodecConfig,
        HubertConfig,
        MusicgenDecoderConfig,
        T5Config,
        ViTConfig,
        VivitConfig,
    )

    from mumu_training.generation.codec import codec_config
    from mumu_training.models.llama import LlamaConfig
    from mumu_training.models.projector import ProjectorConfig

    own: Mapping[str, Any] = {"language": LlamaConfig, "projector": ProjectorConfig}
    theirs: Mapping[str, Any] = {
        "audio_encoder": HubertConfig,
        "image_encoder": ViTConfig,
        "video_encoder": VivitConfig,
        "codec": EncodecConfig,
        "text_encoder": T5Config,
        "music_decoder": MusicgenDecoderConfig,
    }
    dims: dict[str, Any] = numbers_inside(table(value))
    if name in own:
        entries = dataclasses.fields(own[name])
        known = {entry.name for entry in entries}
        needed = {entry.name for entry in entries if entry.default is dataclasses.MISSING}
    elif name in theirs:
        ours = set(_OURS.get(name, ()))
        known = (set(theirs[name]().to_dict()) | ours) - set(_SET_BY_US.get(name, ()))
        needed = set(_READ_BY_NAME.get(name, ()))
    else:
        raise ValueError(f"is no component; there are {', '.join([*own, *theirs])}")
    require_known(dims, known, "fields")
    if missing := sorted(needed - set(dims)):
        raise ValueError(f"lacks {', '.join(missing)}")
    try:
        if name == "codec":
            codec_config(dims)
        elif name in theirs:
            values = {key: one for key, one in dims.items() if key not in ours}
            # Or transformers prints that its own padding is beyond the vocabulary.
            inside = dict.fromkeys(("pad_token_id", "bos_token_id"), 0)
            theirs[name](**values, **(inside if name == "music_decoder" else {}))
    except Exception as error:  # transformers raises kinds of its own
        raise ValueError(f"is not understood: {' '.join(str(error).split())}") from error
    return dims
