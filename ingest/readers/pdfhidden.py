"""Text of a PDF page that nobody sees: white or transparent letters, render mode 3, letters of one point.

A letter may be white and still be seen, on a dark table head; the text layer of a scan is invisible and still says
what is seen. So the page itself decides: where suspicious letters stand, the drawn page has to show something. They
are judged a run at a time, since the layer of a scan is never quite where the letters are.
"""

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pypdfium2
import pypdfium2.raw as pdfium

SMALLEST = 2.0
"""Points; nobody reads smaller letters."""
_INVISIBLE_MODES = (pdfium.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium.FPDF_TEXTRENDERMODE_CLIP)
_PALE = 3 * 235
"""Sum of red, green and blue from which a letter may be lost on white paper."""
_FEWEST_ALPHA = 16
_SCALE = 1.5
"""Pixels a point; enough for the ink of small print to show."""
_LEAST_CONTRAST = 24
"""Difference of the darkest and the lightest pixel, of 255, from which something is to be seen."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """A letter that may be unseen: its place in the text, and its number on the page."""

    at: int
    index: int
    is_tiny: bool


def blanked(text: str, page: pypdfium2.PdfPage, textpage: pypdfium2.PdfTextPage) -> str:
    """The text of a page with a blank for every letter that nobody sees; places stay."""
    if not _may_hide(page):
        return text
    suspects = _suspects(text, textpage)
    if not suspects:
        return text
    picture = _Picture(page)
    unseen: set[int] = set()
    for run in _runs(text, suspects):
        if run[0].is_tiny or not picture.shows(textpage, [letter.index for letter in run]):
            unseen.update(letter.at for letter in run)
    return "".join(" " if at in unseen else character for at, character in enumerate(text))


def _may_hide(page: pypdfium2.PdfPage) -> bool:
    """Whether any text object of a page is suspicious: far fewer than its letters."""
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    size, matrix = ctypes.c_float(), pdfium.FS_MATRIX()
    for found in page.get_objects(filter=(pdfium.FPDF_PAGEOBJ_TEXT,)):
        if pdfium.FPDFTextObj_GetTextRenderMode(found.raw) in _INVISIBLE_MODES:
            return True
        pdfium.FPDFPageObj_GetFillColor(found.raw, red, green, blue, alpha)
        if red.value + green.value + blue.value >= _PALE or alpha.value < _FEWEST_ALPHA:
            return True
        pdfium.FPDFTextObj_GetFontSize(found.raw, size)
        pdfium.FPDFPageObj_GetMatrix(found.raw, matrix)
        if size.value * max(abs(matrix.a), abs(matrix.b), abs(matrix.c), abs(matrix.d)) < SMALLEST:
            return True
    return False


def _suspects(text: str, textpage: pypdfium2.PdfTextPage) -> list[_Letter]:
    raw = textpage.raw
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    box = pdfium.FS_RECTF()
    found = []
    unit = 0
    for at, character in enumerate(text):
        index = pdfium.FPDFText_GetCharIndexFromTextIndex(raw, unit)
        unit += 1 if character <= "\uffff" else 2  # pdfium counts UTF-16 units
        if index < 0 or character.isspace():
            continue
        owner = pdfium.FPDFText_GetTextObject(raw, index)
        mode = pdfium.FPDFTextObj_GetTextRenderMode(owner) if owner else 0
        pdfium.FPDFText_GetFillColor(raw, index, red, green, blue, alpha)
        is_pale = red.value + green.value + blue.value >= _PALE or alpha.value < _FEWEST_ALPHA
        has_box = pdfium.FPDFText_GetLooseCharBox(raw, index, box)
        is_tiny = bool(has_box) and 0 < max(abs(box.top - box.bottom), abs(box.right - box.left)) < SMALLEST
        if mode in _INVISIBLE_MODES or is_pale or is_tiny:
            found.append(_Letter(at, index, is_tiny))
    return found


def _runs(text: str, letters: Sequence[_Letter]) -> Iterator[list[_Letter]]:
    """Letters that follow each other in a line, with blanks between at most."""
    run: list[_Letter] = []
    for letter in letters:
        between = text[run[-1].at + 1 : letter.at] if run else ""
        if run and (between.strip() or "\n" in between or "\r" in between or run[0].is_tiny != letter.is_tiny):
            yield run
            run = []
        run.append(letter)
    if run:
        yield run


class _Picture:
    """A page as it is drawn."""

    def __init__(self, page: pypdfium2.PdfPage) -> None:
        self.page = page
        self.bitmap = page.render(scale=_SCALE, grayscale=True, draw_annots=False)
        self.pixels = self.bitmap.to_numpy().reshape(self.bitmap.height, self.bitmap.width, -1)[:, :, 0]

    def shows(self, textpage: pypdfium2.PdfTextPage, indexes: Sequence[int]) -> bool:
        """Whether anything is to be seen where a run of letters stands."""
        left, right, bottom, top = (ctypes.c_double() for _ in range(4))
        corners = []
        for index in indexes:
            if pdfium.FPDFText_GetCharBox(textpage.raw, index, left, right, bottom, top):
                corners += [self._pixel(left.value, top.value), self._pixel(right.value, bottom.value)]
        if not corners:
            return True
        columns, rows = zip(*corners, strict=True)
        part = self.pixels[max(0, min(rows)) : max(rows) + 1, max(0, min(columns)) : max(columns) + 1]
        return part.size > 0 and int(part.max()) - int(part.min()) >= _LEAST_CONTRAST

    def _pixel(self, x: float, y: float) -> tuple[int, int]:
        column, row = ctypes.c_int(), ctypes.c_int()
        width, height = self.bitmap.width, self.bitmap.height
        pdfium.FPDF_PageToDevice(self.page.raw, 0, 0, width, height, 0, x, y, column, row)
        return column.value, row.value
