"""Pages of a PDF as pictures, and where on them some words stand.

Any of it may take for ever, crash, or take all memory, as the file likes: it is done in processes that bear that
(ui.sources.pdfpages), and which import this and nothing heavy.
"""

import io
import math
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import pypdfium2
import pypdfium2.raw as pdfium

from assistant.errors import ReadError
from ui.sources.document import SourceDocument
from ui.sources.words import aligned

WIDTH = 1240
"""Pixels of a page's width as drawn: sharp at 620 on a dense screen."""
_LARGEST_SIDE = 4000
_LONGEST = 100
"""Times as long as it is wide, or as wide as it is long, a page may be: more is a line."""
_WEBP_QUALITY = 80
_DOCUMENTS_KEPT = 4
_BYTES_KEPT = 128 << 20
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


def picture(document: SourceDocument, page: int) -> bytes:
    """A page (1-based) as WebP. Raises ReadError for a page that there is not or that cannot be drawn."""
    with closing(_page(_opened(document), page)) as opened:
        scale = min(WIDTH / opened.get_width(), _LARGEST_SIDE / max(opened.get_size()))
        drawn = opened.render(scale=scale, may_draw_forms=True).to_pil()
    buffer = io.BytesIO()
    drawn.convert("RGB").save(buffer, "WEBP", quality=_WEBP_QUALITY, method=0)
    return buffer.getvalue()


def sheet(document: SourceDocument, page: int, words: str, at: int = 0) -> Sheet:
    """Where ``words`` stand on a page; behind about ``at`` characters, if they stand there twice.

    Raises ReadError for a page that there is not or that cannot be drawn.
    """
    with closing(_page(_opened(document), page)) as opened:
        return Sheet(opened.get_width(), opened.get_height(), _boxes(opened, words, at))


_documents: OrderedDict[str, tuple[pypdfium2.PdfDocument, int]] = OrderedDict()
"""Those that were needed last, and their bytes, by their hash."""


def _opened(document: SourceDocument) -> pypdfium2.PdfDocument:
    if document.hash not in _documents:
        content = document.original()
        try:
            opened = pypdfium2.PdfDocument(content)
        except pypdfium2.PdfiumError:
            raise ReadError("This PDF cannot be drawn.", "Download it, or look at its text.") from None
        if opened.get_formtype() != pdfium.FORMTYPE_NONE:
            opened.init_forms()
        _documents[document.hash] = opened, len(content)
        while len(_documents) > _DOCUMENTS_KEPT or (len(_documents) > 1 and _bytes_kept() > _BYTES_KEPT):
            _documents.popitem(last=False)[1][0].close()
    _documents.move_to_end(document.hash)
    return _documents[document.hash][0]


def _bytes_kept() -> int:
    return sum(size for _, size in _documents.values())


def _page(document: pypdfium2.PdfDocument, number: int) -> pypdfium2.PdfPage:
    if not 1 <= number <= len(document):
        raise ReadError(f"There is no page {number}.", f"The document has {len(document)}.")
    try:
        page = document[number - 1]
    except pypdfium2.PdfiumError:
        raise ReadError(f"Page {number} is damaged.", "Download the document, or look at its text.") from None
    shorter, longer = sorted(page.get_size())
    if not 0 < longer <= _LONGEST * shorter < math.inf:
        page.close()
        raise ReadError(f"Page {number} has no shape: {shorter:g} by {longer:g} points.", "Look at its text.")
    return page


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
