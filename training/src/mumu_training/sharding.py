"""Weights and optimiser of a run as whole tensors, also where FSDP spreads them over processes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mumu_training.distributed import Team
from mumu_training.runs import TrainingError, saved_names, trainable_state

# torch.distributed.checkpoint takes long to import and only sharded runs need it, so the functions do.


class Wrapped(Protocol):
    """What trains: the model's wrapper (which has it as `model`) and the optimiser."""

    wrapped: nn.Module
    optimizer: torch.optim.Optimizer


def weights(crew: Team, trained: Wrapped) -> dict[str, Tensor]:
    """What `last.pt` keeps, whole on process 0 (every process has to ask)."""
    if crew.sharded:
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        whole = get_model_state_dict(trained.wrapped, options=options)
        model = trained.wrapped.model
        assert isinstance(model, nn.Module)
        if not crew.main:
            return {}
        tensors = {name: whole[f"model.{name}"] for name in saved_names(model)}
        return {name: value for name, value in tensors.items() if isinstance(value, Tensor)}
    model = getattr(trained.wrapped, "module", trained.wrapped).model
    assert isinstance(model, nn.Module)
    return trainable_state(model)


def optimizer_state(crew: Team, trained: Wrapped) -> dict[str, Any]:
    """The optimiser's state, whole on process 0."""
    if crew.sharded:
        from torch.distributed.checkpoint.state_dict import (
            StateDictOptions,
            get_optimizer_state_dict,
        )

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        plain = getattr(trained.optimizer, "optimizer", trained.optimizer)
        return dict(get_optimizer_state_dict(trained.wrapped, plain, options=options))
    return trained.optimizer.state_dict()


def load_optimizer(crew: Team, trained: Wrapped, state: Mapping[str, Any], folder: Path) -> None:
    """Go on with the optimiser of `last.pt`.

    Raises TrainingError when it was written with FSDP and this run has none, or the reverse.
    """
    if bool(state.get("sharded", False)) != crew.sharded:
        raise TrainingError(
            f"the checkpoint in {folder} was written {'without' if crew.sharded else 'with'} fsdp; "
            "go on with the recipe it was started with"
        )
    if crew.sharded:
        from torch.distributed.checkpoint.state_dict import (
            StateDictOptions,
            set_optimizer_state_dict,
        )

        set_optimizer_state_dict(
            trained.wrapped,
            getattr(trained.optimizer, "optimizer", trained.optimizer),
            optim_state_dict=dict(state["optimizer"]),
            options=StateDictOptions(full_state_dict=True, cpu_offload=True),
        )
    else:
        trained.optimizer.load_state_dict(dict(state["optimizer"]))
