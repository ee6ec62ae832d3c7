"""Text of a PDF page that is not drawn: by its colour, its clip, its place, a layer that is off, what lies over it.

What may be hidden is taken away, and where the page then looks the same, nothing was drawn. Only pages with such text
are drawn at all, which are few. The text of a scan is never drawn and still says what is seen: it stays where a picture
shows something.
"""

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import pypdfium2
import pypdfium2.raw as pdfium

from ..colours import NEAR
from .painted import Paints, TextPieces, pixels

if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    from .painted import Flags, Floats, Numbers

    Pixels = np.ndarray[Any, np.dtype[np.int16]]

SMALLEST = 2.0
"""Points; nobody reads smaller letters."""
_FLATTEST = 0.15
"""Share of width in height, or the other way round, below which letters are strokes."""
_UNPAINTED = (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP)
_LEAST_CONTRAST = 24
"""Difference of two pixels, of 255, from which something is to be seen."""
_SCALE, _MOST_PIXELS = 1.5, 4_000
"""Pixels a point, enough for the ink of small print to show; and at most on a side."""
_TOLERANCE = 1.0
"""Points that letters may reach over an edge."""
_GROUND, _COVERED = 0.6, 0.3
"""Shares of a text that one paint behind it, and all paints over it, must take up to count."""
_FEWEST = 3
"""Letters in a row without ink that are hidden; fewer may just be thin, or stand beside their ink."""
_FARTHEST = 0.3
"""Share of an em that a piece may lie from its shadow."""
_CELLS = 1_000_000  # pairs of boxes held against each other at a time: 1 MB for each comparison


@dataclass(frozen=True, slots=True)
class _Letter:
    """A letter: its place in the text, its number on the page, and that of its piece of text."""

    at: int
    index: int
    piece: int


def blanked(
    text: str,
    page: pypdfium2.PdfPage,
    textpage: pypdfium2.PdfTextPage,
    texts: TextPieces,
    paints: Paints,
    seconds: float | None,
) -> str:
    """The text of a page with a blank for every letter that is not drawn; places stay.

    Raises Hurtful where drawing the page takes more than ``seconds``; for None it is not drawn, and only letters too
    small to be read are left out.
    """
    import numpy as np

    if not texts.addresses:
        return text
    wide, high = texts.ems.max(axis=1), texts.ems.min(axis=1)
    illegible = (wide < SMALLEST) | (high < _FLATTEST * wide)
    unpainted = np.isin(texts.modes, _UNPAINTED)
    covered, lost = _against_paints(texts, paints)
    over_edge = ((texts.clips - texts.boxes) * (1, 1, -1, -1) > _TOLERANCE).any(axis=1)
    suspects = ~illegible & (unpainted | covered | lost | texts.may_lack | over_edge)
    if not (illegible | suspects).any():
        return text
    letters = list(_letters(text, textpage, {address: number for number, address in enumerate(texts.addresses)}))
    unseen = {letter.at for letter in letters if illegible[letter.piece]}
    if seconds is not None and suspects.any():
        pictures = _Pictures(page, textpage, texts, paints, seconds)
        doubtful = [letter for letter in letters if suspects[letter.piece]]
        taken = _with_doubles({letter.piece for letter in doubtful}, {letter.piece for letter in letters}, texts)
        inked = list(zip(doubtful, pictures.ink(doubtful, taken), strict=True))
        drawn = {letter.piece for letter, has_ink in inked if has_ink}
        for has_ink, group in groupby(inked, key=lambda pair: pair[1]):
            run = [letter for letter, _ in group]
            # A few that stand in a drawn piece are taken for drawn.
            if has_ink or (len(run) < _FEWEST and run[0].piece in drawn):
                continue
            if not ((unpainted | covered)[run[0].piece] and pictures.show_a_scan(run)):
                unseen.update(letter.at for letter in run)
    return "".join(" " if at in unseen else character for at, character in enumerate(text))


def _against_paints(texts: TextPieces, paints: Paints) -> tuple["Flags", "Flags"]:
    """Whether something is painted over a text, and whether it has the colour of what is behind it.

    Paints are taken for the boxes around them: what is found is suspected and no more.
    """
    import numpy as np

    count = len(texts.orders)
    text, paint = _overlaps(texts.boxes, paints.boxes)
    box, other = texts.boxes[text], paints.boxes[paint]
    wide, high = (np.minimum(box[:, 2:], other[:, 2:]) - np.maximum(box[:, :2], other[:, :2])).T
    areas = (texts.boxes[:, 2] - texts.boxes[:, 0]) * (texts.boxes[:, 3] - texts.boxes[:, 1])
    shares = wide * high / np.maximum(areas[text], 1e-6)
    is_behind = paints.orders[paint] < texts.orders[text]
    # What has no single colour may have any: a comparison with nan is false.
    is_near = ~(np.abs(texts.colours[text] - paints.colours[paint]).sum(axis=1) >= NEAR)
    covered = np.bincount(text, shares * ~is_behind, count) >= _COVERED
    lost = ~(np.abs(texts.colours - 255).sum(axis=1) >= NEAR)
    is_ground = is_behind & (shares >= _GROUND)
    lost[text[is_ground]] = is_near[is_ground]  # the last one counts
    lost |= np.bincount(text, shares * (is_behind & is_near), count) >= _COVERED
    return covered, lost


