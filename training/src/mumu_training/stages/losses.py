"""Loss terms of the stages: answers, audio tokens, and the projected condition.

Where several processes share a batch, each divides its sum by the whole batch's count
(`distributed.total`), so that the terms of all parts add up to the term of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional
from torch import Tensor

from mumu_training.distributed import total
from mumu_training.text import IGNORED


def answer_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, float]:
    """Mean cross-entropy over the labelled positions, and the share predicted right."""
    known = labels != IGNORED
    chosen, truth = logits[known].float(), labels[known]
    count = total(known.sum())
    loss = functional.cross_entropy(chosen, truth, reduction="sum") / count
    return loss, float((chosen.argmax(-1) == truth).sum() / count)


def audio_token_regulariser(logits: Tensor, labels: Tensor, audio_ids: Sequence[int]) -> Tensor:
    """Probability mass on audio tokens where the target has none, and the reverse.

    The published penalty tests whether token ids occur in a tensor of logits and adds a constant.
    This form has a gradient: with m the mass that the model puts on the eight audio tokens,
    `-log(1 - m)` where the target is another token and `-log(m)` where it is one of them, the mean
    over the answers' positions.
    """
    known = labels != IGNORED
    chosen, truth = logits[known].float(), labels[known]
    ids = torch.tensor(list(audio_ids), device=logits.device)
    log_all = torch.logsumexp(chosen, -1)
    log_mass = torch.logsumexp(chosen[:, ids], -1) - log_all
    others = torch.ones(chosen.shape[-1], dtype=torch.bool, device=logits.device)
    others[ids] = False
    log_rest = torch.logsumexp(chosen[:, others], -1) - log_all
    return -torch.where(torch.isin(truth, ids), log_mass, log_rest).sum() / total(known.sum())


def audio_positions(labels: Tensor, audio_ids: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Rows that make music `[made]`, and the positions that predict their audio tokens `[made, 8]`.

    The position that predicts a token is the one before it, which is where its label stands.
    """
    first = (labels == audio_ids[0]).nonzero()
    rows, starts = first[:, 0], first[:, 1]
    steps = torch.arange(len(audio_ids), device=labels.device)
    return rows, starts[:, None] + steps


def condition_loss(condition: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of the scaled condition, relative to the target's own mean square.

    Relative, so that its weight does not depend on the scale of the text encoder's states.
    """
    error = functional.mse_loss(condition.float(), target, reduction="sum")
    least = 1e-8 * float(total(float(target.numel())))
    return error / total(target.square().sum()).clamp_min(least)
