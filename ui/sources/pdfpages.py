"""Pages of a PDF as pictures, and where on them some words stand.

pdfium bears one thread at a time, so one lock is held while it works. Pages are kept as drawn: a second look is free.
"""

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

import pypdfium2
import pypdfium2.raw as pdfium

from assistant.errors import ReadError
from ui.sources.words import aligned

T = TypeVar("T")

WIDTH = 1240
"""Pixels of a page's width as drawn: sharp at 620 on a dense screen."""
_LARGEST_SIDE = 4000
_WEBP_QUALITY = 80
_DOCUMENTS_KEPT = 4
_PAGES_KEPT = 64
_SCALE = 10_000
"""Boxes are asked for in so many parts of the page, and told in per cent."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a page, in per cent of its width and height, from the top left."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page without its picture: its sides in points, and the boxes of the words that were looked for."""

    width: float
    height: float
    boxes: tuple[Box, ...]


class PdfPages:
    """Draws pages of PDFs that are named by their hash. Bears several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._documents: OrderedDict[str, pypdfium2.PdfDocument] = OrderedDict()
        self._drawn: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def picture(self, hash_: str, content: Callable[[], bytes], page: int) -> bytes:
        """A page (1-based) as WebP. Raises ReadError for a page that there is not or that cannot be drawn."""
        with self._lock:
            if (hash_, page) not in self._drawn:
                self._drawn[hash_, page] = _drawn(self._opened(hash_, content), page)
                while len(self._drawn) > _PAGES_KEPT:
                    self._drawn.popitem(last=False)
            self._drawn.move_to_end((hash_, page))
            return self._drawn[hash_, page]

    def sheet(self, hash_: str, content: Callable[[], bytes], page: int, words: str, at: int = 0) -> Sheet:
        """Where ``words`` stand on a page; behind about ``at`` characters, if they stand there twice.

        Raises ReadError for a page that there is not.
        """
        with self._lock:
            opened = _page(self._opened(hash_, content), page)
            with closing(opened):
                width, height = opened.get_size()
                return Sheet(width, height, _boxes(opened, words, at))

    def _opened(self, hash_: str, content: Callable[[], bytes]) -> pypdfium2.PdfDocument:
        if hash_ not in self._documents:
            try:
                document = pypdfium2.PdfDocument(content())
            except pypdfium2.PdfiumError:
                raise ReadError("This PDF cannot be drawn.", "Download it, or look at its text.") from None
            if document.get_formtype() != pdfium.FORMTYPE_NONE:
                document.init_forms()
            self._documents[hash_] = document
            while len(self._documents) > _DOCUMENTS_KEPT:
                self._documents.popitem(last=False)[1].close()
        self._documents.move_to_end(hash_)
        return self._documents[hash_]


def _page(document: pypdfium2.PdfDocument, number: int) -> pypdfium2.PdfPage:
    if not 1 <= number <= len(document):
        raise ReadError(f"There is no page {number}.", f"The document has {len(document)}.")
    try:
        return document[number - 1]
    except pypdfium2.PdfiumError:
        raise ReadError(f"Page {number} is damaged.", "Download the document, or look at its text.") from None


def _drawn(document: pypdfium2.PdfDocument, number: int) -> bytes:
    page = _page(document, number)
    with closing(page):
        scale = min(WIDTH / page.get_width(), _LARGEST_SIDE / max(page.get_size()))
        picture = page.render(scale=scale, may_draw_forms=True).to_pil()
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "WEBP", quality=_WEBP_QUALITY, method=0)
    return buffer.getvalue()


def _boxes(page: pypdfium2.PdfPage, words: str, at: int) -> tuple[Box, ...]:
    textpage = page.get_textpage()
    with closing(textpage):
        text = textpage.get_text_range()
        if any(character > "\uffff" for character in text):
            return ()  # pdfium counts UTF-16 units, Python characters: the places would shift
        places = aligned(words, text, at)
        return tuple(_lines([_box(page, textpage, place) for place in places if not text[place].isspace()]))


def _box(page: pypdfium2.PdfPage, textpage: pypdfium2.PdfTextPage, index: int) -> Box:
    left, bottom, right, top = textpage.get_charbox(index, loose=True)
    x1, y1 = _on_page(page, left, top)
    x2, y2 = _on_page(page, right, bottom)
    return Box(min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1))


def _on_page(page: pypdfium2.PdfPage, x: float, y: float) -> tuple[float, float]:
    """A point of the sheet in per cent of the page as seen: turned and cropped."""
    across, down = pdfium.c_int(), pdfium.c_int()
    pdfium.FPDF_PageToDevice(page, 0, 0, _SCALE, _SCALE, 0, x, y, across, down)
    return across.value * 100 / _SCALE, down.value * 100 / _SCALE


def _lines(boxes: Sequence[Box]) -> list[Box]:
    """The boxes of characters in reading order, joined to one a line."""
    lines: list[Box] = []
    for box in boxes:
        if lines and _continues(lines[-1], box):
            lines[-1] = _around(lines[-1], box)
        else:
            lines.append(box)
    return lines


def _continues(line: Box, box: Box) -> bool:
    middle = box.top + box.height / 2
    gap = box.left - (line.left + line.width)
    return line.top <= middle <= line.top + line.height and -1.0 <= gap <= 3.0


def _around(one: Box, other: Box) -> Box:
    left, top = min(one.left, other.left), min(one.top, other.top)
    right = max(one.left + one.width, other.left + other.width)
    bottom = max(one.top + one.height, other.top + other.height)
    return Box(left, top, right - left, bottom - top)
