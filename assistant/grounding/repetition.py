"""Where a model begins to say again what it has said: small ones do, until their words run out."""

import re

from assistant.sentences import sentence_spans

# A circle of (fewest, most) words, and so many rounds of it: few words come again more often without going in circles.
_CIRCLES = tuple(
    (re.compile(rf"(?<!\S)(?=((?:\S++\s++){{{fewest},{most}}}?)\1{{{rounds - 1}}})"), rounds)
    for fewest, most, rounds in ((3, 12, 4), (2, 2, 6))
)
# Cells of tables, leaders and columns of numbers come again and again too.
_WORD = re.compile(r"[^\W\d_]{2,}")
# A sentence of so many words, each of which it holds so often on average, says nothing either.
_MANY_WORDS = 16
_TIMES_EACH = 4
# Within a word: digits without an end.
_RUN = re.compile(r"([^\W_]{1,4}?)\1{23}")
# The number of an item is another one each time. What is short may be said of several things: "1. Yes. 2. Yes."
_NUMBER = re.compile(r"(?:\d{1,2}[.):]|[-*•–]|\(?[a-z]\))\s+")
_BEGUN_NUMBER = re.compile(r"\d{1,2}[.):]?|[-*•–]|\(?[a-z]?\)?")
_FEWEST_WORDS_BEHIND_A_NUMBER = 4


def without_repetition(text: str) -> str:
    """``text`` up to the first sentence that was already said, or to the end of the rounds of a circle."""
    text = text[: _end_of_circle(text)]
    said: set[str] = set()
    for start, end in sentence_spans(text):
        sentence = _without_number(text[start:end])
        if sentence in said:
            return text[:start]
        said.add(sentence)
    return text


def goes_in_circles(sentence: str) -> bool:
    """Whether some of its words come again and again, and nothing between them."""
    its = [] if "|" in sentence else _WORD.findall(sentence.casefold())
    says_little = len(its) >= _MANY_WORDS and len(its) >= _TIMES_EACH * len(set(its))
    return says_little or _end_of_circle(f"{sentence} ") is not None


def safe_end(text: str) -> int:
    """Up to where a growing text may be shown: a sentence that begins like an earlier one may be its repetition."""
    *earlier, last = sentence_spans(text) or [(0, 0)]
    begun = text[last[0] : last[1]]
    begun = "" if _BEGUN_NUMBER.fullmatch(begun) else _without_any_number(begun)
    repeats = any(_without_any_number(text[start:end]).startswith(begun) for start, end in earlier)
    return len(text[: last[0]].rstrip()) if repeats else len(text)


def _end_of_circle(text: str) -> int | None:
    run = _RUN.search(text)
    end = run.end() if run else None
    for circle, rounds in _CIRCLES:
        for match in circle.finditer(text):
            if end is not None and match.start() >= end:
                break  # none behind it ends before it
            if _is_said(match[1]):
                circle_end = match.start() + rounds * len(match[1])
                end = circle_end if end is None else min(end, circle_end)
    return end


def _without_number(sentence: str) -> str:
    rest = _without_any_number(sentence)
    return rest if len(rest.split()) >= _FEWEST_WORDS_BEHIND_A_NUMBER else sentence


def _without_any_number(sentence: str) -> str:
    number = _NUMBER.match(sentence)
    return sentence[number.end() :] if number else sentence


def _is_said(words: str) -> bool:
    its = words.casefold().split()
    return "|" not in words and len(_WORD.findall(words)) >= min(3, len(its)) and len(set(its)) > 1
