"""PDF files that pdfium does not open or does not read well: a page tree of our own, and pypdf."""

import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pypdfium2

from ..reading_limits import Refused
from .textlines import PdfLine, tidy

if TYPE_CHECKING:
    from pypdf import PdfReader

_OBJECT = re.compile(rb"(?<!\d)(\d{1,8}) 0 obj\b")
_PAGE_OBJECT = re.compile(rb"(?<!\d)(\d{1,8}) 0 obj\b(?:(?!endobj).){0,4000}?/Type\s*/Page(?![a-zA-Z])", re.DOTALL)
MAX_MENDED = 10_000  # pages of a file that is damaged, more than books have


def encrypted() -> Refused:
    """The refusal of a file that only its password opens."""
    return Refused("is encrypted and needs a password", "Save a copy without a password.")


@contextmanager
def quiet_pypdf() -> Iterator[None]:
    """pypdf logs every oddity of a file; one line of ours says what matters."""
    logger = logging.getLogger("pypdf")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def open_pypdf(data: bytes) -> "PdfReader | None":
    """The file as pypdf sees it; None where pypdf can make nothing of it."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise encrypted()
        return reader
    except (PyPdfError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return None


def pypdf_lines(reader: "PdfReader", number: int) -> list[PdfLine]:
    """One page by pypdf, without places; nothing when its code stumbles over the file."""
    with quiet_pypdf():
        try:
            text = reader.pages[number - 1].extract_text()
        except Exception:  # Any parser error of an untrusted page: the other reading stands.
            return []
    return [PdfLine(line) for piece in text.split("\n") if (line := tidy(piece))]


def mended(data: bytes) -> tuple[bytes, pypdfium2.PdfDocument] | None:
    """A file cut off before its page tree, with a new tree over the pages that are still there."""
    body = data[: data.rfind(b"endobj") + len(b"endobj")]
    pages = [int(match.group(1)) for match in _PAGE_OBJECT.finditer(body)][:MAX_MENDED]
    if not pages:
        return None
    kids = " ".join(f"{number} 0 R" for number in pages)
    top = max(int(match.group(1)) for match in _OBJECT.finditer(body)) + 1
    tree = (
        f"\n{top} 0 obj\n<</Type/Catalog/Pages {top + 1} 0 R>>\nendobj\n"
        f"{top + 1} 0 obj\n<</Type/Pages/MediaBox[0 0 612 792]/Count {len(pages)}/Kids[{kids}]>>\nendobj\n"
        f"trailer\n<</Root {top} 0 R/Size {top + 2}>>\n"
    )
    whole = body + tree.encode()
    try:
        return whole, pypdfium2.PdfDocument(whole)
    except pypdfium2.PdfiumError:
        return None


def page_count(reader: "PdfReader | None") -> int:
    """How many pages pypdf counts; 0 where it cannot."""
    try:
        return len(reader.pages) if reader else 0
    except Exception:  # As above: the page tree of a damaged file may be anything.
        return 0


def has_layers(reader: "PdfReader") -> bool:
    """Whether a file has optional content; taken for granted where pypdf cannot tell."""
    try:
        return "/OCProperties" in reader.root_object
    except Exception:  # As above.
        return True
