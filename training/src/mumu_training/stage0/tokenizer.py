"""Stage 0, tokenizer: byte-level BPE with the ids the checkpoint format fixes.

0 <unk>, 1 <s>, 2 </s>, 3 <pad>, then bytes and merges, and last the eight audio tokens. Digits are
split one by one, so that every tempo is spelled from ten symbols.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from mumu_training.loop import TrainingError
from mumu_training.recipe import Recipe
from mumu_training.stage0.corpus import documents
from mumu_training.text import AUDIO_TOKENS, SPECIAL

JOB = "tokenizer"
FILE = "tokenizer.json"


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer of exactly `size` ids. Raises TrainingError when the texts are too few for it."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(AUDIO_TOKENS),
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in AUDIO_TOKENS])
    if tokenizer.get_vocab_size() != size:
        raise TrainingError(
            f"the texts gave a vocabulary of {tokenizer.get_vocab_size()}, not {size}; give more"
        )
    return tokenizer


def run(recipe: Recipe, resume: bool = True) -> None:
    """Train the tokenizer on the language model's corpus; writes tokenizer.json in the run folder."""
    folder = recipe.run_folder(JOB)
    path = folder / FILE
    if resume and path.exists():
        print("tokenizer: there already")
        return
    options = recipe.job(JOB).options
    count = int(options.get("documents", 12000))
    texts = documents(recipe, np.random.default_rng(recipe.seed), count, options.get("seeds"))
    tokenizer = train_tokenizer(texts, recipe.component("language")["vocab_size"])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path))
