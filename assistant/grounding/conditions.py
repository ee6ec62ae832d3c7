"""What limits a quotation and stands behind it in its section: "The cover exists only if the bicycle was locked."

A sentence limits another if it denies, restricts or ends something, and either points back to it ("This does not apply
to students", "Excluded are …") or begins with words of which that one holds most.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice, takewhile

from assistant.grounding.spans import Span, spans
from assistant.text.lexicon import forms, grammar, vocabulary
from assistant.text.negation import denials
from assistant.text.words import stems, words
from assistant.types import Evidence

# So many words with a meaning tell what a sentence speaks of (docs/log.md).
_TOPIC = 3
_MOST = 2
_LONGEST = 300


def conditions(hit: Evidence, end: int, quoted: str) -> Iterator[Span]:
    """The spans of a passage, at most two, that limit what was ``quoted`` of it up to ``end``."""
    heading = hit.block_at(hit.start + end).heading
    said = frozenset(stems(quoted, hit.language))
    behind = (span for span in spans(hit) if span.start >= end and not (span.is_pair or span.row))
    section = takewhile(lambda span: hit.block_at(hit.start + span.start).heading == heading, behind)

    back = frozenset[str]().union(*(vocabulary(kind, hit.language) for kind in ("demonstratives", "anaphora")))
    idle = grammar(hit.language) | vocabulary("negations", hit.language)

    def limits(place: int, text: str) -> bool:
        if len(text) > _LONGEST or not (_restricts(hit.language).search(text) or denials(text, hit.language)):
            return False
        its = [word for word in words(text) if len(word) > 1 and word.isalpha()]
        if not place and its[:1] and (its[0] in back or _restricts(hit.language).fullmatch(its[0])):
            return True
        topic = stems(" ".join([word for word in its if word not in idle][:_TOPIC]), hit.language)
        return len(said.intersection(topic)) > len(topic) / 2

    found = (span for place, span in enumerate(section) if limits(place, hit.text[span.start : span.end]))
    return islice(found, _MOST)


@cache
def _restricts(language: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{forms('restrictions', language)}|{forms('ending', language)})\b", re.IGNORECASE)
