"""Stage 0, language model: learns to speak, and to say what its injection tells it.

Trained on conversations about generated songs and scenes. The true attributes come in through the
injection the adapters will use later (`attributes.AttributeTables`), with attributes shuffled half
of the time, so that every fact is read from the injection and none guessed from another. Gates stay
where they start here; they train from stage 1 on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from mumu_training.loop import TrainingJob, pick_device, restore_model, run_training
from mumu_training.models.mumu import Mumu, base_parameters
from mumu_training.recipe import Recipe
from mumu_training.runs import load_run
from mumu_training.stage0.attributes import MUSIC_WIDTH, SCENE_WIDTH, AttributeTables, vector_of
from mumu_training.stage0.corpus import SHARES, Conversations, Row
from mumu_training.text import IGNORED, PAD, PromptTokenizer, TokenBatch, pack_answers

JOB = "language"
GATE_START = math.atanh(0.5)


@dataclass
class AttributeBatch:
    """Tokens with the attribute vectors of what they talk about (zeros where absent)."""

    text: TokenBatch
    prompts: Tensor
    """Labels of the prompt's own words, for the small loss that keeps them in the language."""
    audio: Tensor
    image: Tensor
    video: Tensor


class LanguageTeacher(nn.Module):
    """The language model in its place in Mumu, with the attribute tables."""

    def __init__(self, recipe: Recipe, noise: float = 0.0) -> None:
        """`noise` is the deviation of what is added to the tables' features in training: adapters
        will never say the same thing exactly."""
        super().__init__()
        self.noise = noise
        self.mumu = Mumu(recipe.components)
        self.tables = AttributeTables(self.mumu.config.dim)
        self.mumu.llama.reset_base()
        for layer in self.mumu.llama.layers:
            nn.init.constant_(layer.attention.gate, GATE_START)  # type: ignore[union-attr, arg-type]
        self.mumu.requires_grad_(False)
        for _, parameter in base_parameters(self.mumu.llama):
            parameter.requires_grad_(True)
        for name, parameter in self.mumu.llama.named_parameters():
            if name.endswith(("norm.weight", ".bias")):
                parameter.requires_grad_(True)
        self.mumu.prefix_query.requires_grad_(True)

    def forward(self, batch: AttributeBatch) -> Tensor:
        """Logits `[batch, length, vocab]`."""
        features = []
        for table, vectors in (
            (self.tables.audio, batch.audio),
            (self.tables.image, batch.image),
            (self.tables.video, batch.video),
        ):
            feature = table(vectors)
            if self.training and self.noise:
                present = vectors.any(1, keepdim=True)
                feature = feature + present * self.noise * torch.randn_like(feature)
            features.append(feature)
        injection = self.mumu.injection(features, len(batch.text.tokens))
        hidden, _ = self.mumu.llama(batch.text.tokens, injection)
        return self.mumu.llama.logits(hidden)


def attribute_batch(
    rows: Sequence[Row], tokenizer: PromptTokenizer, limit: int, bare: bool = False
) -> AttributeBatch:
    """Tokenise rows and look their attributes up. `bare` leaves the template's first words out,
    which are the same in every row and half of its tokens."""
    prompt = tokenizer.bare_prompt if bare else tokenizer.prompt
    pairs = [
        (prompt(row.instruction), tokenizer.answer(row.answer, row.makes_music)) for row in rows
    ]
    text = pack_answers(pairs, limit)
    vectors = {
        "audio": np.zeros((len(rows), MUSIC_WIDTH), np.float32),
        "image": np.zeros((len(rows), SCENE_WIDTH), np.float32),
        "video": np.zeros((len(rows), SCENE_WIDTH), np.float32),
    }
    for index, row in enumerate(rows):
        for modality, record in row.media().items():
            vectors[modality][index] = vector_of(record)
    following = torch.cat((text.tokens[:, 1:], torch.full((len(rows), 1), PAD)), 1)
    prompts = following.masked_fill((following == PAD) | (text.labels != IGNORED), IGNORED)
    # Nothing is learnt from the template's own words: they are always there.
    prompts[:, : len(prompt("")) // 2] = IGNORED
    tensors = {name: torch.from_numpy(value) for name, value in vectors.items()}
    return AttributeBatch(text, prompts, **tensors)


def answer_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, float]:
    """Mean cross-entropy over the labelled positions, and the share predicted right."""
    known = labels != IGNORED
    chosen, truth = logits[known].float(), labels[known]
    loss = functional.cross_entropy(chosen, truth)
    return loss, float((chosen.argmax(-1) == truth).float().mean())


