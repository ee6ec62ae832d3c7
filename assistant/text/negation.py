"""What a text denies: each word of negation with the words that it bears on.

``not covered``, ``excluded`` and ``nicht versichert`` deny that something is covered. Which words a negation bears on
is told by their place: the next two words that carry meaning, or the two before it where the clause ends.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache

from assistant.text.lexicon import forms, table, vocabulary, whole_words
from assistant.text.words import stems, words

_CONTRACTION = re.compile(r"\b(ca|wo|\w+)n['’]t\b", re.IGNORECASE)
_CONTRACTED = {"ca": "can", "wo": "will"}
# Words with a meaning that a negation bears on: another wording seldom shares more of them (docs/log.md, "Support").
_REACH = 2


@dataclass(frozen=True, slots=True)
class Denial:
    """A word of negation, and the stems that it bears on, the nearest first."""

    word: str
    stems: tuple[str, ...]

    def is_like(self, other: "Denial") -> bool:
        """Whether two texts deny the same with it: what is nearest, or all that the shorter one names."""
        own, its = set(self.stems), set(other.stems)
        return self.stems[0] == other.stems[0] or own <= its or its <= own


def denials(text: str, language: str) -> list[Denial]:
    """What a text denies, in order."""
    idiom, clause_end = _patterns(language)
    clauses = map(words, clause_end.split(idiom.sub(" ", without_contractions(text))))
    return [denial for clause in clauses if clause for denial in _in_clause(clause, language)]


@cache
def _patterns(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Words of negation that deny nothing, as in "without delay", and where a clause ends."""
    ends = rf"(?<![.,;|!?()–])[.,;|!?()–]++(?=\s|$)|\n|\b(?:{forms('adversative', language)})\b"
    return whole_words(forms("idioms", language)), re.compile(ends)


@cache
def _words(language: str) -> tuple[Set[str], Mapping[str, str], Set[str]]:
    """Words that deny, what they turn round, and those without a meaning that could be denied."""
    negations = vocabulary("negations", language)
    grammar = (vocabulary("stopwords", language) - vocabulary("meaning_if_denied", language)) | negations
    return negations, table("opposites", language), grammar


def without_contractions(text: str) -> str:
    """``isn't`` as ``is not``."""
    return _CONTRACTION.sub(lambda match: f"{_CONTRACTED.get(match[1].lower(), match[1])} not", text)


def affirmed(text: str, language: str) -> str:
    """``text`` with each word that denies another in the place of both: ``excluded`` becomes ``covered``."""
    opposites = table("opposites", language)
    return re.sub(r"[^\W\d_]+", lambda found: opposites.get(found[0].casefold(), found[0]), without_contractions(text))


def contradiction(claim: Sequence[Denial], passage: Sequence[Denial], claimed: Set[str]) -> Denial | None:
    """What one of two texts denies and the other does not; ``claimed`` are the stems of the claim."""
    for denial in claim:
        if not any(denial.is_like(other) for other in passage):
            return denial
    about = (denial for denial in passage if claimed >= set(denial.stems))
    return next((denial for denial in about if not any(denial.is_like(other) for other in claim)), None)


def _in_clause(clause: Sequence[str], language: str) -> list[Denial]:
    found: list[Denial] = []
    negations, opposites, grammar = _words(language)
    carrying = [(place, word) for place, word in enumerate(clause) if word not in grammar and word.isalpha()]
    content = [(place, opposites.get(word, word)) for place, word in carrying]
    for place, word in enumerate(clause):
        if word not in negations and word not in opposites:
            continue
        passed = bisect_left(content, (place,))
        near = content[passed : passed + _REACH] or content[max(0, passed - _REACH) : passed]
        reach = [meant for _, meant in (near[:1] if word in opposites else near)]
        bears_on = tuple(stems(" ".join(reach), language))
        if found and bears_on and found[-1].stems[0] == bears_on[0]:
            found.pop()  # "nothing is not known", "not excluded": two of them affirm
        elif bears_on:
            found.append(Denial(word, bears_on))
    return found
