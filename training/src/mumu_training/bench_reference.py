"""The same checkpoint under PyTorch, for `npm run bench`: what one would run without our graphs.

python -m mumu_training.bench_reference --checkpoint models/mini --threads 2
Prints one JSON object: seconds to load, milliseconds a token of the language model (cached, and as the
published code does it: the whole sequence again for each token), seconds per 10 s of music through
transformers' generate with guidance, and the process's peak memory in MiB.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from pathlib import Path

import torch
from transformers import EncodecModel, MusicgenForConditionalGeneration

from mumu_training.checkpoint import Checkpoint, read_checkpoint
from mumu_training.generation.codec import codec_config
from mumu_training.generation.music_model import (
    MusicModel,
    caption_batch,
    music_decoder_config,
    text_encoder_config,
    whole_model,
)
from mumu_training.models.llama import Llama
from mumu_training.models.mumu import Mumu
from mumu_training.text import PromptTokenizer

PROMPT = "What is the main instrument?"
CAPTION = "a fast happy rock piece with electric guitar at 140 bpm"
TOKENS = 48


def musician(checkpoint: Checkpoint) -> MusicgenForConditionalGeneration:
    """transformers' MusicGen with the checkpoint's weights."""
    components = checkpoint.metadata["components"]
    model = MusicModel(
        text_encoder_config(components["text_encoder"]),
        music_decoder_config(components["music_decoder"]),
    )
    codec = EncodecModel(codec_config(components["codec"]))
    whole = whole_model(model, codec)
    whole.load_state_dict(checkpoint.part("generation_model."), strict=False)
    return whole.eval()


@torch.inference_mode()
def token_milliseconds(
    llama: Llama, prompt: list[int], injection: torch.Tensor
) -> tuple[float, float]:
    """Milliseconds a token: with the cache, and running the whole sequence again each time."""
    ids = torch.tensor([prompt])
    llama.greedy(ids, injection, 4)
    started = time.perf_counter()
    produced = llama.greedy(ids, injection, TOKENS)
    cached = (time.perf_counter() - started) / produced.shape[1] * 1000
    started = time.perf_counter()
    for _ in range(TOKENS):
        hidden, _ = llama(ids, injection)
        ids = torch.cat([ids, llama.logits(hidden[:, -1]).argmax(-1, keepdim=True)], 1)
    return cached, (time.perf_counter() - started) / TOKENS * 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    started = time.perf_counter()
    checkpoint = read_checkpoint(options.checkpoint)
    mumu = Mumu(checkpoint.metadata["components"]).eval()
    mumu.load_published(checkpoint.tensors)
    music = musician(checkpoint)
    loading = time.perf_counter() - started

    template = checkpoint.metadata["prompt"]["template"]
    tokenizer = PromptTokenizer(options.checkpoint / "tokenizer.json", template)
    prompt = tokenizer.encode(template.replace("{instruction}", PROMPT))
    with torch.inference_mode():
        injection = mumu.injection([None, None, None], 1)
    cached, uncached = token_milliseconds(mumu.llama, prompt, injection)

    decoder = checkpoint.metadata["components"]["music_decoder"]
    codec = music.config.audio_encoder
    frames = round(10 * codec.sampling_rate / codec.hop_length)
    ids, mask = caption_batch([tokenizer.encode(CAPTION)], 32)
    times = []
    with torch.inference_mode():
        for run in range(options.runs):
            torch.manual_seed(run)
            started = time.perf_counter()
            music.generate(
                input_ids=ids,
                attention_mask=mask,
                do_sample=True,
                guidance_scale=decoder["guidance_scale"],
                top_k=decoder["top_k"],
                max_length=frames + music.decoder.num_codebooks,
            )
            times.append(time.perf_counter() - started)
    print(
        json.dumps(
            {
                "load_seconds": loading,
                "token_ms_cached": cached,
                "token_ms_uncached": uncached,
                "music_10s_seconds": statistics.median(times),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