def _overlaps(some: "Floats", others: "Floats") -> tuple["Numbers", "Numbers"]:
    """Numbers of the boxes of two lists that have an area in common, in order."""
    import numpy as np

    step = max(1, _CELLS // max(1, len(others)))
    pairs = []
    for start in range(0, len(some), step):
        left, bottom, right, top = some[start : start + step, :, None].transpose(1, 0, 2)
        meet = (left < others[:, 2]) & (right > others[:, 0]) & (bottom < others[:, 3]) & (top > others[:, 1])
        one, other = np.nonzero(meet)
        pairs.append((one + start, other))
    ones, partners = zip(*pairs, strict=True)
    return np.concatenate(ones), np.concatenate(partners)


def _letters(text: str, textpage: pypdfium2.PdfTextPage, numbers: dict[int, int]) -> Iterator[_Letter]:
    """The letters of the pieces of text, which are given by their addresses."""
    unit = 0
    for at, character in enumerate(text):
        index = pdfium.FPDFText_GetCharIndexFromTextIndex(textpage.raw, unit)
        unit += 1 if character <= "\uffff" else 2  # pdfium counts UTF-16 units
        if index < 0 or character.isspace():
            continue
        owner = pdfium.FPDFText_GetTextObject(textpage.raw, index)
        number = numbers.get(ctypes.addressof(owner.contents)) if owner else None
        if number is not None:
            yield _Letter(at, index, number)


def _with_doubles(pieces: set[int], read: set[int], texts: TextPieces) -> list[int]:
    """Pieces of text, and those that draw the same letters in nearly the same place, as before a shadow.

    Of these pdfium reads only the ones that are painted first.
    """
    import numpy as np

    some = np.array(sorted(pieces), dtype=int)
    others = np.array([number for number in range(len(texts.addresses)) if number not in read], dtype=int)
    if not (len(some) and len(others)):
        return sorted(pieces)
    one, other = _overlaps(texts.boxes[some], texts.boxes[others])
    apart = np.abs(texts.boxes[some[one]] - texts.boxes[others[other]]).max(axis=1)
    are_near = apart <= _FARTHEST * texts.ems[some[one]].max(axis=1)
    return sorted(pieces.union(others[other[are_near]].tolist()))


class _Pictures:
    """A page as it is drawn, whole and without some of its text."""

    def __init__(
        self,
        page: pypdfium2.PdfPage,
        textpage: pypdfium2.PdfTextPage,
        texts: TextPieces,
        paints: Paints,
        seconds: float,
    ) -> None:
        self.page = page
        self.textpage = textpage
        self.texts = texts
        self.scans = paints.boxes[paints.are_pictures]
        self.seconds = seconds
        self.scale = min(_SCALE, _MOST_PIXELS / max(page.get_width(), page.get_height(), 1.0))
        self.whole = self._drawn()
        self._bare: Pixels | None = None

    def _drawn(self, without: Sequence[int] = ()) -> "Pixels":
        """The page in pixels (height, width, 3), without pieces of text."""
        import numpy as np

        pieces = [ctypes.cast(self.texts.addresses[number], pdfium.FPDF_PAGEOBJECT) for number in without]
        for piece in pieces:
            pdfium.FPDFPageObj_SetIsActive(piece, False)
        try:
            return pixels(self.page, self.scale, self.seconds, annotations=False)[:, :, :3].astype(np.int16)
        finally:
            for piece in pieces:
                pdfium.FPDFPageObj_SetIsActive(piece, True)

    def ink(self, letters: Sequence[_Letter], pieces: Sequence[int]) -> list[bool]:
        """Whether the page looks otherwise where each letter stands, once pieces of text are taken away."""
        without = self._drawn(pieces)
        changed = abs(self.whole - without).max(axis=2) >= _LEAST_CONTRAST
        return [bool(changed[self._part([letter.index])].any()) for letter in letters]

    def show_a_scan(self, letters: Sequence[_Letter]) -> bool:
        """Whether a picture shows something where letters stand, and not just other text."""
        import numpy as np

        indexes = [letter.index for letter in letters]
        left, bottom, right, top = self._box(indexes)
        wide = np.minimum(self.scans[:, 2], right) - np.maximum(self.scans[:, 0], left)
        high = np.minimum(self.scans[:, 3], top) - np.maximum(self.scans[:, 1], bottom)
        shares = np.clip(wide, 0, None) * np.clip(high, 0, None) / max((right - left) * (top - bottom), 1e-6)
        if shares.sum() < 0.5:
            return False
        if self._bare is None:
            self._bare = self._drawn(range(len(self.texts.addresses)))
        part = self._bare[self._part(indexes)]
        return part.size > 0 and int((part.max(axis=(0, 1)) - part.min(axis=(0, 1))).max()) >= _LEAST_CONTRAST

    def _box(self, indexes: Sequence[int]) -> tuple[float, float, float, float]:
        """Left, bottom, right and top of letters in points."""
        left, right, bottom, top = (ctypes.c_double() for _ in range(4))
        boxes = []
        for index in indexes:
            pdfium.FPDFText_GetCharBox(self.textpage.raw, index, left, right, bottom, top)
            boxes.append((left.value, bottom.value, right.value, top.value))
        lefts, bottoms, rights, tops = zip(*boxes, strict=True)
        return min(lefts), min(bottoms), max(rights), max(tops)

    def _part(self, indexes: Sequence[int]) -> tuple[slice, slice]:
        """Rows and columns of the picture where letters stand, and a pixel around them."""
        left, bottom, right, top = self._box(indexes)
        height, width, _ = self.whole.shape
        column, row = ctypes.c_int(), ctypes.c_int()
        corners = []
        for x, y in ((left, top), (right, bottom)):
            pdfium.FPDF_PageToDevice(self.page.raw, 0, 0, width, height, 0, x, y, column, row)
            corners.append((column.value, row.value))
        columns, rows = zip(*corners, strict=True)
        return slice(max(0, min(rows) - 1), max(0, max(rows) + 2)), slice(
            max(0, min(columns) - 1), max(0, max(columns) + 2)
        )