def run(recipe: Recipe, resume: bool = True) -> None:
    """Train the base language model; the result is in the run folder of the job `language`."""
    settings = recipe.job(JOB)
    options = settings.options
    tokenizer = PromptTokenizer(
        recipe.run_folder("tokenizer") / "tokenizer.json", recipe.prompt["template"]
    )
    limit = recipe.component("language")["max_seq_len"]
    shares = options.get("shares", SHARES)
    conversations = Conversations(
        recipe, "train", shuffle_attributes=0.5, shares=shares, seeds=options.get("seeds")
    )
    unseen = Conversations(recipe, "valid", shares=shares)
    torch.manual_seed(recipe.seed)
    model = LanguageTeacher(recipe, float(options.get("feature_noise", 0.0)))
    bare = float(options.get("bare", 0.0))
    prompt_weight = float(options.get("prompt_weight", 0.1))
    valid_rows = unseen.sample(np.random.default_rng(5), int(options.get("valid_documents", 64)))
    valid = [
        attribute_batch(valid_rows[start : start + 16], tokenizer, limit)
        for start in range(0, len(valid_rows), 16)
    ]
    device = pick_device()

    def loss(current: nn.Module, batch: AttributeBatch) -> tuple[Tensor, dict[str, float]]:
        batch = _to(batch, device)
        logits = current(batch)
        answers, right = answer_loss(logits, batch.text.labels)
        prompts, _ = answer_loss(logits, batch.prompts)
        tokens = float((batch.text.tokens != PAD).sum())
        total = answers + prompt_weight * prompts
        return total, {
            "answer": float(answers.detach()),
            "right": right,
            "prompt": float(prompts.detach()),
            "tokens": tokens,
        }

    def evaluate(current: nn.Module) -> dict[str, float]:
        results = [answer_loss(current(_to(b, device)), b.text.labels.to(device)) for b in valid]
        return {
            "answer": float(np.mean([float(loss) for loss, _ in results])),
            "right": float(np.mean([right for _, right in results])),
        }

    run_training(
        TrainingJob(
            name=JOB,
            folder=recipe.run_folder(JOB),
            model=model,
            settings=settings,
            batch=lambda rng: attribute_batch(
                conversations.sample(rng, settings.batch_size),
                tokenizer,
                limit,
                bare=bool(rng.random() < bare),
            ),
            loss=loss,
            seed=recipe.seed,
            device=device,
            evaluate=evaluate,
        ),
        resume,
    )


def _to(batch: AttributeBatch, device: str) -> AttributeBatch:
    text = TokenBatch(batch.text.tokens.to(device), batch.text.labels.to(device))
    return AttributeBatch(
        text,
        batch.prompts.to(device),
        batch.audio.to(device),
        batch.image.to(device),
        batch.video.to(device),
    )


def has_tables(recipe: Recipe) -> bool:
    """Whether the language model's run has attribute tables: no checkpoint does, so a run that was
    kept from one hasn't either."""
    state = load_run(recipe.run_folder(JOB))
    return state is None or any(name.startswith("tables.") for name in state["model"])


def load_teacher(recipe: Recipe) -> LanguageTeacher:
    """The trained language model with its attribute tables (`has_tables`)."""
    model = LanguageTeacher(recipe)
    restore_model(model, recipe.run_folder(JOB))
    return model
