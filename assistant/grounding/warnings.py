"""Passages whose words are not to be taken at their face value, and what a reader is told of them."""

import re
from collections.abc import Sequence

from assistant.language import content_stems, detect
from assistant.types import Caution, Evidence, Sentence
from assistant.untrusted.instructions import gives_orders

_NOTES = {
    "en": {
        "orders": "{document} tells programs that read it what to answer. Check what is cited from it: [{number}!].",
        "reported": "{document} says that another document says so: [{number}!]. It was not found there.",
    },
    "de": {
        "orders": "{document} schreibt Programmen, die es lesen, Antworten vor. Bitte prüfen: [{number}!].",
        "reported": "{document} beruft sich auf ein anderes Dokument: [{number}!]. Dort wurde es nicht gefunden.",
    },
}
_ATTRIBUTED = re.compile(
    r"\b(?:according to|as stated in|laut|gemäß|gemäss|nach) ((?:[^:;.!?\n]|\.(?=\d)){3,120})", re.IGNORECASE
)
# One word names too many things: "according to flood maps" is no word of a page on floods.
_FEWEST_WORDS_OF_A_TITLE = 2


def warning_of(hit: Evidence, quote: str = "", hits: Sequence[Evidence] = ()) -> Caution:
    """What is wrong with the words that are quoted from a passage; empty if nothing is known.

    ``hits`` are the passages that the words may name as their source.
    """
    if gives_orders(hit.text, hit.context):
        return "orders"
    return "reported" if _names_another(quote, hit, hits) else ""


def _names_another(quote: str, hit: Evidence, hits: Sequence[Evidence]) -> bool:
    """Whether words say whose they are, "according to section 4 of the general terms", and another passage is of it."""
    named = [set(content_stems(what, hit.language)) for what in _ATTRIBUTED.findall(quote)]
    titles = {other.title for other in hits if other.document != hit.document} if named else set()
    its = [{stem for stem in content_stems(title, hit.language) if stem.isalpha()} for title in titles]
    return any(len(stems) >= _FEWEST_WORDS_OF_A_TITLE and stems <= what for stems in its for what in named)


def warning_notes(sentences: Sequence[Sentence]) -> tuple[str, ...]:
    """What a reader of an answer should know of the passages that are cited with a warning, each document once."""
    notes = {
        (citation.document, citation.warning): _NOTES[detect(sentence.text, _NOTES) or "en"][citation.warning].format(
            document=citation.document, number=citation.hit
        )
        for sentence in reversed(sentences)
        for citation in reversed(sentence.citations)
        if citation.warning
    }
    return tuple(reversed(notes.values()))
