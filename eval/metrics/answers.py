"""Answers against gold answers: exact match, token F1, token recall, required facts.

All of them look at normalised tokens: lower case, without punctuation and articles, as the SQuAD script does
(Rajpurkar et al. 2016), with the articles of the language and numbers kept whole (``€1,500.50`` is ``1500.50``).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

_ARTICLES = {
    "en": frozenset({"a", "an", "the"}),
    "de": frozenset("der die das den dem des ein eine einen einem einer eines".split()),
}
# One to three digits before the first separator: "2024 150 euros" is a year and an amount.
_THOUSANDS = {
    "en": re.compile(r"(?<!\d)(?<!\d[.,])\d{1,3}(?:,\d{3})+(?!\d)"),
    "de": re.compile(r"(?<!\d)(?<!\d[.,])\d{1,3}(?:[. ']\d{3})+(?!\d)"),
}
_SEPARATOR = re.compile(r"\D")
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W_]+")
_MARKER = re.compile(r"\[\d+(?:\s*,\s*\d+)*\]")


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
    own = tokens(answer, language)
    return max((_f1(own, tokens(gold, language)) for gold in golds), default=None)


def token_recall(answer: str, golds: Sequence[str], language: str = "en") -> float | None:
    """Best share of a gold answer's tokens that the answer has: for wordy answers (Adlakha et al. 2023)."""
    own = Counter(tokens(answer, language))
    scores = []
    for gold in golds:
        wanted = Counter(tokens(gold, language))
        if wanted:
            scores.append((own & wanted).total() / wanted.total())
    return max(scores, default=None)


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


def _with_articles(text: str, language: str) -> list[str]:
    text = unicodedata.normalize("NFKC", _MARKER.sub(" ", text)).casefold()
    thousands = _THOUSANDS.get(language, _THOUSANDS["en"])
    text = thousands.sub(lambda number: _SEPARATOR.sub("", number[0]), text)
    return [_number(token, language) for token in _TOKEN.findall(text)]


def _number(token: str, language: str) -> str:
    """Numbers with a decimal point, whatever the language writes, and without zeros behind it."""
    if not token[0].isdigit():
        return token
    token = token.replace(",", ".") if language == "de" else token
    return token.rstrip("0").rstrip(".") if token.count(".") == 1 else token


def _f1(own: Sequence[str], wanted: Sequence[str]) -> float:
    if not own or not wanted:
        return float(not own and not wanted)
    shared = (Counter(own) & Counter(wanted)).total()
    return 2 * shared / (len(own) + len(wanted))


def _contains(tokens: Sequence[str], part: Sequence[str]) -> bool:
    # No token holds a blank, and a search in one long text never takes the square of its length.
    return bool(part) and f" {' '.join(part)} " in f" {' '.join(tokens)} "
