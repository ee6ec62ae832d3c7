"""Answers against gold answers: by words, by required facts, by common runs, by meaning; and the headline of them.

What looks at words looks at normalised tokens: lower case, without punctuation and articles, as the SQuAD script does
(Rajpurkar et al. 2016), with the articles of the language and numbers kept whole (``€1,500.50`` is ``1500.50``).
"""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from assistant.text.printing import CITATION
from assistant.types import Vectors
from eval.cases import Case
from eval.metrics import UNANSWERABLE, Score, score

Embed = Callable[[Sequence[str]], Vectors]
"""Texts to unit vectors (texts, dimension), as ``Embedder.embed_texts`` gives them."""

HEADLINE = ("token_f1", "must_include", "semantic_similarity")
"""What ``correctness`` is the mean of, decided before any run."""

_NO_ANSWERS = "the case has no gold answer"
_NO_FACTS = "the case names no facts"
_ARTICLES = {
    "en": frozenset({"a", "an", "the"}),
    "de": frozenset("der die das den dem des ein eine einen einem einer eines".split()),
}
# One to three digits before the first separator: "2024 150 euros" is a year and an amount.
_THOUSANDS = {
    "en": re.compile(r"(?<!\d)(?<!\d[.,])\d{1,3}(?:,\d{3})+(?!\d)"),
    "de": re.compile(r"(?<!\d)(?<!\d[.,])\d{1,3}(?:[. ']\d{3})+(?!\d)"),
}
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W_]+")
# Of chrF: lengths of the runs of characters, and how much more recall counts.
_ORDERS = range(1, 7)
_BETA = 2


def answer_scores(case: Case, answer: str, refused: bool, embed: Embed) -> dict[str, Score]:
    """All metrics of what was said to one question. A refusal says nothing, which is wrong where there is an answer.

    ``correctness`` is the mean of those parts of ``HEADLINE`` that the case allows: they depend on the case alone,
    so that two systems are judged by the same parts.
    """
    said = "" if refused else answer
    golds, language = case.answers, case.language
    why = UNANSWERABLE if case.unanswerable else _NO_ANSWERS
    scores = {
        "exact_match": score(exact_match(said, golds, language), why),
        "token_f1": score(token_f1(said, golds, language), why),
        "token_recall": score(token_recall(said, golds, language), why),
        "rouge_l": score(rouge_l(said, golds, language), why),
        "chrf": score(chrf(said, golds), why),
        "semantic_similarity": score(semantic_similarity(said, golds, embed), why),
        "must_include": score(
            must_include(said, case.must_include, language), UNANSWERABLE if case.unanswerable else _NO_FACTS
        ),
    }
    return scores | {"correctness": correctness(scores, why)}


def correctness(scores: dict[str, Score], otherwise: str) -> Score:
    """Mean of the parts of ``HEADLINE`` that have a value; without any the reason ``otherwise``."""
    parts = [value for name in HEADLINE if (value := scores[name].value) is not None]
    return score(sum(parts) / len(parts) if parts else None, otherwise)


def tokens(text: str, language: str = "en") -> list[str]:
    """Normalised tokens of an answer; citation markers such as ``[1]`` are no part of it.

    A text of articles alone keeps them: "A" may be a class of energy.
    """
    found = _with_articles(text, language)
    return [token for token in found if token not in _ARTICLES.get(language, frozenset())] or found


def exact_match(answer: str, golds: Sequence[str], language: str = "en") -> float | None:
    """1 if the answer equals one of the gold answers after normalisation, else 0; None without gold."""
    own = tokens(answer, language)
    return max((float(own == tokens(gold, language)) for gold in golds), default=None)


def token_f1(answer: str, golds: Sequence[str], language: str = "en") -> float | None:
    """Best harmonic mean of token precision and recall, 2PR / (P + R), over the gold answers; None without gold.

    Tokens count as often as they occur. Two empty texts agree (1); one empty text agrees with nothing (0).
    """
    own = Counter(tokens(answer, language))
    golds_tokens = [Counter(tokens(gold, language)) for gold in golds]
    return max((_f1((own & gold).total(), own.total(), gold.total()) for gold in golds_tokens), default=None)


def token_recall(answer: str, golds: Sequence[str], language: str = "en") -> float | None:
    """Best share of a gold answer's tokens that the answer has: for wordy answers (Adlakha et al. 2023)."""
    own = Counter(tokens(answer, language))
    golds_tokens = [Counter(tokens(gold, language)) for gold in golds]
    return max(((own & gold).total() / gold.total() for gold in golds_tokens if gold), default=None)


