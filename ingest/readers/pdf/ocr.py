"""Scanned pages: which they are, and their text by RapidOCR where the ``ocr`` extra is installed."""

from functools import cache
from typing import TYPE_CHECKING, Any

import pypdfium2
import pypdfium2.raw as pdfium

from .lines import Line, tidy
from .pixels import pixels

if TYPE_CHECKING:
    from rapidocr import RapidOCR

OCR_REMEDY = "; pip install 'domain-assistant[ocr]'"
MIN_CHARACTERS = 25
"""Letters and figures below which a page with a large picture is a scan, maybe with a stamp on it."""
MIN_PICTURE = 0.3
"""Share of the page that the picture of a scan covers."""
_DPI = 200
_MOST_PIXELS = 4_000
"""On a side of the picture, for a page that is larger than paper."""
_LINE = 6
"""Points in which words of one line may stand higher or lower."""


def is_scan(page: pypdfium2.PdfPage, text: str) -> bool:
    """Whether a page shows a picture where its text should be."""
    if sum(map(str.isalnum, text)) >= MIN_CHARACTERS:
        return False
    area = max(1.0, page.get_width() * page.get_height())
    covered = 0.0
    for picture in page.get_objects(filter=(pdfium.FPDF_PAGEOBJ_IMAGE,), max_depth=3):
        left, bottom, right, top = picture.get_bounds()
        covered += max(0.0, right - left) * max(0.0, top - bottom)
    return bool(covered >= MIN_PICTURE * area)


def ocr_lines(page: pypdfium2.PdfPage, seconds: float) -> list[Line] | None:
    """The recognised lines from top to bottom, or None when no OCR is installed.

    Raises Hurtful where drawing the page takes more than ``seconds`` of processor time.
    """
    engine = _engine()
    if engine is None:
        return None
    scale = min(_DPI / 72, _MOST_PIXELS / max(page.get_width(), page.get_height(), 1.0))
    result: Any = engine(pixels(page, scale, seconds))
    if result.boxes is None or result.txts is None:
        return []
    height = page.get_height()
    lines: list[Line] = []
    for box, text in zip(result.boxes, result.txts, strict=True):
        (left, top), (right, _), (_, bottom), _ = ((float(x) / scale, float(y) / scale) for x, y in box)
        if text := tidy(text):
            lines.append(Line(text, left, right, height - top, bottom - top))
    return sorted(lines, key=lambda line: (-round(line.top / _LINE), line.left))


@cache
def _engine() -> "RapidOCR | None":
    try:
        from rapidocr import RapidOCR
    except ImportError:
        return None
    return RapidOCR(params={"Global.log_level": "critical"})
