"""Where a model begins to say again what it has said: small ones do, until their words run out."""

import re

from assistant.sentences import sentence_spans

# Three words or more, five times in a row; the cells of a table's row are seldom that many, and a circle has no end.
_CIRCLE = re.compile(r"(?<!\S)(?=((?:\S++\s++){3,12}?)\1{4})")
_ROUNDS = 5


def without_repetition(text: str) -> str:
    """``text`` up to the first sentence that was already said, or to the fifth time round in a circle."""
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
    return min((match.start() + _ROUNDS * len(match[1]) for match in _CIRCLE.finditer(text)), default=None)
