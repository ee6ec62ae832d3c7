"""Where a model begins to say again what it has said: small ones do, until their words run out."""

import re

from assistant.sentences import sentence_spans

_ROUNDS = 4
_CIRCLE = re.compile(rf"(?<!\S)(?=((?:\S++\s++){{3,12}}?)\1{{{_ROUNDS - 1}}})")
# Cells of tables, leaders and columns of numbers come again and again too.
_FEWEST_WORDS = 3
_WORD = re.compile(r"[^\W\d_]+")


def without_repetition(text: str) -> str:
    """``text`` up to the first sentence that was already said, or to the fourth time round in a circle."""
    text = text[: _end_of_circle(text)]
    said: set[str] = set()
    for start, end in sentence_spans(text):
        if text[start:end] in said:
            return text[:start]
        said.add(text[start:end])
    return text


def goes_in_circles(sentence: str) -> bool:
    """Whether some of its words come again and again, and nothing between them."""
    return _end_of_circle(f"{sentence} ") is not None


def safe_end(text: str) -> int:
    """Up to where a growing text may be shown: a sentence that begins like an earlier one may be its repetition."""
    *earlier, last = sentence_spans(text) or [(0, 0)]
    begun = text[last[0] : last[1]]
    repeats = any(text[start:end].startswith(begun) for start, end in earlier)
    return len(text[: last[0]].rstrip()) if repeats else len(text)


def _end_of_circle(text: str) -> int | None:
    ends = (match.start() + _ROUNDS * len(match[1]) for match in _CIRCLE.finditer(text) if _is_said(match[1]))
    return min(ends, default=None)


def _is_said(words: str) -> bool:
    return "|" not in words and len(_WORD.findall(words)) >= _FEWEST_WORDS
