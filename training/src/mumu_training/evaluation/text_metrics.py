"""BLEU, METEOR and ROUGE-L: by the papers' protocol, under that name, and by the standard one.

The papers' own script (MU-LLaMA, M2UGen and MuMu-LLaMA share it) gives NLTK's sentence BLEU plain
strings, so it counts characters instead of words, and takes ROUGE-L's recall; its METEOR is the
usual one on NLTK's word and punctuation tokens. The standard protocol is corpus BLEU by sacrebleu,
the same METEOR, and ROUGE-L's F measure by rouge-score. All are 0 to 1 here.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nltk.data
import nltk.translate.bleu_score as nltk_bleu
import sacrebleu
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.tokenize import wordpunct_tokenize
from nltk.translate.meteor_score import meteor_score
from rouge_score.rouge_scorer import RougeScorer

WORDNET = Path("/usr/share/wordnet")
"""WordNet 3.0 as Debian's wordnet-base has it."""
# lexnames(5WN): the files of the lexicographers, which Debian leaves out and NLTK reads first.
_LEXNAMES = {
    "adj": "all pert",
    "adv": "all",
    "noun": "Tops act animal artifact attribute body cognition communication event feeling food "
    "group location motive object person phenomenon plant possession process quantity relation "
    "shape state substance time",
    "verb": "body change cognition communication competition consumption contact creation emotion "
    "motion perception possession social stative weather",
}
_PARTS = {"nou": 1, "ver": 2, "adj": 3, "adv": 4}


class NoWordNet:
    """Stands where WordNet is missing: no word has synonyms."""

    def synsets(self, word: str) -> list[Any]:
        """None."""
        return []


class _WordNet(WordNetCorpusReader):
    """NLTK's reader over WordNet's own files, without the other languages' files it looks for."""

    def open(self, file: str) -> Any:
        """A file of WordNet; the list of the lexicographers' files is made where it is missing."""
        if file != "lexnames":
            return super().open(file)
        names = [f"{part}.{name}" for part, names in _LEXNAMES.items() for name in names.split()]
        # One of adjectives came later and stands last.
        rows = [f"{n:02d} {name} {_PARTS[name[:3]]}" for n, name in enumerate([*names, "adj.ppl"])]
        return io.StringIO("\n".join(rows) + "\n")

    def map_wn(self, version: str = "wordnet") -> None:
        """Numbers of synsets are mapped to another version for other languages only."""


def open_wordnet(folder: Path = WORDNET) -> WordNetCorpusReader | NoWordNet:
    """WordNet for METEOR's synonyms; without its files METEOR matches words and stems only."""
    if not (folder / "index.noun").is_file():
        return NoWordNet()
    # NLTK reads nothing outside the folders it was told of.
    if str(folder) not in nltk.data.path:
        nltk.data.path.append(str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that the other languages are missing
        return _WordNet(str(folder), None)


def meteor(answers: Sequence[str], references: Sequence[str], wordnet: Any) -> list[float]:
    """METEOR of each answer by NLTK on word and punctuation tokens."""
    return [
        float(meteor_score([wordpunct_tokenize(r)], wordpunct_tokenize(a), wordnet=wordnet))
        for a, r in zip(answers, references, strict=True)
    ]


def rouge_l(answers: Sequence[str], references: Sequence[str]) -> list[tuple[float, float]]:
    """Recall and F measure of ROUGE-L, with stemming, of each answer."""
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    scores = [scorer.score(r, a)["rougeL"] for a, r in zip(answers, references, strict=True)]
    return [(float(score.recall), float(score.fmeasure)) for score in scores]


def paper_bleu(answers: Sequence[str], references: Sequence[str]) -> list[float]:
    """The papers' BLEU of each answer: NLTK's sentence BLEU up to four characters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # answers that share no four characters
        return [
            float(nltk_bleu.sentence_bleu([r], a)) for a, r in zip(answers, references, strict=True)
        ]


def standard_bleu(answers: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU by sacrebleu with its defaults (13a tokens, exponential smoothing), 0 to 1."""
    return float(sacrebleu.corpus_bleu(list(answers), [list(references)]).score) / 100
