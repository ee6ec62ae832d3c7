"""Markers, with which a model names the passages that a sentence rests on, taken out of its words while they come.

Models write ``[1]``, ``[1, 2]``, ``[1-3]``, ``[[1]]``, ``【1】`` or ``[passage 1]``. None reaches the reader, not
even in part: the end of the text that may yet become one is held back until it is one, or cannot be one any more.
"""

import re
from dataclasses import dataclass

import regex  # tells whether a text may yet become a match

_KIND = r"(?:passages?|sources?|documents?|quellen?|abschnitte?|passagen?)"
_NUMBERS = rf"\d{{1,3}}(?:\s*(?:,|;|&|-|–|—|and|und|to|bis)\s*(?:{_KIND}\s*)?\d{{1,3}})*"
_MARKER = regex.compile(
    rf"\s*[\[【]{{1,2}}\s*(?:\^\s*)?(?:{_KIND}\s*[:#]?\s*)?(?P<numbers>{_NUMBERS})\s*(?:†[^\]】\n]{{0,60}})?[\]】]",
    regex.IGNORECASE,
)
_OPENS, _CLOSES, _DOUBLED = "[【", "]】", ("[[", "【【")
_OPENING = re.compile(r"\s*[\[【]|\s+$")
_RANGE = re.compile(rf"(\d+)\s*(?:-|–|—|to|bis)\s*(?:{_KIND}\s*)?(\d+)", re.IGNORECASE)
# What may follow a word without a blank.
_CLINGS = ".,;:!?)…\"'”“’»"


@dataclass(frozen=True, slots=True)
class Marker:
    """Where a marker stood in the text without markers, and the numbers that it names, in order."""

    place: int
    numbers: tuple[int, ...]


class Reading:
    """The words of a model as they come, without markers: any split of the stream gives the same."""

    def __init__(self) -> None:
        self.markers: list[Marker] = []
        self._text = ""
        self._settled = 0
        """Up to here the text stays as it is, whatever comes."""
        self._is_behind_marker = False
        self._is_doubled = False

    @property
    def text(self) -> str:
        """What a reader may see, without blanks around it. It only grows."""
        return self._text[: self._settled]

    def feed(self, piece: str) -> None:
        """The next words of the model."""
        for character in piece:
            self._take(character)
            self._settle()

    def _take(self, character: str) -> None:
        if self._is_doubled and character in _CLOSES:
            self._is_doubled = False  # the second bracket of [[1]]
            return
        if character.isspace() and not self._text:
            return
        begun = self._text[self._settled :].strip()
        if character in _OPENS and len(begun) > 1:
            self._text = self._text[: self._settled]  # a marker that breaks off: "[1["
        elif self._is_behind_marker and self._text and not (character.isspace() or character in _CLINGS):
            self._text += " "  # "days.[1]The": the marker was the gap
        self._is_behind_marker = self._is_doubled = False
        self._text += character
        if character in _CLOSES:
            self._close()

    def _close(self) -> None:
        """Take out the marker that the last character completes, if it does."""
        match = _MARKER.fullmatch(self._text, self._settled)
        if match is None:
            opening = max(self._text.rfind(character) for character in _OPENS)
            if opening >= 0 and _MARKER.fullmatch(self._text, opening):
                self._text = self._text[:-1]  # "[ [1]2]": its beginning was shown, so it does not become whole
            return
        self._text = self._text[: match.start()]
        self._is_doubled = match[0].lstrip().startswith(_DOUBLED)
        self._is_behind_marker = True
        self.markers.append(Marker(match.start(), _numbers(match["numbers"])))

    def _settle(self) -> None:
        for opening in _OPENING.finditer(self._text, self._settled):
            rest = self._text[opening.start() :]
            if rest.isspace() or _MARKER.fullmatch(rest, partial=True):
                self._settled = opening.start()
                return
        self._settled = len(self._text)


def _numbers(written: str) -> tuple[int, ...]:
    """``1, 3-5`` as 1, 3, 4, 5."""
    spelled = _RANGE.sub(lambda match: " ".join(map(str, range(int(match[1]), int(match[2]) + 1))), written)
    return tuple(dict.fromkeys(int(number) for number in re.findall(r"\d+", spelled)))
