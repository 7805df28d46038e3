"""The output projector of training: states of the audio tokens to a condition."""

from __future__ import annotations

import torch

from mumu_training.models.projector import OutputProjector, ProjectorConfig
from mumu_training.parity_cases import Case, randomise, state_of

AUDIO_TOKENS = 8


def _case(config: ProjectorConfig, vocabulary: int, seed: int) -> Case:
    model = OutputProjector(config).eval()
    randomise(model, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        model.query_embs.copy_(torch.randn(model.query_embs.shape, generator=generator))
        embeddings = torch.randn(vocabulary, config.in_dim, generator=generator)
        hidden = torch.randn(1, AUDIO_TOKENS, config.in_dim, generator=generator)
        tokens = torch.arange(vocabulary - AUDIO_TOKENS, vocabulary)
        condition = model(hidden + embeddings[tokens]) / config.scale
    weights = {f"output_projector.{name}": value for name, value in state_of(model).items()}
    weights["llama.tok_embeddings.weight"] = embeddings
    return Case(
        config=config.to_dict(),
        weights=weights,
        inputs={"hidden": hidden},
        outputs={"condition": condition},
        facts={"audio_tokens": tokens.tolist()},
    )


def tiny() -> Case:
    """Different numbers of encoder and decoder layers, a scale that is not the default."""
    config = ProjectorConfig(
        in_dim=40,
        hidden_dim=24,
        encoder_layers=1,
        decoder_layers=3,
        heads=3,
        feed_forward=56,
        queries=5,
        out_dim=20,
        scale=7,
    )
    return _case(config, 30, 41)


def mini() -> Case:
    """The projector of mini."""
    config = ProjectorConfig(
        in_dim=256,
        hidden_dim=128,
        encoder_layers=2,
        decoder_layers=2,
        heads=4,
        feed_forward=512,
        queries=32,
        out_dim=128,
        scale=10,
    )
    return _case(config, 1024, 42)


CASES = {"projector-tiny": tiny, "projector-mini": mini}
