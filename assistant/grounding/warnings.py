"""Passages whose words are not to be taken at their face value, and what a reader is told of them."""

from collections.abc import Sequence

from assistant.language import detect
from assistant.types import Caution, Evidence, Sentence
from assistant.untrusted.instructions import gives_orders

_NOTES = {
    "en": "{document} tells programs that read it what to answer. Check what is cited from it: [{number}!].",
    "de": "{document} schreibt Programmen, die es lesen, Antworten vor. Bitte prüfen: [{number}!].",
}


def warning_of(hit: Evidence) -> Caution:
    """What is wrong with a passage; empty if nothing is known."""
    return "orders" if gives_orders(hit.text, hit.context) else ""


def warning_notes(sentences: Sequence[Sentence]) -> tuple[str, ...]:
    """What a reader of an answer should know of the passages that are cited with a warning, each document once."""
    notes = {
        citation.document: _NOTES[detect(sentence.text, _NOTES) or "en"].format(
            document=citation.document, number=citation.hit
        )
        for sentence in reversed(sentences)
        for citation in reversed(sentence.citations)
        if citation.warning
    }
    return tuple(reversed(notes.values()))
