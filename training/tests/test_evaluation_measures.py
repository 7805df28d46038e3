"""Each measure agrees with its own library, or with music whose measure is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nltk.translate.bleu_score as nltk_bleu
import numpy as np
import onnx
import pytest
import sacrebleu
import soundfile
from nltk.stem.porter import PorterStemmer
from numpy.typing import NDArray
from onnx import TensorProto, helper
from rouge_score import rouge_scorer
from scipy import linalg

from mumu_training.evaluation.caption import score
from mumu_training.evaluation.editing import EDITS, exact
from mumu_training.evaluation.editing_parts import levelled
from mumu_training.evaluation.embedding import load_embedding
from mumu_training.evaluation.marks import chances, compare_marks, marks_table
from mumu_training.evaluation.music_measures import (
    beat_tempo,
    frechet_distance,
    level,
    log_spectral_distance,
    onset_rate,
    pitch_shift,
    spectral,
)
from mumu_training.evaluation.report import Outcome, write
from mumu_training.evaluation.statistics import bootstrap_interval, ratio_interval
from mumu_training.evaluation.text2music import likeness
from mumu_training.evaluation.text_metrics import (
    WORDNET,
    NoWordNet,
    meteor,
    open_wordnet,
    paper_bleu,
    rouge_l,
    standard_bleu,
)

RATE = 24_000
ANSWERS = [
    "This is a fast happy rock piece. The main instrument is a piano.",
    "The music is slow.",
    "A violin plays a sad waltz at 90 bpm.",
]
REFERENCES = [
    "This is a fast energetic rock piece. The main instrument is a guitar.",
    "The music is slow and calm.",
    "This is a slow sad waltz. The main instrument is a violin.",
]


def test_standard_bleu_is_sacrebleus() -> None:
    assert standard_bleu(ANSWERS, ANSWERS) == pytest.approx(1)
    expected = sacrebleu.BLEU().corpus_score(ANSWERS, [REFERENCES]).score / 100
    assert standard_bleu(ANSWERS, REFERENCES) == pytest.approx(expected)
    # Two words of two, no longer n-gram: checked by hand, exp smoothing halves twice.
    assert standard_bleu(["a b c d e"], ["a b c d e f"]) == pytest.approx(np.exp(1 - 6 / 5))


def test_the_papers_bleu_counts_characters() -> None:
    ours = paper_bleu(["abcde"], ["abcdef"])
    assert ours == [pytest.approx(nltk_bleu.sentence_bleu([list("abcdef")], list("abcde")))]
    assert ours == [pytest.approx(np.exp(1 - 6 / 5))]


def test_rouge_l_is_rouge_scores_and_the_papers_is_its_recall() -> None:
    # Longest common subsequence: 3 of 4 words of the reference, of 5 of the answer.
    recall, measure = rouge_l(["one two x y three"], ["one two three four"])[0]
    assert recall == pytest.approx(3 / 4)
    assert measure == pytest.approx(2 * (3 / 4) * (3 / 5) / (3 / 4 + 3 / 5))
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    for answer, reference, ours in zip(
        ANSWERS, REFERENCES, rouge_l(ANSWERS, REFERENCES), strict=True
    ):
        score = scorer.score(reference, answer)["rougeL"]
        assert ours == (pytest.approx(score.recall), pytest.approx(score.fmeasure))


def test_meteor_on_a_worked_example() -> None:
    # Six words, all found in one chunk: F = 1, penalty 0.5 (1/6)^3 (Lavie and Agarwal, 2007).
    text = "the cat sat on the mat"
    assert meteor([text], [text], NoWordNet()) == [pytest.approx(1 - 0.5 * (1 / 6) ** 3)]
    # Three of six words found in two chunks: P 1, R 1/2, F = PR / (0.9 P + 0.1 R).
    mean = 0.5 / (0.9 * 1 + 0.1 * 0.5)
    ours = meteor(["cat sat mat"], [text], NoWordNet())
    assert ours == [pytest.approx(mean * (1 - 0.5 * (2 / 3) ** 3))]
    assert PorterStemmer().stem("plays") == PorterStemmer().stem("play")
    assert meteor(["plays"], ["play"], NoWordNet())[0] > 0


@pytest.mark.skipif(not (WORDNET / "index.noun").is_file(), reason="WordNet is not installed")
def test_meteor_knows_synonyms_by_wordnet() -> None:
    wordnet: Any = open_wordnet()
    assert meteor(["a drum"], ["a tympan"], wordnet) > meteor(["a drum"], ["a tympan"], NoWordNet())


def test_frechet_distance_is_scipys_formula() -> None:
    rng = np.random.default_rng(0)
    made = rng.normal(0, 1, (60, 5)) @ rng.normal(0, 1, (5, 5))
    true = rng.normal(0.5, 2, (80, 5))
    first, second = np.cov(made, rowvar=False), np.cov(true, rowvar=False)
    root = np.real(linalg.sqrtm(first @ second))
    expected = ((made.mean(0) - true.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
    assert frechet_distance(made, true) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(made, made) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(made, made + 3) == pytest.approx(45, rel=1e-6)
    with pytest.raises(ValueError, match="at least two"):
        frechet_distance(made[:1], true)


def plucks(per_second: float, seconds: float = 8.0, pitch: float = 440) -> NDArray[np.float32]:
    """Decaying tones over a little noise, as a room would have."""
    samples = np.random.default_rng(0).normal(0, 2e-3, round(RATE * seconds))
    time = np.arange(RATE // 5) / RATE
    tone = np.sin(2 * np.pi * pitch * time) + 0.5 * np.sin(4 * np.pi * pitch * time)
    pluck = 0.4 * tone * np.exp(-time * 30) * np.linspace(1, 0, len(time))
    for note in range(int(seconds * per_second)):
        start = round(note * RATE / per_second) + 100
        room = len(samples[start : start + len(pluck)])
        samples[start : start + room] += pluck[:room]
    return samples.astype(np.float32)


def test_onset_rate_and_tempo() -> None:
    # librosa's picker hears more onsets than notes, but twice the notes are twice the onsets.
    ratio = onset_rate(plucks(4), RATE) / onset_rate(plucks(2), RATE)
    assert ratio == pytest.approx(2, abs=0.2)
    assert beat_tempo(plucks(2), RATE) == pytest.approx(120, rel=0.03)


def test_level_sees_silence_and_clipping() -> None:
    samples = plucks(2, 2.0)[:, None]
    assert not level(samples * 0.4)["silent"]
    assert not level(samples * 0.4)["clipped"]
    assert level(np.clip(samples * 20, -1, 1))["clipped"]
    assert level(samples * 0)["silent"]


def test_spectral_measures_follow_the_pitch() -> None:
    time = np.arange(RATE) / RATE
    low, high = (
        spectral(np.sin(2 * np.pi * pitch * time).astype(np.float32), RATE) for pitch in (440, 1760)
    )
    assert low["centroid"] == pytest.approx(440, rel=0.15)
    assert high["centroid"] == pytest.approx(1760, rel=0.15)
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert spectral(noise, RATE)["flatness"] > 20 * low["flatness"]


def test_log_spectral_distance_of_a_gain_is_the_gain() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, RATE).astype(np.float32)
    assert log_spectral_distance(noise, noise) == 0
    assert log_spectral_distance(noise * 0.5, noise) == pytest.approx(6.02, abs=0.05)


@pytest.mark.parametrize("cents", [-200, -100, 0, 100, 200])
def test_a_shift_of_pitch_is_measured(cents: int) -> None:
    shifted = plucks(3, 4.0, 440 * 2 ** (cents / 1200))
    assert pitch_shift(shifted, plucks(3, 4.0), RATE) == pytest.approx(cents, abs=20)


def test_exact_edits_do_what_they_say(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    song = plucks(3, 4.0)
    soundfile.write(path, song, RATE)
    by_name = {edit.name: edit for edit in EDITS}
    assert len(by_name) == 8
    longer = exact(path, by_name["duration x 1.3"])
    assert len(longer) / len(song) == pytest.approx(1.3, rel=0.02)
    assert pitch_shift(longer, song, RATE) == pytest.approx(0, abs=20)
    lower = exact(path, by_name["pitch -200 cents"])
    assert len(lower) / len(song) == pytest.approx(1, rel=0.02)
    assert pitch_shift(lower, song, RATE) == pytest.approx(-200, abs=20)
    assert np.sqrt(np.mean(levelled(lower) ** 2)) == pytest.approx(0.1, rel=1e-3)


def test_likeness_tells_seeds_apart() -> None:
    song = plucks(3, 3.0)
    assert likeness(song, song) == pytest.approx(1, abs=1e-3)
    assert likeness(song, np.roll(song, 500) * 0.5) > 0.9
    other = np.random.default_rng(3).normal(0, 0.1, len(song)).astype(np.float32)
    assert likeness(song, other) < 0.2


def test_a_ratio_stands_beside_its_interval() -> None:
    made, true = [1.0] * 30 + [0.0] * 20, [1.0] * 45 + [0.0] * 5
    entry = compare_marks({"tempo": made}, {"tempo": true})["tempo"]
    assert entry["ratio"] == pytest.approx(0.6 / 0.9)
    low, high = ratio_interval(made, true)
    assert entry["ratio_interval"] == (low, high)
    assert 0.45 < low < 0.6 / 0.9 < high < 0.87


def test_marks_stand_beside_chance_and_anothers() -> None:
    ours, others, true = [1.0, 1.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0] * 4
    names = ("instrument", "tempo half or double")
    made, swapped, ceiling = (dict.fromkeys(names, v) for v in (ours, others, true))
    entries = compare_marks(made, ceiling, swapped, {"instrument": 0.25})
    entry = entries["instrument"]
    assert (entry["swapped"], entry["difference"], entry["chance"]) == (0.25, 0.5, 0.25)
    # Paired: the interval of the differences, piece by piece.
    assert entry["difference_interval"] == bootstrap_interval([1, 0, 1, 0])
    assert entries["tempo half or double"]["chance"] is None
    text = marks_table(entries).markdown()
    assert "| ratio (95 %) | chance | for another's | difference (95 %) |" in text
    assert "| 25% | 25% | +50% (+0% to +100%) |" in text
    assert "| - | - | 25% |" in text
    assert "chance" not in marks_table(compare_marks(made, ceiling)).markdown()


def test_chance_is_the_best_constant_answer() -> None:
    wishes = [
        {"tempo": tempo, "instrument": instrument}
        for tempo, instrument in [(70.0, "organ"), (140.0, "organ"), (160.0, "flute"), (100.0, "x")]
    ]
    # 149 is within 8 % of both 140 and 160.
    assert chances(wishes) == {"tempo": 0.5, "tempo by librosa": 0.5, "instrument": 0.5}


def test_a_report_is_json_for_every_parser(tmp_path: Path) -> None:
    entry = compare_marks({"mood": [1.0, 0.0]}, {"mood": [0.0, 0.0]})
    assert entry["mood"]["ratio"] is entry["mood"]["ratio_interval"] is None
    assert "| 0% (0% to 0%) | - |" in marks_table(entry).markdown()
    found = {"marks": entry, "broken": [float("nan"), {"more": (float("inf"), 1.5)}]}
    written = write(Outcome("some", "Some.", found, rows=[{"x": float("-inf")}]), tmp_path)[0]

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    document = json.loads(written.read_text(), parse_constant=refuse)
    assert document["results"]["broken"] == [None, {"more": [None, 1.5]}]
    assert document["results"]["marks"]["mood"]["ratio"] is None
    assert document["rows"] == [{"x": None}]


def test_descriptions_are_compared_with_other_songs_by_song() -> None:
    partners = [1, 2, 0]
    results = score(ANSWERS, REFERENCES, partners, NoWordNet())
    assert set(results) == {"own", "swapped", "difference"}
    others = [ANSWERS[partner] for partner in partners]
    own, swapped = (meteor(answers, REFERENCES, NoWordNet()) for answers in (ANSWERS, others))
    difference = results["difference"]["METEOR"]
    assert difference["value"] == pytest.approx(np.mean(own) - np.mean(swapped))
    assert difference["interval"] == bootstrap_interval(np.subtract(own, swapped))
    assert results["difference"]["BLEU"]["value"] == pytest.approx(
        standard_bleu(ANSWERS, REFERENCES) - standard_bleu(others, REFERENCES)
    )
    low, high = results["difference"]["BLEU"]["interval"]
    assert low < results["difference"]["BLEU"]["value"] < high
    # The same answers twice: each resample takes the same songs of both.
    same = score(ANSWERS, REFERENCES, [0, 1, 2], NoWordNet())["difference"]
    assert all(entry == {"value": 0, "interval": (0, 0)} for entry in same.values())


def test_an_embedding_comes_from_an_onnx_file(tmp_path: Path) -> None:
    # One frame of three numbers: the sum of the samples times (1, 2, 3).
    graph = helper.make_graph(
        [
            helper.make_node("ReduceSum", ["wave", "axis"], ["sum"], keepdims=1),
            helper.make_node("Mul", ["sum", "weights"], ["frames"]),
        ],
        "embedding",
        [helper.make_tensor_value_info("wave", TensorProto.FLOAT, [1, "samples"])],
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, [1, 3])],
        [
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
            helper.make_tensor("weights", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0]),
        ],
    )
    path = tmp_path / "embedding.onnx"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    embed = load_embedding(path, RATE)
    np.testing.assert_allclose(embed(np.full(10, 0.5, np.float32)), [5, 10, 15], rtol=1e-5)
    with pytest.raises(FileNotFoundError):
        load_embedding(tmp_path / "none.onnx")
