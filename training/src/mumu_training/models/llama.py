"""LLaMA in Meta's layout, with LoRA, extra biases and a constant injection per layer.

Touvron et al. 2023 for the decoder; the adapter parts follow LLaMA-Adapter and MU-LLaMA. Published
variants use a prefix of length one, so attention to it is its value and what is injected does not
depend on the token: one vector per layer, added right after attention (see `Attention.inject`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

KeyValue = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class LlamaConfig:
    """The `language` component of checkpoint.json."""

    dim: int
    n_layers: int
    n_heads: int
    vocab_size: int
    hidden_dim: int
    norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    max_seq_len: int = 512
    lora_rank: int = 8
    query_layer: int = 2

    def to_dict(self) -> dict[str, Any]:
        """As written to checkpoint.json."""
        return asdict(self)


class RMSNorm(nn.Module):
    """Root mean square norm: `x / sqrt(mean(x^2) + eps) * weight`."""

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """`[..., dim] -> [..., dim]`."""
        return functional.rms_norm(x, x.shape[-1:], self.weight, self.eps)


def rotary_table(config: LlamaConfig) -> tuple[Tensor, Tensor]:
    """Cosine and sine `[max_seq_len, head_dim / 2]` of the rotary embedding."""
    half = config.dim // config.n_heads // 2
    frequencies = config.rope_theta ** (-torch.arange(half, dtype=torch.float32) / half)
    angles = torch.outer(torch.arange(config.max_seq_len, dtype=torch.float32), frequencies)
    return angles.cos(), angles.sin()


def apply_rotary(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate neighbouring pairs (2i, 2i + 1) of `[batch, heads, length, head_dim]` (Meta layout)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    rotated = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), dim=-1)
    return rotated.flatten(-2)


def attend(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
    """Attention of `[batch, heads, length, head_dim]`.

    Torch's fused kernel; but where gradients are asked for on a CPU, products and a softmax: the
    fused kernel's backward takes several times as long there for heads as small as ours.
    """
    if query.device.type != "cpu" or not (torch.is_grad_enabled() and query.requires_grad):
        return functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
    scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if causal:
        length = query.shape[2]
        later = torch.ones(length, length, dtype=torch.bool, device=query.device).triu(1)
        scores = scores.masked_fill(later, -torch.inf)
    return torch.softmax(scores.float(), -1).to(value.dtype) @ value


def _lora(rank: int, fan_in: int, fan_out: int) -> tuple[nn.Linear, nn.Linear]:
    """The pair l1 (down) and l2 (up, zero at first): the layer becomes `W x + l2 l1 x`."""
    down = nn.Linear(fan_in, rank, bias=False)
    up = nn.Linear(rank, fan_out, bias=False)
    nn.init.zeros_(up.weight)
    return down, up


class Attention(nn.Module):
    """Causal self-attention with a cache; biases on wq and wo, LoRA on all four."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        dim, rank = config.dim, config.lora_rank
        self.n_heads = config.n_heads
        self.wq = nn.Linear(dim, dim)
        self.wk = nn.Linear(dim, dim, bias=False)
        self.wv = nn.Linear(dim, dim, bias=False)
        self.wo = nn.Linear(dim, dim)
        nn.init.zeros_(self.wq.bias)
        nn.init.zeros_(self.wo.bias)
        self.lora_wq_l1, self.lora_wq_l2 = _lora(rank, dim, dim)
        self.lora_wk_l1, self.lora_wk_l2 = _lora(rank, dim, dim)
        self.lora_wv_l1, self.lora_wv_l2 = _lora(rank, dim, dim)
        self.lora_wo_l1, self.lora_wo_l2 = _lora(rank, dim, dim)
        self.gate = nn.Parameter(torch.zeros(1, config.n_heads, 1, 1))

    def forward(
        self, x: Tensor, cosine: Tensor, sine: Tensor, past: KeyValue | None
    ) -> tuple[Tensor, KeyValue]:
        """`[batch, length, dim]` and the cache of earlier positions to the same and a longer cache."""
        batch, length, dim = x.shape

        def heads(value: Tensor) -> Tensor:
            return value.view(batch, length, self.n_heads, -1).transpose(1, 2)

        query = heads(self.wq(x) + self.lora_wq_l2(self.lora_wq_l1(x)))
        key = heads(self.wk(x) + self.lora_wk_l2(self.lora_wk_l1(x)))
        value = heads(self.wv(x) + self.lora_wv_l2(self.lora_wv_l1(x)))
        query, key = apply_rotary(query, cosine, sine), apply_rotary(key, cosine, sine)
        if past is not None:
            key, value = torch.cat((past[0], key), 2), torch.cat((past[1], value), 2)
        # After a cache only single tokens follow, and those may see everything.
        mixed = attend(query, key, value, past is None and length > 1)
        mixed = mixed.transpose(1, 2).reshape(batch, length, dim)
        return self.wo(mixed) + self.lora_wo_l2(self.lora_wo_l1(mixed)), (key, value)

    def inject(self, prefix: Tensor) -> Tensor:
        """What attention to a prefix of one key adds: `[batch, dim] -> [batch, dim]`.

        `(wo + lora_wo)(tanh(gate) per head * wv(prefix))`: wv without its LoRA, wo without its bias,
        which the ordinary path has already added.
        """
        value = functional.linear(prefix, self.wv.weight)
        gated = value.view(len(prefix), self.n_heads, -1) * self.gate.view(1, -1, 1).tanh()
        gated = gated.reshape(prefix.shape)
        added = self.lora_wo_l2(self.lora_wo_l1(gated))
        return functional.linear(gated, self.wo.weight) + added


