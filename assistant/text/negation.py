"""What a text denies: each word of negation with the words that it bears on.

``not covered``, ``excluded`` and ``nicht versichert`` deny that something is covered. Which words a negation bears on
is told by their place: the next two words that carry meaning, or the two before it where the clause ends.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence, Set
from dataclasses import dataclass

from assistant.text.stopwords import STOPWORDS
from assistant.text.words import stems, words

_CUES = frozenset(
    """
    not no never none neither nor nobody nothing without unless except cannot
    nicht kein keine keinem keinen keiner keines nie niemals nichts niemand ohne weder außer
    """.split()
)
# A word that denies another one says as much as "not" and that word.
OPPOSITES = {
    "excluded": "covered", "excludes": "covers", "exclude": "cover", "uninsured": "insured", "invalid": "valid",
    "forbidden": "allowed", "prohibited": "allowed", "impossible": "possible", "insufficient": "sufficient",
    "unnecessary": "necessary", "unlimited": "limited", "rejected": "accepted", "declined": "accepted",
    "refused": "accepted",
    "ausgeschlossen": "versichert", "unversichert": "versichert", "ungültig": "gültig", "unzulässig": "zulässig",
    "verboten": "erlaubt", "unmöglich": "möglich", "unbegrenzt": "begrenzt", "abgelehnt": "angenommen",
}  # fmt: skip
# Words of negation that deny nothing.
_IDIOM = re.compile(
    r"\b(?:without (?:undue )?delay|no-claims?|no matter|ohne weiteres|ohne schuldhaftes zögern"
    # These bound a number: assistant.text.quantities sees to them.
    r"|(?:not|no) (?:later|more|less|earlier|longer) than|nicht (?:später|mehr|weniger|länger) als)\b",
    re.IGNORECASE,
)
_CONTRACTION = re.compile(r"\b(ca|wo|\w+)n['’]t\b", re.IGNORECASE)
_CONTRACTED = {"ca": "can", "wo": "will"}
_CLAUSE_END = re.compile(r"(?<![.,;|!?()–])[.,;|!?()–]++(?=\s|$)|\n|\b(?:but|aber|sondern)\b")
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
    clauses = _CLAUSE_END.split(_IDIOM.sub(" ", without_contractions(text)))
    return [denial for clause in clauses for denial in _in_clause(words(clause), language)]


def without_contractions(text: str) -> str:
    """``isn't`` as ``is not``."""
    return _CONTRACTION.sub(lambda match: f"{_CONTRACTED.get(match[1].lower(), match[1])} not", text)


def affirmed(text: str) -> str:
    """``text`` with each word that denies another in the place of both: ``excluded`` becomes ``covered``."""
    text = without_contractions(text)
    return re.sub(r"[^\W\d_]+", lambda match: OPPOSITES.get(match[0].casefold(), match[0]), text)


def contradiction(claim: Sequence[Denial], passage: Sequence[Denial], claimed: Set[str]) -> Denial | None:
    """What one of two texts denies and the other does not; ``claimed`` are the stems of the claim."""
    for denial in claim:
        if not any(denial.is_like(other) for other in passage):
            return denial
    about = (denial for denial in passage if claimed >= set(denial.stems))
    return next((denial for denial in about if not any(denial.is_like(other) for other in claim)), None)


def _in_clause(clause: Sequence[str], language: str) -> list[Denial]:
    found: list[Denial] = []
    content = [(place, OPPOSITES.get(word, word)) for place, word in enumerate(clause) if _is_content(word)]
    for place, word in enumerate(clause):
        if word not in _CUES and word not in OPPOSITES:
            continue
        passed = bisect_left(content, (place,))
        near = content[passed : passed + _REACH] or content[max(0, passed - _REACH) : passed]
        reach = [meant for _, meant in (near[:1] if word in OPPOSITES else near)]
        bears_on = tuple(stems(" ".join(reach), language))
        if found and bears_on and found[-1].stems[0] == bears_on[0]:
            found.pop()  # "nothing is not known", "not excluded": two of them affirm
        elif bears_on:
            found.append(Denial(word, bears_on))
    return found


def _is_content(word: str) -> bool:
    """Whether a word carries meaning; "only" does when it is denied."""
    return (word not in STOPWORDS or word == "nur") and word not in _CUES and word.isalpha()
