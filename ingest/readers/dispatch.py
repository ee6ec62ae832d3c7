"""Which reader reads a file, by its content first and its suffix second; and how any failure is told."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from assistant.errors import ReadError
from assistant.types import Document

from .clean import clean, fold, language_of, shown
from .email import read_email
from .epub import read_epub
from .html import read_html
from .markdown_source import read_markdown
from .pdf import read_pdf
from .reading_limits import Limits, Refused, check_characters, check_source, open_archive, too_many
from .sheets import read_xlsx
from .slides import read_pptx
from .tabular import read_table
from .text import read_text
from .word import read_docx

_FORMATS = {
    ".pdf": "pdf", ".docx": "docx", ".docm": "docx", ".pptx": "pptx", ".xlsx": "xlsx", ".xlsm": "xlsx",
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".html": "html", ".htm": "html", ".xhtml": "html",
    ".md": "markdown", ".markdown": "markdown", ".txt": "text", ".text": "text", ".rst": "text",
    ".epub": "epub", ".eml": "email", ".doc": "old office", ".xls": "old office", ".ppt": "old office",
}  # fmt: skip
SUFFIXES = frozenset(_FORMATS)
"""Suffixes (lower case, with dot) that are taken in; the old binary ones so that their refusal says how."""
READ_SUFFIXES = frozenset(suffix for suffix, form in _FORMATS.items() if form != "old office")

_READERS: dict[str, Callable[[bytes, Limits], Document]] = {
    "pdf": read_pdf,
    "docx": read_docx,
    "pptx": read_pptx,
    "xlsx": read_xlsx,
    "csv": read_table,
    "html": lambda data, _: read_html(data),
    "markdown": lambda data, _: read_markdown(data),
    "text": read_text,
    "epub": read_epub,
    "email": lambda data, _: read_email(data),
}
_PLAIN = frozenset({"csv", "html", "markdown", "text", "email"})
_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*<(?:!doctype\s+html|html)\b",
    re.IGNORECASE | re.DOTALL,
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BINARY = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"{\\rtf": "an RTF document",
    b"\x7fELF": "a program",
    b"SQLite format 3": "a database",
}
_MEMBERS = (
    ("word/document.xml", "docx"),
    ("ppt/presentation.xml", "pptx"),
    ("xl/workbook.xml", "xlsx"),
    ("META-INF/container.xml", "epub"),
)
_ARTICLED = {
    "html": "HTML", "csv": "a table", "text": "plain text", "markdown": "Markdown", "epub": "an EPUB",
    "xlsx": "an XLSX", "email": "mail",
}  # fmt: skip
MAX_WARNINGS = 20  # of one file: each page of a bad one may have its own
_DEFAULT_LIMITS = Limits()


def read(path: Path, limits: Limits = _DEFAULT_LIMITS) -> Document:
    """One file as a document with text. Raises ``ReadError`` naming the file, the reason and the remedy."""
    name = shown(path.name)
    with _failures_told(name):
        size = path.stat().st_size
        if size > limits.max_unpacked_bytes:
            raise too_many(size, "bytes", limits.max_unpacked_bytes, "ingest.max_unpacked_mb")
        data = path.read_bytes()
        if not data.strip():
            raise Refused("is empty", "Remove it, or put text into it.")
        expected = _FORMATS.get(path.suffix.lower(), "text")
        form = format_of(data, expected)
        if form in _PLAIN:
            # Before decoding: at least one character in four bytes, whatever the encoding.
            check_source(len(data), limits)
        document = _READERS[form](data, limits)
        told = document.warnings
        if form != expected:
            told = (f"{name} is {_ARTICLED.get(form, f'a {form.upper()}')}", *told)
        text = document.text
        check_characters(len(text), limits)
        if not any(map(str.isalnum, text)):
            reason = "; ".join(told[:2])
            # OCR helps only where a page shows a picture of its text and was not read by OCR yet.
            of_pdf = " ".join(document.warnings) if document.format == "pdf" else ""
            remedy = "Copy it again from its source." if "damaged" in of_pdf else "Remove it, or put text into it."
            if "scanned: no text" in of_pdf:
                remedy = "Read it with OCR, or remove it."
            elif "read by OCR" in of_pdf:
                remedy = "Scan it again, larger and straight, or remove it."
            raise Refused(f"holds no text{f' ({reason})' if reason else ''}", remedy)
        if len(told) > MAX_WARNINGS:
            told = (*told[: MAX_WARNINGS - 1], f"and {len(told) - MAX_WARNINGS + 1} more warnings")
        # The title that is stated, else the first heading, else the file's name made readable. The first heading of a
        # PDF is what its cover happens to set large; the name of the file says more.
        headings = (one.text for one in document.blocks[:50] if one.kind == "heading" and form != "pdf")
        stem = fold(shown(path.stem, 120).replace("_", " ").replace("-", " "))
        return replace(
            document,
            title=fold(clean(document.title))[:300] or next(headings, "") or stem or path.name[:40],
            language=language_of(text, document.language),
            warnings=tuple(fold(clean(warning)) for warning in told),
        )


@contextmanager
def _failures_told(name: str) -> Iterator[None]:
    """Whatever goes wrong with a file becomes a ``ReadError`` that names it."""
    try:
        # Libraries warn of oddities on standard error; what matters is in the document's own warnings.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Refused as error:
        raise ReadError(f"{name} {error.reason}.", error.remedy) from error
    except MemoryError as error:
        raise ReadError(f"{name} needs more memory than a reader may use.", "Split it into smaller files.") from error
    except RecursionError as error:
        raise ReadError(f"{name} nests its parts too deeply to be read.", "Save it again.") from error
    except OSError as error:
        raise ReadError(
            f"{name} cannot be opened: {error.strerror or error}.", "Check that it exists and is readable."
        ) from error
    except Exception as error:  # A library's own failure; the caller handles one error only.
        reason = fold(clean(str(error)))[:200].rstrip(".") or "no reason given"
        raise ReadError(
            f"{name} cannot be read: {type(error).__name__}: {reason}.",
            "Save it again from the program it came from.",
        ) from error


def format_of(data: bytes, expected: str) -> str:
    """The reader's name for this content by its first bytes, since names lie; ``expected`` is what the suffix says."""
    head = data[:1024]
    if head.lstrip().startswith(b"%PDF-") or (expected == "pdf" and b"%PDF-" in head):
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        with open_archive(data) as archive:
            names = set(archive.namelist())
            if form := next((form for member, form in _MEMBERS if member in names), ""):
                return form
            if "mimetype" in names and archive.read("mimetype").startswith(b"application/vnd.oasis.opendocument"):
                raise Refused("is an OpenDocument file", "Save it as DOCX, PPTX, XLSX or PDF.")
        raise Refused("is a ZIP archive", "Unpack it and add the files inside.")
    if head.startswith(_OLE):
        # Either a format before 2007, or a newer one under a password.
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise Refused("is encrypted", "Save it without a password.")
        newer = f".{expected}" if expected in ("docx", "pptx", "xlsx") else ".docx, .xlsx or .pptx"
        raise Refused("is an old binary Office file", f"Open it and save it as {newer}.")
    for magic, name in _BINARY.items():
        if head.startswith(magic):
            raise Refused(f"is {name}", "Save it as PDF, DOCX or text.")
    if expected not in ("html", "email") and _HTML.match(data[:4096].removeprefix(b"\xef\xbb\xbf")):
        return "html"
    return expected if expected in _PLAIN else "text"
