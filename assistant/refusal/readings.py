"""What an unclear question may mean: several documents answer it, each with values of its own, and it names none.

"What is the deductible?" has an answer in the motor terms and another one in the travel terms. Then the assistant asks
back, with one short reading a document, made from titles and headings.
"""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import combinations

from assistant.refusal.features import Held, windows
from assistant.text.printing import visible
from assistant.text.quantities import quantities
from assistant.text.words import stems
from assistant.types import Evidence

# A question of more words says what it is about.
_FEW_WORDS = 2
# A passage with less of the best score is no reading of its own.
_LIKE_SCORE = 0.75
_MOST_READINGS = 3
_LONGEST_READING = 80
# They ask for a value and name nothing.
_DEGREES = "high large long many much often hoch lange oft viel viele groß"
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class _Reading:
    hit: Evidence
    names: Set[str]
    """Stems of the title and path of its document."""
    values: Set[str]


def readings(there: Held, found: Sequence[Evidence]) -> tuple[str, ...]:
    """Two or three readings of a question; none when it is clear, or when the documents agree."""
    named = there.wanted.keys() - set(stems(_DEGREES, there.language))
    if not 0 < len(named) <= _FEW_WORDS:
        return ()
    likely = [hit for hit in found if hit.score >= _LIKE_SCORE * max(hit.score for hit in found)]
    possible = _one_a_document(likely, named, there.language)
    is_one_meant = any(_telling(one, possible) & named for one in possible)
    # Each names values of its own beside the one that was asked for: how fast it is paid, where to call.
    do_agree = any(one.values & other.values for one, other in combinations(possible, 2))
    # A section that alone is headed by what the question names is the one that is meant.
    is_one_headed = sum(named <= set(stems(_leaf(one.hit), there.language)) for one in possible) == 1
    if len(possible) < 2 or is_one_meant or is_one_headed or do_agree:
        return ()
    return tuple(_short(one.hit) for one in possible[:_MOST_READINGS])


def _one_a_document(found: Sequence[Evidence], named: Set[str], language: str) -> list[_Reading]:
    """The first passage of each document that gives a value for all the question names; editions count once."""
    chosen: dict[str, _Reading] = {}
    for hit in found:
        title = _DIGITS.sub("", hit.title or hit.document).casefold()
        values = _values(hit, named, language)
        if values and title not in chosen:
            chosen[title] = _Reading(hit, frozenset(stems(f"{hit.title} {hit.document}", language)), values)
    return list(chosen.values())


def _values(hit: Evidence, named: Set[str], language: str) -> frozenset[str]:
    """The quantities in the windows that hold all that the question names."""
    return frozenset(
        value
        for text, present in windows(hit, language)
        if named <= present
        for value in quantities(text)
        if value[0].isdigit()
    )


def _telling(one: _Reading, among: Sequence[_Reading]) -> Set[str]:
    """What names the document of one reading and not those of all others."""
    return one.names - frozenset[str].intersection(*(frozenset(other.names) for other in among))


def _short(hit: Evidence) -> str:
    """The title of a document, and the heading of the passage where that says more."""
    title = (hit.title or hit.document).split(" – ")[0].strip()
    heading = _leaf(hit)
    text = title if not heading or heading in title else f"{title}: {heading}"
    text = visible(" ".join(text.split())).rstrip(" .:;,")  # titles come from strangers
    return text if len(text) <= _LONGEST_READING else f"{text[: _LONGEST_READING - 1].rstrip()}…"


def _leaf(hit: Evidence) -> str:
    return hit.heading.rsplit(" > ", 1)[-1].strip()
