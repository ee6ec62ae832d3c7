"""From what a model says to its answer, while both come into being: without thoughts, up to a text that ends it.

Reasoning models write their thoughts down before the answer, between marks of their own; some chat templates write the
opening mark themselves, at the end of the prompt. Behind the beginning of an answer a mark is part of it: a document
may be about such things.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

import regex

from assistant.errors import OnlyThoughtError

OPENING, CLOSING = "<think>", "</think>"
_MARKS = {
    OPENING: CLOSING,  # Qwen 3, DeepSeek-R1, SmolLM3, GLM and most others
    "[THINK]": "[/THINK]",  # Magistral
    "<seed:think>": "</seed:think>",  # Seed-OSS
    "<thought>": "</thought>",  # EXAONE Deep
    "<|START_THINKING|>": "<|END_THINKING|>",  # Command A
    "<|channel>thought": "<channel|>",  # Gemma 4
}
# gpt-oss: an answer is a row of messages, each on a channel; what is on another one than the final is no answer.
_FINAL = r"(?:<\|start\|>assistant)?<\|channel\|>final[^<]{0,80}<\|message\|>"
_OTHER = r"(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)[^<]{0,80}<\|message\|>"
_MARK = "|".join(map(regex.escape, _MARKS))
_BEGINNING = regex.compile(rf"\s*(?:(?P<mark>{_MARK})|(?P<final>{_FINAL})|{_OTHER})")
_ENDS = {mark: regex.compile(regex.escape(end)) for mark, end in _MARKS.items()}
_END_OF_MESSAGE = regex.compile(rf"(?P<final>{_FINAL})|<\|end\|>")
_OPEN = regex.compile(rf"(?P<mark>{_MARK})\s*\Z")
# How a thought ends whose beginning is not to be seen.
_ALONE = regex.compile(rf"^[ \t]*(?:{'|'.join(map(regex.escape, _MARKS.values()))})[ \t]*\n", regex.MULTILINE)
CONTROL = frozenset([*_MARKS, *_MARKS.values(), "<|channel>", "<|start|>", "<|channel|>", "<|message|>", "<|end|>"])
"""Tokens that marks are made of: where they are left out, nobody can tell a thought from an answer."""


class Speech:
    """The words of a model as they come. However they are cut into pieces, the answer is the same."""

    def __init__(self, opened: str = "", unsure: bool = False) -> None:
        """``opened`` is the mark of a thought that the prompt ends with. ``unsure``: it may end with one, or not."""
        self.has_thought = bool(opened)
        self.answer = ""
        """As far as it has come."""
        self._end = _ENDS[opened] if opened else None
        self._unsure = unsure
        self._answers = False
        self._held = ""

    @property
    def is_thinking(self) -> bool:
        """Whether nothing of an answer has come yet because the model thinks, or may be thinking."""
        return not self._answers and (self.has_thought or self._unsure)

    def feed(self, piece: str) -> str:
        """What of the answer has come for sure with these words."""
        line = self._held.rfind("\n") + 1
        self._held += piece
        while not self._answers:
            if self._end:
                found = self._end.search(self._held, partial=True)
                if found is None or found.partial:
                    self._held = self._held[found.start() :] if found else ""
                    return ""
                self._end = None
                self._answers = bool(found.groupdict().get("final"))
            elif found := _BEGINNING.match(self._held, partial=True):
                if found.partial:
                    return ""
                self.has_thought, self._answers = True, bool(found["final"])
                self._end = None if self._answers else _ENDS.get(found["mark"], _END_OF_MESSAGE)
            elif self._unsure and not self.has_thought:
                found = _ALONE.search(self._held, line)
                if found is None:
                    return ""
                self.has_thought = True
            else:
                self._answers = True
                break
            self._held = self._held[found.end() :]
        return self._released()

    def finish(self, is_cut: bool = False) -> str:
        """The model has ended: what was held back of its answer. Who was cut, and may be thinking, was thinking."""
        if is_cut and self.is_thinking:
            self.has_thought = True
            return ""
        return "" if self._end else self._released()

    def _released(self) -> str:
        words = self._held.lstrip() if self.has_thought and not self.answer else self._held
        self._held = ""
        self.answer += words
        return words


def answer_in(text: str) -> str:
    """A whole answer without the thoughts before it, also where their beginning is not to be seen."""
    speech = Speech()
    answer = speech.feed(text) + speech.finish()
    unmarked = None if speech.has_thought else _ALONE.search(answer)
    return answer[unmarked.end() :].lstrip() if unmarked else answer


def has_unmarked_thought(text: str) -> bool:
    """Whether a thought ends in a text whose beginning is not to be seen."""
    return _ALONE.search(text) is not None


def open_thought(prompt: str) -> str:
    """The mark of a thought that a prompt ends with; empty when it ends with none."""
    found = _OPEN.search(prompt)
    return found["mark"] if found else ""


def end_of(mark: str) -> str:
    """The mark that ends the thought which a mark began."""
    return _MARKS[mark]


def spoken(pieces: Generator[str, None, bool], speech: Speech) -> Generator[str, None, bool]:
    """The answer among the pieces of what a model says, empty ones while it thinks; and what ``pieces`` returns.

    Raises OnlyThoughtError when thoughts were all that came.
    """
    with closing(pieces):
        try:
            while True:
                words = speech.feed(next(pieces))
                if words or speech.is_thinking:
                    yield words
        except StopIteration as end:
            is_cut = bool(end.value)
    if words := speech.finish(is_cut):
        yield words
    if speech.has_thought and not speech.answer:
        raise OnlyThoughtError(
            "The model thought until it had no tokens left, and gave no answer."
            if is_cut
            else "The model thought, and gave no answer.",
            "Raise engine.thinking, the tokens it may think in (as in 2048), or take a model that need not think.",
        )
    return is_cut


def until(pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    """The pieces up to the first of the ``stop`` texts; how a text is cut into pieces makes no difference."""
    held, longest = "", max(map(len, stop), default=0)
    for piece in pieces:
        held += piece
        # The text that is complete first ends the answer; of those complete at once, the longest.
        ends = [(place + len(text), place) for text in stop if (place := held.find(text)) >= 0]
        if ends:
            yield held[: min(ends)[1]]
            return
        # What may be the beginning of such a text is held back.
        lengths = range(min(longest - 1, len(held)), 0, -1)
        begun = next((length for length in lengths if any(end.startswith(held[-length:]) for end in stop)), 0)
        safe = len(held) - begun
        yield held[:safe]
        held = held[safe:]
    yield held