def rouge_l(answer: str, golds: Sequence[str], language: str = "en") -> float | None:
    """Best F1 of the longest common subsequence of normalised tokens, 2L / (n + m) (Lin 2004); None without gold.

    The same as rouge-score's ``rougeL`` where its tokens, ASCII letters and digits, are the same.
    """
    own = tokens(answer, language)
    golds_tokens = [tokens(gold, language) for gold in golds]
    return max((_f1(_common_subsequence(own, gold), len(own), len(gold)) for gold in golds_tokens), default=None)


def chrf(answer: str, golds: Sequence[str]) -> float | None:
    """Best chrF2 over the gold answers, 0..1 (Popović 2015), as sacrebleu computes it by default; None without gold.

    Precision and recall of character 1- to 6-grams without white space, averaged over the lengths that both texts
    have; recall counts beta = 2 times.
    """

    def f_beta(gold: str) -> float:
        both = [(mine, theirs) for mine, theirs in zip(_grams(answer), _grams(gold), strict=True) if mine and theirs]
        shared = [((mine & theirs).total(), mine.total(), theirs.total()) for mine, theirs in both]
        if not any(common for common, _, _ in shared):
            return 0.0
        precision = sum(common / mine for common, mine, _ in shared) / len(shared)
        recall = sum(common / theirs for common, _, theirs in shared) / len(shared)
        return (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall)

    return max(map(f_beta, golds), default=None)


def must_include(answer: str, facts: Sequence[Sequence[str]], language: str = "en") -> float | None:
    """Share of the required facts of which one alias stands in the answer, on word borders; None without facts.

    Like the string match of ALCE (Gao et al. 2023), which matches inside of words too.
    """
    own, every = tokens(answer, language), _with_articles(answer, language)
    found = [
        any(
            _contains(own, tokens(alias, language)) or _contains(every, _with_articles(alias, language))
            for alias in aliases
        )
        for aliases in facts
    ]
    return sum(found) / len(found) if found else None


def semantic_similarity(answer: str, golds: Sequence[str], embed: Embed) -> float | None:
    """Best cosine of the embeddings of an answer and a gold answer, 0..1; below 0 counts as 0. None without gold.

    An answer without words has no meaning and gets 0.
    """
    if not golds:
        return None
    if not answer.strip():
        return 0.0
    vectors = embed([answer, *golds])
    return float(np.clip(vectors[1:] @ vectors[0], 0.0, 1.0).max())


def embedded_once(texts: Iterable[str], embed: Embed) -> Embed:
    """``embed`` for these texts only, each embedded once and all in one batch; another text is a KeyError."""
    distinct = list(dict.fromkeys(texts))
    vectors = embed(distinct)
    rows = {text: row for row, text in enumerate(distinct)}
    return lambda some: vectors[[rows[text] for text in some]]


def _with_articles(text: str, language: str) -> list[str]:
    """Tokens; numbers have a decimal point, whatever the language writes, and no zeros behind it."""
    text = unicodedata.normalize("NFKC", CITATION.sub(" ", text)).casefold()
    thousands = _THOUSANDS.get(language, _THOUSANDS["en"])
    found = []
    for token in _TOKEN.findall(thousands.sub(lambda number: "".join(filter(str.isdecimal, number[0])), text)):
        if token[0].isdigit() and language == "de":
            token = token.replace(",", ".")
        is_decimal = token[0].isdigit() and token.count(".") == 1
        found.append(token.rstrip("0").rstrip(".") if is_decimal else token)
    return found


def _contains(tokens: Sequence[str], part: Sequence[str]) -> bool:
    # No token holds a blank, and a search in one long text never takes the square of its length.
    return bool(part) and f" {' '.join(part)} " in f" {' '.join(tokens)} "


def _f1(shared: int, own: int, wanted: int) -> float:
    """2 shared / (own + wanted); two empty texts agree, one empty text agrees with nothing."""
    return 2 * shared / (own + wanted) if own and wanted else float(not own and not wanted)


def _common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence, a row of the table as the bits of one integer (Hyyrö 2004).

    A table in Python takes seconds for a rambling answer.
    """
    places: dict[str, int] = {}
    for place, token in enumerate(other):
        places[token] = places.get(token, 0) | 1 << place
    everything = (1 << len(other)) - 1
    row = everything
    for token in one:
        matches = row & places.get(token, 0)
        row = (row + matches | row - matches) & everything
    return len(other) - row.bit_count()


@functools.lru_cache(maxsize=1024)
def _grams(text: str) -> tuple[Counter[str], ...]:
    letters = "".join(text.split())
    return tuple(
        Counter(letters[first : first + order] for first in range(len(letters) - order + 1)) for order in _ORDERS
    )