class FeedForward(nn.Module):
    """`w2(silu(w1 x) * w3 x)`, biases and LoRA on all three."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        dim, hidden, rank = config.dim, config.hidden_dim, config.lora_rank
        self.w1 = nn.Linear(dim, hidden)
        self.w2 = nn.Linear(hidden, dim)
        self.w3 = nn.Linear(dim, hidden)
        for layer in (self.w1, self.w2, self.w3):
            nn.init.zeros_(layer.bias)
        self.lora_w1_l1, self.lora_w1_l2 = _lora(rank, dim, hidden)
        self.lora_w2_l1, self.lora_w2_l2 = _lora(rank, hidden, dim)
        self.lora_w3_l1, self.lora_w3_l2 = _lora(rank, dim, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., dim] -> [..., dim]`."""
        up = self.w1(x) + self.lora_w1_l2(self.lora_w1_l1(x))
        hidden = functional.silu(up) * (self.w3(x) + self.lora_w3_l2(self.lora_w3_l1(x)))
        return self.w2(hidden) + self.lora_w2_l2(self.lora_w2_l1(hidden))


class Block(nn.Module):
    """Pre-norm decoder layer; the injection joins the residual between attention and feed-forward."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.feed_forward = FeedForward(config)
        self.attention_norm = RMSNorm(config.dim, config.norm_eps)
        self.ffn_norm = RMSNorm(config.dim, config.norm_eps)

    def forward(
        self,
        x: Tensor,
        cosine: Tensor,
        sine: Tensor,
        injection: Tensor | None,
        past: KeyValue | None,
    ) -> tuple[Tensor, KeyValue]:
        """`x [batch, length, dim]`, `injection [batch, dim]` (added at every position)."""
        mixed, present = self.attention(self.attention_norm(x), cosine, sine, past)
        x = x + mixed
        if injection is not None:
            x = x + injection.unsqueeze(1)
        return x + self.feed_forward(self.ffn_norm(x)), present


class Llama(nn.Module):
    """The decoder. State-dict names are Meta's."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.tok_embeddings = nn.Embedding(config.vocab_size, config.dim)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm = RMSNorm(config.dim, config.norm_eps)
        self.output = nn.Linear(config.dim, config.vocab_size, bias=False)
        cosine, sine = rotary_table(config)
        self.register_buffer("cosine", cosine, persistent=False)
        self.register_buffer("sine", sine, persistent=False)
        self.cosine: Tensor
        self.sine: Tensor

    def reset_base(self) -> None:
        """Initialise the base weights for training from scratch (normal 0.02, residuals scaled)."""
        scale = 0.02 / (2 * self.config.n_layers) ** 0.5
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2 and "lora" not in name:
                residual = name.endswith(("wo.weight", "w2.weight"))
                nn.init.normal_(parameter, std=scale if residual else 0.02)

    def forward(
        self,
        tokens: Tensor,
        injection: Tensor | None = None,
        past: list[KeyValue] | None = None,
    ) -> tuple[Tensor, list[KeyValue]]:
        """`tokens [batch, length]` (and `injection [batch, layers, dim]`) to the last layer's states
        before the final norm `[batch, length, dim]`, and the cache.

        With `past`, `length` must be 1. Raises ValueError past `max_seq_len`.
        """
        start = past[0][0].shape[2] if past else 0
        end = start + tokens.shape[1]
        if end > self.config.max_seq_len:
            raise ValueError(f"{end} tokens do not fit a context of {self.config.max_seq_len}")
        cosine, sine = self.cosine[start:end], self.sine[start:end]
        x = self.tok_embeddings(tokens)
        cache: list[KeyValue] = []
        for index, layer in enumerate(self.layers):
            added = None if injection is None else injection[:, index]
            x, present = layer(x, cosine, sine, added, past[index] if past else None)
            cache.append(present)
        return x, cache

    def logits(self, hidden: Tensor) -> Tensor:
        """`[..., dim]` (before the final norm) to `[..., vocab]`."""
        return self.output(self.norm(hidden))

    @torch.no_grad()
    def greedy(
        self, tokens: Tensor, injection: Tensor | None, count: int, stop: int | None = None
    ) -> Tensor:
        """Continue prompts of one length `[batch, length]` greedily with the cache: `[batch, <=count]`.

        Ends early once every row has produced `stop`; rows are not padded after it.
        """
        hidden, cache = self(tokens, injection)
        produced: list[Tensor] = []
        finished = torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)
        for _ in range(count):
            token = self.logits(hidden[:, -1]).argmax(-1, keepdim=True)
            produced.append(token)
            if stop is not None:
                finished |= token[:, 0] == stop
                if bool(finished.all()):
                    break
            if cache[0][0].shape[2] >= self.config.max_seq_len:
                break
            hidden, cache = self(token, injection, cache)
        return torch.cat(produced, 1)
