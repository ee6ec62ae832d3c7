"""PDF: a page's lines with their places, less what is not drawn, to headings, paragraphs, lists and tables.

With bookmarks, properties, a second opinion on poor pages, and OCR on scans.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

import pypdfium2
import pypdfium2.raw as pdfium

from assistant.types import Document

from ..clean import clean, fold, iso_date, language_of
from ..reading_limits import Limits, Refused, check_characters, hidden_warning, too_many
from .fonts import mismatches, redrawn
from .layout import layout_of, over_pages, page_blocks, words_of
from .painted import Hurtful, pixels
from .repair import encrypted, has_layers, mended, open_pypdf, page_count, pypdf_lines, quiet_pypdf
from .textlines import POOR, PdfLine, contents, defects, furniture, page_lines, plain_title, score, text_of, tidy

if TYPE_CHECKING:
    from pypdf import PdfReader
    from rapidocr import RapidOCR

_NO_VALUE = ("", "anonymous", "unspecified")
MAX_OUTLINE = 5_000  # bookmarks; each is one call, and a file may hold any number
_MOST_HURTFUL = 3
"""Pages of one file that take too long to be drawn before no other one is."""
_NO_TITLE = re.compile(
    r"\\|^/|://|\.(?:docx?|pdf|indd|qxd|rtf|tex|xlsx?|pptx?|gfp)\b"
    r"|^(?:untitled|unbenannt|microsoft word|\(anonymous\))",
    re.IGNORECASE,
)
OCR_REMEDY = "; pip install 'domain-assistant[ocr]'"
MIN_CHARACTERS = 25
"""Letters and figures below which a page with a large picture is a scan, maybe with a stamp on it."""
MIN_PICTURE = 0.3
"""Share of the page that the picture of a scan covers."""
_DPI = 200  # letters of 8 points are 22 pixels high; 300 would be 2.25 times the pixels
_MOST_PIXELS = 4_000
"""On a side of the picture, for a page that is larger than paper."""
_LINE = 6
"""Points in which words of one line may stand higher or lower."""


def read_pdf(data: bytes, limits: Limits) -> Document:
    """All pages of a PDF. Raises ``Refused`` when it is encrypted, damaged beyond repair, or over a limit."""
    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise encrypted() from error
        repaired = mended(data)
        if repaired is None:  # then pypdf may still find some pages
            with quiet_pypdf():
                reader = open_pypdf(data)
                count = page_count(reader)
            if count > limits.max_pages:
                raise too_many(count, "pages", limits.max_pages, "ingest.max_pages") from error
            pages = [pypdf_lines(reader, number) for number in range(1, count + 1)] if reader else []
            if not any(pages):
                remedy = "Copy it again from its source, or print it to a new PDF."
                raise Refused("is damaged and no page of it can be read", remedy) from error
            return _document(pages, {}, {}, ("the file is damaged; what could be found was read",))
        data, pdf = repaired
    with closing(pdf):
        if len(pdf) > limits.max_pages:
            raise too_many(len(pdf), "pages", limits.max_pages, "ingest.max_pages")
        with quiet_pypdf():
            reader = open_pypdf(data)
            lying = mismatches(reader) if reader else []
            drawn = redrawn(reader, lying) if reader and lying else None
        if drawn is None:
            document = _read_pages(data, pdf, reader, limits)
    if drawn is not None:
        with closing(pypdfium2.PdfDocument(drawn)) as pdf:
            document = _read_pages(data, pdf, reader, limits)
    told = []
    for one in lying:
        pairs = []
        for said, shown in list(one.codes.values())[:10]:
            # Blanks and invisible characters are told by number.
            seen = "".join(sign if sign.isprintable() and sign != " " else f"U+{ord(sign):04X}" for sign in said)
            pairs.append(f"{shown} for {seen or 'nothing'}")
        was_read = "the text" if drawn is None else "what is drawn"
        told.append(f"{_pages(one.pages)} drawn otherwise than the text says ({', '.join(pairs)}); {was_read} was read")
    return replace(document, warnings=(*told, *document.warnings))


def _read_pages(data: bytes, pdf: pypdfium2.PdfDocument, reader: "PdfReader | None", limits: Limits) -> Document:
    pages = _Pages(pdf, reader, limits)
    lines = list(pages.lines())
    known = {name: fold(clean(value)) for name, value in pdf.get_metadata_dict().items()}
    titles: dict[int, dict[str, int]] = {}
    for item in islice(pdf.get_toc(max_depth=8), MAX_OUTLINE + 1):
        target = item.get_dest()
        index = target.get_index() if target else None
        if index is not None and (title := plain_title(clean(item.get_title()))):
            titles.setdefault(index + 1, {}).setdefault(title, item.level)
    is_cut_off = b"%%EOF" not in data[-2048:]
    told = ("the file is cut off or damaged; what could be found was read",) if is_cut_off else ()
    return _document(lines, titles, known, (*told, *pages.warnings()))


def _document(
    pages: list[list[PdfLine]],
    outline: dict[int, dict[str, int]],
    known: dict[str, str],
    warnings: tuple[str, ...],
) -> Document:
    pages = _without(pages, furniture([[line.text for line in lines] for lines in pages]))
    pages = _without(pages, contents([[line.text for line in lines] for lines in pages]))
    sample = "\n".join(map(text_of, pages[:20] + pages[len(pages) // 2 : len(pages) // 2 + 5]))
    language = language_of(sample)
    layout = layout_of(pages, words_of(line.text for lines in pages for line in lines), language, outline)
    blocks = (block for number, lines in enumerate(pages, start=1) for block in page_blocks(lines, number, layout))
    title = known.get("Title", "")
    named = {"author": "Author", "producer": "Producer", "subject": "Subject", "keywords": "Keywords"}
    return Document(
        title="" if _NO_TITLE.search(title) or sum(map(str.isalpha, title)) < 3 else title,
        blocks=tuple(over_pages(blocks, layout)),
        format="pdf",
        pages=len(pages),
        date=iso_date(known.get("CreationDate", "")),
        language=language,
        metadata={name: value for name, key in named.items() if (value := known.get(key, "")) not in _NO_VALUE},
        warnings=warnings,
    )


def _without(pages: list[list[PdfLine]], dropped: list[set[int]]) -> list[list[PdfLine]]:
    return [
        [line for at, line in enumerate(lines) if at not in drop] for lines, drop in zip(pages, dropped, strict=True)
    ]


class _Pages:
    """The pages of one file, each read by what reads it best; counts what went wrong."""

    def __init__(self, pdf: pypdfium2.PdfDocument, reader: "PdfReader | None", limits: Limits) -> None:
        self.pdf = pdf
        self.reader = reader
        self.limits = limits
        self.scanned: list[int] = []
        self.unreadable: list[int] = []
        self.recognised: list[int] = []
        self.hurtful: set[int] = set()
        self.hidden = 0
        self.has_form = pdf.get_formtype() != 0
        if self.has_form:
            pdf.init_forms()
        self._layers: bool | None = None

    def lines(self) -> Iterator[list[PdfLine]]:
        characters = 0
        for number in range(1, len(self.pdf) + 1):
            try:
                page = self.pdf[number - 1]
                # What was filled into fields is drawn apart from the page until the two are made one.
                if self.has_form and page.flatten() == pdfium.FLATTEN_SUCCESS:
                    page.close()
                    page = self.pdf[number - 1]
            except pypdfium2.PdfiumError:
                self.unreadable.append(number)
                yield []
                continue
            with closing(page):
                try:
                    lines, hidden = page_lines(page, self._has_layers, self._seconds(number))
                except Hurtful:
                    self.hurtful.add(number)
                    lines, hidden = page_lines(page, self._has_layers, None)
                self.hidden += hidden
                text = text_of(lines)
                if is_scan(page, text):
                    try:
                        found = ocr_lines(page, self._seconds(number)) if self.limits.ocr else None
                    except Hurtful:
                        self.hurtful.add(number)
                    else:
                        (self.scanned if found is None else self.recognised).append(number)
                        lines = found or lines
                elif text and defects(text) > POOR and self.reader:
                    other = pypdf_lines(self.reader, number)
                    lines = other if score(text_of(other)) > score(text) else lines
            characters += sum(len(line.text) for line in lines)
            check_characters(characters, self.limits)
            yield lines

    def _seconds(self, number: int) -> float:
        """What drawing a page may take; nothing if it was tried, or enough others were in vain."""
        is_given_up = number in self.hurtful or len(self.hurtful) >= _MOST_HURTFUL
        return 0.0 if is_given_up else self.limits.page_seconds

    def _has_layers(self) -> bool:
        """Whether parts of the document may be switched off; so they may where pypdf cannot tell."""
        if self._layers is None:
            self._layers = self.reader is None or has_layers(self.reader)
        return self._layers

    def warnings(self) -> Iterator[str]:
        if self.unreadable:
            yield f"{_pages(self.unreadable)} damaged and could not be read"
        if self.scanned:
            remedy = OCR_REMEDY if self.limits.ocr else " (ingest.ocr is off)"
            yield f"{_pages(self.scanned)} scanned: no text{remedy}"
        if self.recognised:
            yield f"{_pages(self.recognised)} scanned and read by OCR"
        if self.hurtful:
            limit = f"{self.limits.page_seconds:g} s of processor time (ingest.page_seconds)"
            which = _pages(sorted(self.hurtful))
            yield f"{which} not drawn, which takes more than {limit}: what is hidden there was read"
        yield from hidden_warning(self.hidden)


def _pages(numbers: list[int]) -> str:
    listed = ", ".join(map(str, numbers[:10])) + (", …" if len(numbers) > 10 else "")
    return f"page {listed} is" if len(numbers) == 1 else f"{len(numbers)} pages ({listed}) are"


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


def ocr_lines(page: pypdfium2.PdfPage, seconds: float) -> list[PdfLine] | None:
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
    lines: list[PdfLine] = []
    for box, text in zip(result.boxes, result.txts, strict=True):
        (left, top), (right, _), (_, bottom), _ = ((float(x) / scale, float(y) / scale) for x, y in box)
        if text := tidy(text):
            lines.append(PdfLine(text, left, right, height - top, bottom - top))
    return sorted(lines, key=lambda line: (-round(line.top / _LINE), line.left))


@cache
def _engine() -> "RapidOCR | None":
    try:
        from rapidocr import RapidOCR
    except ImportError:
        return None
    return RapidOCR(params={"Global.log_level": "critical"})
