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
    rf"[\[【]{{1,2}}\s*(?:\^\s*)?(?:{_KIND}\s*[:#]?\s*)?(?P<numbers>{_NUMBERS})\s*(?:†[^\]】\n]{{0,60}})?[\]】]",
    regex.IGNORECASE,
)
_OPENS, _CLOSES, _DOUBLED = "[【", "]】", ("[[", "【【")
# What is longer is no marker: each of its characters is looked at together with all before it.
_LONGEST_MARKER = 200
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
        self.text = ""
        """What a reader may see, without blanks around it. It only grows."""
        self._new: list[str] = []
        """The characters that come behind it."""
        self._blanks: list[str] = []
        self._begun = ""
        """Behind these, a marker that may become whole."""
        self._is_behind_marker = False
        self._is_doubled = False

    def feed(self, piece: str) -> None:
        """The next words of the model."""
        for character in piece:
            self._take(character)
        self.text += "".join(self._new)
        self._new.clear()

    def _take(self, character: str) -> None:
        if self._is_doubled and character in _CLOSES:
            self._is_doubled = False  # the second bracket of [[1]]
            return
        has_text = bool(self.text or self._new or self._blanks or self._begun)
        if character.isspace() and not has_text:
            return
        if character in _OPENS and len(self._begun.strip()) > 1:
            self._blanks, self._begun = [], ""  # a marker that breaks off: "[1["
        elif self._is_behind_marker and has_text and not (character.isspace() or character in _CLINGS):
            self._blanks.append(" ")  # "days.[1]The": the marker was the gap
        self._is_behind_marker = self._is_doubled = False
        if character.isspace() and not self._begun:
            self._blanks.append(character)
            return
        self._begun += character
        if character in _CLOSES:
            self._close()
        self._settle()

    def _close(self) -> None:
        """Take out the marker that the last character completes, if it does."""
        match = _MARKER.fullmatch(self._begun)
        if match is None:
            shown = [self.text[-_LONGEST_MARKER:], *self._new[-_LONGEST_MARKER:], *self._blanks[-_LONGEST_MARKER:]]
            seen = "".join([*shown, self._begun])[-_LONGEST_MARKER:]
            opening = max(seen.rfind(character) for character in _OPENS)
            if opening >= 0 and _MARKER.fullmatch(seen, opening):
                self._begun = self._begun[:-1]  # "[ [1]2]": its beginning was shown, so it does not become whole
            return
        self._blanks, self._begun = [], ""
        self._is_doubled = match[0].startswith(_DOUBLED)
        self._is_behind_marker = True
        # "1, 3-5" is 1, 3, 4, 5.
        spelled = _RANGE.sub(lambda it: " ".join(map(str, range(int(it[1]), int(it[2]) + 1))), match["numbers"])
        numbers = tuple(dict.fromkeys(int(number) for number in re.findall(r"\d+", spelled)))
        self.markers.append(Marker(len(self.text) + len(self._new), numbers))

    def _settle(self) -> None:
        """Show what has begun up to where a marker may yet become whole."""
        brackets = (place for place, character in enumerate(self._begun) if character in _OPENS)
        may_become = (place for place in brackets if _MARKER.fullmatch(self._begun[place:], partial=True))
        end = next(may_become, len(self._begun)) if len(self._begun) <= _LONGEST_MARKER else len(self._begun)
        settled = self._begun[:end].rstrip()
        if settled:
            self._new += [*self._blanks, *settled]
            self._blanks, self._begun = list(self._begun[len(settled) : end]), self._begun[end:]
