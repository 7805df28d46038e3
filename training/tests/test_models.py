"""The models: injection against the plain adapter attention, cache, rotary, shapes, names."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional
from transformers import LlamaConfig as HubLlamaConfig
from transformers import LlamaForCausalLM

from mumu_training import parity
from mumu_training.models.adapters import VideoAdapter
from mumu_training.models.audio_encoder import (
    band_plan,
    build_audio_encoder,
    frames_of,
    gabor_bank,
    hidden_states,
    start_as_filter_bank,
)
from mumu_training.models.image_encoder import build_image_encoder, image_states, image_tokens
from mumu_training.models.llama import Llama, LlamaConfig
from mumu_training.models.mumu import Mumu, module_name, published_name
from mumu_training.models.video_encoder import build_video_encoder, sample_evenly, video_states
from understanding_support import AUDIO, IMAGE, VIDEO


@pytest.fixture(scope="module")
def mumu() -> Mumu:
    return parity.small_model(3)


def test_injection_equals_attention_to_a_prefix_of_one(mumu: Mumu) -> None:
    """LLaMA-Adapter's own formula, with every query, key and softmax written out."""
    features = [torch.randn(2, 64) for _ in range(3)]
    injected = mumu.injection(features, 2)
    assert injected.shape == (2, 8, 64)
    assert injected[:, :2].abs().max() == 0
    for index, layer in enumerate(mumu.injected_layers()):
        attention = mumu.llama.layers[layer].attention
        prefix = features[index // 2] + mumu.prefix_query.weight[index]
        x = torch.randn(2, 5, 64)
        query = attention.wq(x).view(2, 5, 4, 16).transpose(1, 2)
        key = attention.wk(prefix).view(2, 1, 4, 16).transpose(1, 2)
        value = attention.wv(prefix).view(2, 1, 4, 16).transpose(1, 2)
        weights = torch.softmax(query @ key.transpose(2, 3) / 4, dim=-1)
        mixed = (attention.gate.tanh() * (weights @ value)).transpose(1, 2).reshape(2, 5, 64)
        added = mixed @ attention.wo.weight.T + attention.lora_wo_l2(attention.lora_wo_l1(mixed))
        assert torch.allclose(added, injected[:, layer, None].expand(2, 5, 64), atol=1e-5)


def test_absent_modality_leaves_the_prefix_alone(mumu: Mumu) -> None:
    zeros = torch.zeros(2, 64)
    assert torch.equal(mumu.injection([None] * 3, 2), mumu.injection([zeros] * 3, 2))


def test_cache_gives_the_greedy_tokens_of_the_whole_sequence(mumu: Mumu) -> None:
    tokens = torch.randint(0, 96, (2, 7), generator=torch.Generator().manual_seed(1))
    injection = mumu.injection([torch.randn(2, 64), None, None], 2)
    produced = mumu.llama.greedy(tokens, injection, 24)
    whole = tokens
    with torch.no_grad():
        for _ in range(24):
            hidden, _ = mumu.llama(whole, injection)
            whole = torch.cat((whole, mumu.llama.logits(hidden[:, -1]).argmax(-1)[:, None]), 1)
    assert torch.equal(produced, whole[:, 7:])


def test_too_long_a_sequence_is_refused(mumu: Mumu) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        mumu.llama(torch.zeros(1, 129, dtype=torch.long))


def test_llama_equals_transformers() -> None:
    """Same weights in Hugging Face's layout (half-split rotary): same logits."""
    config = LlamaConfig(dim=32, n_layers=2, n_heads=4, vocab_size=50, hidden_dim=48)
    ours = Llama(config).eval()
    ours.reset_base()
    hub = LlamaForCausalLM(
        HubLlamaConfig(
            vocab_size=50,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            rms_norm_eps=1e-5,
            tie_word_embeddings=False,
        )
    ).eval()

    def half_split(weight: torch.Tensor) -> torch.Tensor:
        return weight.view(4, 4, 2, 32).transpose(1, 2).reshape(32, 32)

    state = {
        "model.embed_tokens.weight": ours.tok_embeddings.weight,
        "model.norm.weight": ours.norm.weight,
        "lm_head.weight": ours.output.weight,
    }
    for index, layer in enumerate(ours.layers):
        head = f"model.layers.{index}."
        attention, mlp = layer.attention, layer.feed_forward
        state |= {
            head + "self_attn.q_proj.weight": half_split(attention.wq.weight),
            head + "self_attn.k_proj.weight": half_split(attention.wk.weight),
            head + "self_attn.v_proj.weight": attention.wv.weight,
            head + "self_attn.o_proj.weight": attention.wo.weight,
            head + "mlp.gate_proj.weight": mlp.w1.weight,
            head + "mlp.down_proj.weight": mlp.w2.weight,
            head + "mlp.up_proj.weight": mlp.w3.weight,
            head + "input_layernorm.weight": layer.attention_norm.weight,
            head + "post_attention_layernorm.weight": layer.ffn_norm.weight,
        }
    hub.load_state_dict(state)
    tokens = torch.randint(0, 50, (3, 17))
    with torch.no_grad():
        hidden, _ = ours(tokens)
        assert torch.allclose(ours.logits(hidden), hub(tokens).logits, atol=1e-5)


def test_adapters_give_features_of_llamas_width(mumu: Mumu) -> None:
    assert mumu.mu_mert(torch.randn(2, 4, 31, 24)).shape == (2, 64)
    assert mumu.iu_vit(torch.randn(2, 17, 20)).shape == (2, 64)
    assert mumu.iu_vivit(torch.randn(2, 65, 28)).shape == (2, 64)


def test_audio_adapter_does_not_care_how_loud_states_are(mumu: Mumu) -> None:
    """Frames are L2-normalised after the layers are mixed (without the mixing's bias)."""
    with torch.no_grad():
        mumu.mu_mert.agg.bias.zero_()
    hidden = torch.randn(2, 4, 31, 24)
    assert torch.allclose(mumu.mu_mert(hidden), mumu.mu_mert(7 * hidden), atol=1e-5)


def test_video_adapter_averages_positions_and_drops_the_class_token() -> None:
    adapter = VideoAdapter(4, 12, 16)
    states = torch.randn(2, 1 + 4 * 9, 12)
    moved = states.clone()
    moved[:, 0] += 5
    moved[:, 1:10] = moved[:, 1:10].flip(1)
    assert torch.allclose(adapter(states), adapter(moved), atol=1e-6)
    with pytest.raises(ValueError, match="do not divide"):
        adapter(torch.randn(2, 36, 12))


def test_projector_gives_the_condition(mumu: Mumu) -> None:
    assert mumu.condition(torch.randn(3, 8, 64), torch.arange(88, 96)).shape == (3, 12, 40)


def test_published_names_and_back(mumu: Mumu) -> None:
    state = mumu.published_state()
    for name in (
        "mu_mert_agg.weight",
        "mu_mert_rnn.weight_ih_l0",
        "mu_mert_attention.bias",
        "mu_mert_f3_2.weight",
        "iu_vit_norm_1.weight",
        "iu_vivit_proj.bias",
        "prefix_query.weight",
        "llama.layers.0.attention.lora_wq_l1.weight",
        "llama.layers.7.attention.gate",
        "llama.layers.3.feed_forward.w2.bias",
        "output_projector.tfm.encoder.layers.0.norm1.weight",
        "output_projector.query_embs",
    ):
        assert name in state
    assert state["llama.layers.7.attention.gate"].shape == (1, 4, 1, 1)
    for name in mumu.state_dict():
        assert module_name(published_name(name)) == name
    other = parity.small_model(4)
    other.load_published(state)
    assert all(torch.equal(other.state_dict()[n], v) for n, v in mumu.state_dict().items())


def test_audio_encoder_frames_and_states() -> None:
    model = build_audio_encoder(AUDIO)
    start_as_filter_bank(model, AUDIO["sampling_rate"])
    with torch.no_grad():
        states = hidden_states(model.eval(), torch.randn(2, 6000))
    assert states.shape == (2, 1 + AUDIO["num_hidden_layers"], frames_of(AUDIO, 6000), 24)
    assert bool(torch.isfinite(states).all())


def test_gabor_bank_hears_its_own_band() -> None:
    """A sine excites most the filters whose phases together peak at its frequency."""
    bank = torch.from_numpy(gabor_bank(16, 480, 24000))
    spectrum = torch.fft.rfft(bank, 4800).abs()
    peaks = spectrum.argmax(1) * 5.0  # Hz
    assert bool((peaks[::4].diff() > 0).all())
    tone = torch.sin(2 * torch.pi * peaks[20] * torch.arange(4800) / 24000)
    energy = functional.conv1d(tone[None, None], bank[:, None]).square().mean(-1)[0]
    assert abs(int(energy.view(-1, 4).sum(1).argmax()) - 5) <= 1


def test_long_bank_tells_semitones_apart() -> None:
    """A tone on a band's centre excites it at least twice as much as the bands a semitone away."""
    plan = band_plan(78, 3072, 24000)
    bank = torch.from_numpy(gabor_bank(78, 3072, 24000))
    assert len(plan) * 4 == len(bank)
    time = torch.arange(12000) / 24000
    # From E4 on: below, 128 ms are too short for a semitone.
    first = next(i for i, (hertz, length) in enumerate(plan) if hertz > 320 and length > 960)
    for band in range(first, first + 36):
        tone = torch.sin(2 * torch.pi * plan[band][0] * time)
        energy = functional.conv1d(tone[None, None], bank[:, None]).square().mean(-1)[0]
        heard = energy.view(-1, 4).sum(1)
        assert int(heard.argmax()) == band
        assert float(heard[band]) > 2 * float(heard[band - 1 : band + 2].sum() - heard[band]) / 2


def test_image_and_video_encoders() -> None:
    with torch.no_grad():
        image = image_states(build_image_encoder(IMAGE).eval(), torch.randn(2, 3, 32, 32))
        video = video_states(build_video_encoder(VIDEO).eval(), torch.randn(2, 8, 3, 32, 32))
    assert image.shape == (2, image_tokens(IMAGE), 16)
    assert video.shape == (2, 1 + 4 * 16, 16)


def test_frames_are_sampled_evenly() -> None:
    assert sample_evenly(16, 16) == list(range(16))
    assert sample_evenly(32, 4) == [4, 12, 20, 28]
    assert sample_evenly(2, 4) == [0, 0, 1, 1]


@pytest.mark.parametrize("component", sorted(parity.COMPONENTS))
def test_parity_files(component: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    parity.write_parity(component, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {
        "config.json",
        "model.safetensors",
        "cases.safetensors",
    }
