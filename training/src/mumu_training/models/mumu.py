"""The whole understanding side tied together, with the published checkpoint's tensor names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mumu_training.models.adapters import AudioAdapter, ImageAdapter, VideoAdapter
from mumu_training.models.image_encoder import image_tokens
from mumu_training.models.llama import Llama, LlamaConfig
from mumu_training.models.projector import OutputProjector, ProjectorConfig
from mumu_training.models.video_encoder import tubelets

AUDIO_TOKENS = 8
_FLAT = ("mu_mert", "iu_vit", "iu_vivit")


def published_name(name: str) -> str:
    """Module path to published name: `mu_mert.agg.weight` -> `mu_mert_agg.weight`."""
    head, _, rest = name.partition(".")
    return f"{head}_{rest}" if head in _FLAT else name


def module_name(name: str) -> str:
    """Published name to module path, the inverse of `published_name`."""
    for head in _FLAT:
        if name.startswith(head + "_"):
            return f"{head}.{name[len(head) + 1 :]}"
    return name


class Mumu(nn.Module):
    """Adapters, prefix queries, language model and output projector (encoders are kept apart:
    they are frozen from stage 1 on and their states cached)."""

    def __init__(self, components: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        config = LlamaConfig(**components["language"])
        audio, image, video = (components[f"{m}_encoder"] for m in ("audio", "image", "video"))
        dim = config.dim
        self.mu_mert = AudioAdapter(audio["num_hidden_layers"] + 1, audio["hidden_size"], dim)
        self.iu_vit = ImageAdapter(image_tokens(image), image["hidden_size"], dim)
        self.iu_vivit = VideoAdapter(tubelets(video), video["hidden_size"], dim)
        self.prefix_query = nn.Embedding(3 * config.query_layer, dim)
        nn.init.normal_(self.prefix_query.weight, std=0.02)
        self.llama = Llama(config)
        self.output_projector = OutputProjector(ProjectorConfig(**components["projector"]))

    @property
    def config(self) -> LlamaConfig:
        """Of the language model."""
        return self.llama.config

    def injected_layers(self) -> range:
        """The last 3 * query_layer layers: a third each for audio, image and video, in that order."""
        return range(self.config.n_layers - 3 * self.config.query_layer, self.config.n_layers)

    def injection(self, features: Sequence[Tensor | None], batch: int) -> Tensor:
        """Features of audio, image and video `[batch, dim]` each (None or zero where absent) to what
        is added after attention `[batch, n_layers, dim]`."""
        prefix = self.prefix_query.weight
        first = self.injected_layers().start
        vectors = [prefix.new_zeros(batch, self.config.dim)] * first
        for index, layer in enumerate(self.injected_layers()):
            feature = features[index // self.config.query_layer]
            query = prefix[index].expand(batch, -1)
            total = query if feature is None else query + feature
            vectors.append(self.llama.layers[layer].attention.inject(total))  # type: ignore[union-attr, operator]
        return torch.stack(vectors, 1)

    def condition(self, hidden: Tensor, audio_tokens: Tensor) -> Tensor:
        """States that predict the eight audio tokens `[batch, 8, dim]`, and their ids `[8]`, to the
        scaled condition `[batch, queries, out_dim]`."""
        return self.output_projector(hidden + self.llama.tok_embeddings(audio_tokens))

    def published_state(self) -> dict[str, Tensor]:
        """State dict under the published names."""
        return {published_name(name): value for name, value in self.state_dict().items()}

    def load_published(self, state: Mapping[str, Tensor]) -> None:
        """Load tensors under published names; ones of other components are left alone. LoRA that is
        not there is merged already, and switched off.

        Raises KeyError naming the first tensor that is missing.
        """
        own = self.state_dict()
        for name, target in own.items():
            source = published_name(name)
            if source not in state:
                if "lora_" in name:
                    if "_l2" in name:
                        target.zero_()
                    continue
                raise KeyError(f"the checkpoint lacks {source}")
            target.copy_(state[source])


def base_parameters(llama: Llama) -> Iterator[tuple[str, nn.Parameter]]:
    """The base language model's matrices: what stages 1 to 3 leave frozen."""
    for name, parameter in llama.named_parameters():
        adapted = "lora" in name or name.endswith((".bias", "norm.weight", ".gate"))
        if not adapted:
            yield name, parameter


class RowMask:
    """Lets only some rows of a matrix train: zeroes the other rows' gradient, and forbids decay."""

    def __init__(self, parameter: nn.Parameter, rows: list[int]) -> None:
        keep = torch.zeros(len(parameter), 1)
        keep[rows] = 1
        parameter.requires_grad_(True)
        parameter.no_decay = True  # type: ignore[attr-defined]
        self._keep = keep
        self._handle = parameter.register_hook(self._mask)

    def _mask(self, gradient: Tensor) -> Tensor:
        return gradient * self._keep.to(gradient)

    def remove(self) -> None:
        """Stop masking."""
        self._handle.remove()
