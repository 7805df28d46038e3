"""`python -m mumu_training` on processors with FSDP, which accelerate gives to GPUs only: its choice is
corrected here, in this process alone. Started by torchrun."""

from __future__ import annotations

import functools
import sys
from typing import Any

from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType

from mumu_training.__main__ import main


def shard_on_processors() -> None:
    """Let an Accelerator with an FSDP plugin shard between processes that have no GPU."""
    begin = AcceleratorState.__init__

    @functools.wraps(begin)
    def with_plugin(state: Any, *given: Any, fsdp_plugin: Any = None, **named: Any) -> None:
        begin(state, *given, fsdp_plugin=fsdp_plugin, **named)
        if fsdp_plugin is not None and state.distributed_type == DistributedType.MULTI_CPU:
            state.distributed_type, state.fsdp_plugin = DistributedType.FSDP, fsdp_plugin
            PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    AcceleratorState.__init__ = with_plugin


if __name__ == "__main__":
    shard_on_processors()
    sys.exit(main(sys.argv[1:]))
