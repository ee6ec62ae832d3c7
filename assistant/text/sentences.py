"""Text as sentences, with their places: shared by chunking, grounding and display."""

import re
from collections.abc import Iterator

from assistant.text.lexicon import everywhere

_CLOSES = "\"'”’»)]"
_END = re.compile(rf"[.!?…][{re.escape(_CLOSES)}]*(?=\s)")
_QUESTION = re.compile(r"\?[\"'”’»)\]]*\s*$")
_LAST_WORD = re.compile(r"(\S+)$")
_STARTS_SENTENCE = re.compile(r"[\s\"'“‘«(\[]*[^\W\d_a-zß-ÿ]|[\s\"'“‘«(\[]*[\d§$€£•–-]")
# What stands behind a sentence decides whether it ends there, but for blanks and what opens.
_DECIDES = re.compile(r"[\s\"'“‘«(\[]*+.")


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
        self._at = max(self._at, len(text.rstrip(_CLOSES)) - 1)


def asks(text: str) -> bool:
    """Whether a text ends with a question."""
    return _QUESTION.search(text) is not None


def _ends_sentence(text: str, start: int, match: re.Match[str]) -> bool:
    if not _STARTS_SENTENCE.match(text, match.end()):
        return False
    if text[match.start()] != ".":
        return True
    last = _LAST_WORD.search(text, max(start, match.start() - 40), match.start())
    word = last.group(1).lstrip("(\"'„“‘«[").lower() if last else ""
    is_initial = len(word) == 1 and word.isalpha()
    is_ordinal = word.isdigit() and len(word) <= 2
    return not (word in everywhere("abbreviations") or is_initial or is_ordinal)


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
