"""Where a model begins to say again what it has said: small ones do, until their words run out."""

import re
from bisect import bisect_left, insort
from collections import deque

from assistant.text.sentences import GrowingSentences

# (words of a circle, rounds of it): few words come again more often without going in circles.
_CIRCLES = ((range(3, 13), 4), (range(2, 3), 6))
_WORD_AND_GAP = re.compile(r"(?<!\S)\S++\s++")
# Cells of tables, leaders and columns of numbers come again and again too.
_WORD = re.compile(r"[^\W\d_]{2,}")
# A sentence of so many words, each of which it holds so often on average, says nothing either.
_MANY_WORDS = 16
_TIMES_EACH = 4
# Within a word: digits without an end.
_RUN = re.compile(r"([^\W_]{1,4}?)\1{23}")
_LONGEST_RUN = 96  # four characters 24 times
# The number of an item is another one each time.
_NUMBER = re.compile(r"(?:\d{1,2}[.):]|[-*•–]|\(?[a-z]\))\s+")
_BEGUN_NUMBER = re.compile(r"\d{1,2}[.):]?|[-*•–]|\(?[a-z]?\)?")
# What is short may be said of several things: "1. Yes. 2. Yes."
_FEWEST_WORDS_BEHIND_A_NUMBER = 4


class Repetition:
    """Reads a text while it grows at its end, each word once."""

    def __init__(self) -> None:
        self.end = 0
        """Where the first sentence begins that was already said, or the rounds of a circle end; else the text's end."""
        self.safe_end = 0
        """Up to where the text may be shown: a sentence that begins like an earlier one may be its repetition."""
        self._circles = _Circles()
        self._sentences = GrowingSentences()
        self._said: set[str] = set()
        self._begun: list[str] = []
        """The same in order, without any number."""
        self._is_over = False

    def read(self, text: str) -> None:
        """The text as far as it has come, without blanks around it; it begins with what was read before."""
        if self._is_over:
            return
        end = self._circles.end(text)
        if end is not None:
            text = text[:end]
        for start, sentence_end in self._sentences.read(text):
            if self._is_said(text[start:sentence_end]):
                self._stop(start)
                return
        last = text[self._sentences.start :].strip()
        start = text.index(last, self._sentences.start)
        self.end = start if _without_number(last) in self._said else len(text)
        if end is not None:
            self._stop(self.end)
            return
        begun = "" if _BEGUN_NUMBER.fullmatch(last) else _without_any_number(last)
        place = bisect_left(self._begun, begun)
        repeats = place < len(self._begun) and self._begun[place].startswith(begun)
        self.safe_end = len(text[:start].rstrip()) if repeats else len(text)

    def _is_said(self, sentence: str) -> bool:
        """Whether a whole sentence was said before; it is now."""
        its = _without_number(sentence)
        if its in self._said:
            return True
        self._said.add(its)
        insort(self._begun, _without_any_number(sentence))
        return False

    def _stop(self, end: int) -> None:
        self.end = self.safe_end = end
        self._is_over = True


def goes_in_circles(sentence: str) -> bool:
    """Whether some of its words come again and again, and nothing between them."""
    its = [] if "|" in sentence else _WORD.findall(sentence.casefold())
    says_little = len(its) >= _MANY_WORDS and len(its) >= _TIMES_EACH * len(set(its))
    return says_little or _Circles().end(f"{sentence} ") is not None


class _Circles:
    """Finds the first place in a growing text where words or characters have come again often enough."""

    def __init__(self) -> None:
        self._read = self._at = 0
        self._latest: deque[str] = deque(maxlen=_CIRCLES[0][0].stop)
        self._same = dict.fromkeys((size for sizes, _ in _CIRCLES for size in sizes), 0)
        """How many words in a row are the same as the one so many words before them."""

    def end(self, text: str) -> int | None:
        run = _RUN.search(text, max(0, self._read - _LONGEST_RUN))
        end = run.end() if run else None
        # A word is whole once there is a gap behind it.
        whole = _WORD_AND_GAP.finditer(text, self._at) if re.search(r"\s", text[self._read :]) else ()
        self._read = len(text)
        for word in whole:
            self._at = word.end()
            if end is not None and self._at >= end:
                break
            if self._closes(word[0]):
                return self._at
        return end

    def _closes(self, word: str) -> bool:
        """Whether the rounds of a circle end with a word."""
        self._latest.append(word)
        latest = list(self._latest)
        closes = False
        for sizes, rounds in _CIRCLES:
            for size in sizes:
                is_same = size < len(latest) and latest[-1 - size] == word
                self._same[size] = self._same[size] + 1 if is_same else 0
            whole = (size for size in sizes if self._same[size] >= size * (rounds - 1))
            smallest = next(whole, None)  # a larger one is rounds of it, and says no more
            closes = closes or (smallest is not None and _says_something("".join(latest[-smallest:])))
        return closes


def _without_number(sentence: str) -> str:
    rest = _without_any_number(sentence)
    return (
        rest if len(rest.split(maxsplit=_FEWEST_WORDS_BEHIND_A_NUMBER)) >= _FEWEST_WORDS_BEHIND_A_NUMBER else sentence
    )


def _without_any_number(sentence: str) -> str:
    number = _NUMBER.match(sentence)
    return sentence[number.end() :] if number else sentence


def _says_something(words: str) -> bool:
    its = words.casefold().split()
    return "|" not in words and len(_WORD.findall(words)) >= min(3, len(its)) and len(set(its)) > 1
