"""Text as sentences, with their places: shared by chunking, grounding and display."""

import re
from collections.abc import Iterator

from assistant.text.lexicon import everywhere

CLOSES = "\"'”’»)]"
"""What may stand behind the sign that ends a sentence."""
_END = re.compile(rf"[.!?…][{re.escape(CLOSES)}]*(?=\s)")
# What stands behind a sentence decides whether it ends there, but for blanks and what opens.
_DECIDES = re.compile(r"[\s\"'“‘«(\[]*+(.)")
_BEGINS = frozenset("§$€£•–-")
# In characters: no abbreviation is longer.
_LONGEST_WORD = 40


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Half-open spans of the sentences of ``text``, without the white space between them.

    A dot ends no sentence after an abbreviation, an initial, or an ordinal number ("am 3. Mai").
    """
    spans = []
    start = 0
    for match in _END.finditer(text):
        if _ends_sentence(text, start, match):
            spans.append((start, match.end()))
            start = match.end()
    spans.append((start, len(text)))
    return [trimmed for span in spans if (trimmed := _trim(text, *span))[0] < trimmed[1]]


def line_sentence_spans(text: str) -> list[tuple[int, int]]:
    """The same for text whose lines stand for themselves: list items, table rows, paragraphs."""
    spans: list[tuple[int, int]] = []
    offset = 0
    for line in text.split("\n"):
        spans.extend((offset + start, offset + end) for start, end in sentence_spans(line))
        offset += len(line) + 1
    return spans


class GrowingSentences:
    """The sentences of a text that grows at its end: each is read once."""

    def __init__(self) -> None:
        self.start = 0
        """Where the last sentence begins, with the blanks before it; it may still grow."""
        self._at = 0
        """No sentence that is not known yet ends before this place."""

    def read(self, text: str) -> Iterator[tuple[int, int]]:
        """The spans of the sentences of ``text`` that have ended since it was read last: ``sentence_spans`` has one
        more, the last."""
        for match in _END.finditer(text, self._at):
            self._at = match.start()
            if not _DECIDES.match(text, match.end()):
                return
            self._at = match.end()
            if _ends_sentence(text, self.start, match):
                start, self.start = self.start, match.end()
                yield _trim(text, start, match.end())
        self._at = max(self._at, len(text.rstrip(CLOSES)) - 1)


def asks(text: str) -> bool:
    """Whether a text ends with a question."""
    return has_ended(text, "?")


def told_before(question: str) -> str:
    """What a question tells before it asks: its sentences that ask nothing, and what stands before a colon."""
    sentences = (question[start:end] for start, end in sentence_spans(question))
    return " ".join(one.rpartition(": ")[0] if asks(one) else one for one in sentences)


def has_ended(text: str, by: str = ".!?…", closes: str = CLOSES) -> bool:
    """Whether a text ends with one of the signs ``by``, whatever ``closes`` stand behind it."""
    return text.rstrip().rstrip(closes).endswith(tuple(by))


def _ends_sentence(text: str, start: int, match: re.Match[str]) -> bool:
    behind = _DECIDES.match(text, match.end())
    # A small letter begins none; scripts without capitals have none.
    if not behind or not (behind[1] in _BEGINS or (behind[1].isalnum() and behind[1] == behind[1].title())):
        return False
    dot = match.start()
    if text[dot] != ".":
        return True
    word = text[max(start, dot - _LONGEST_WORD) : dot + 1].split()[-1][:-1].lstrip("(\"'„“‘«[").lower()
    is_initial = len(word) == 1 and word.isalpha()
    is_ordinal = word.isdigit() and len(word) <= 2
    return not (word in everywhere("abbreviations") or is_initial or is_ordinal)


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
