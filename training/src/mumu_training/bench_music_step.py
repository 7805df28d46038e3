"""Times one step of transformers' MusicGen decoder; `bench/music-step.ts` sets it beside ours.

`python -m mumu_training.bench_music_step JSON` prints `{"context": milliseconds}` (medians).
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any

import torch
from transformers import (
    DynamicCache,
    EncoderDecoderCache,
    MusicgenDecoderConfig,
    MusicgenForCausalLM,
)


def measure(settings: dict[str, Any]) -> dict[int, float]:
    """Processor milliseconds of a step at each of `contexts` rows of cache, batch and threads given.

    Processor time, so that other processes on the machine do not lengthen it; divided by the
    threads it is the time by the clock on an idle machine, or a little less.
    """
    torch.set_num_threads(settings["threads"])
    dims = {
        key: settings[key]
        for key in (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "ffn_dim",
            "num_codebooks",
        )
    }
    card = dims["vocab_size"]
    config = MusicgenDecoderConfig(**dims, pad_token_id=card, bos_token_id=card)
    model = MusicgenForCausalLM(config).eval()
    batch, heads = settings["batch"], dims["num_attention_heads"]
    condition = torch.randn(batch, settings["condition"], dims["hidden_size"])
    ids = torch.full((batch * dims["num_codebooks"], 1), 7)
    medians = {}
    for context in settings["contexts"]:
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        width = dims["hidden_size"] // heads
        for layer in range(dims["num_hidden_layers"]):
            rows = torch.full((batch, heads, context, width), 0.1)
            cache.self_attention_cache.update(rows, rows.clone(), layer)
        times = []
        with torch.inference_mode():
            for index in range(settings["steps"] + 3):
                start = time.process_time()
                model(
                    input_ids=ids,
                    encoder_hidden_states=condition,
                    past_key_values=cache,
                    use_cache=True,
                )
                if index >= 3:
                    times.append(time.process_time() - start)
                cache.self_attention_cache.crop(-1)
        medians[context] = 1000 * statistics.median(times)
    return medians


def main() -> None:
    """Reads the settings from the command line and prints the medians as JSON."""
    print(json.dumps(measure(json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()
