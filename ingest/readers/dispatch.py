"""Which reader reads a file, by its content first and its suffix second; and how any failure is told."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from assistant.errors import ReadError
from assistant.types import Document

from .clean import clean, fold, shown
from .email import read_email
from .epub import read_epub
from .html import read_html
from .language import language_of
from .limits import Limits, Refused, check_characters, check_source, too_many
from .markdown import read_markdown
from .office import read_docx, read_xlsx
from .pdf import read_pdf
from .slides import read_pptx
from .sniff import format_of
from .table import read_table
from .text import read_text

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
MAX_WARNINGS = 20
_DEFAULT_LIMITS = Limits()


def read(path: Path, limits: Limits = _DEFAULT_LIMITS) -> Document:
    """One file as a document with text. Raises ``ReadError`` naming the file, the reason and the remedy."""
    name = shown(path.name)
    try:
        # Libraries warn of oddities on standard error; what matters is in the document's own warnings.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read(path, name, limits)
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


def _read(path: Path, name: str, limits: Limits) -> Document:
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
    if form != expected:
        document = replace(document, warnings=(f"{name} is {_article(form)}", *document.warnings))
    return _finished(document, path, limits)


def _article(form: str) -> str:
    named = {
        "html": "HTML",
        "csv": "a table",
        "text": "plain text",
        "markdown": "Markdown",
        "epub": "an EPUB",
        "xlsx": "an XLSX",
        "email": "mail",
    }
    return named.get(form, f"a {form.upper()}")


def _finished(document: Document, path: Path, limits: Limits) -> Document:
    """The checks and guesses that are the same for all formats."""
    text = document.text
    check_characters(len(text), limits)
    if not any(map(str.isalnum, text)):
        reason = "; ".join(document.warnings[:2])
        raise Refused(f"holds no text{f' ({reason})' if reason else ''}", _remedy(document))
    told = document.warnings
    if len(told) > MAX_WARNINGS:
        told = (*told[: MAX_WARNINGS - 1], f"and {len(told) - MAX_WARNINGS + 1} more warnings")
    return replace(
        document,
        title=_title(document, path),
        language=language_of(text, document.language),
        warnings=tuple(fold(clean(warning)) for warning in told),
    )


def _remedy(document: Document) -> str:
    """What helps a document without text: OCR only where a page shows a picture of it and was not read by OCR yet."""
    told = " ".join(document.warnings) if document.format == "pdf" else ""
    if "scanned: no text" in told:
        return "Read it with OCR, or remove it."
    if "read by OCR" in told:
        return "Scan it again, larger and straight, or remove it."
    if "damaged" in told:
        return "Copy it again from its source."
    return "Remove it, or put text into it."


def _title(document: Document, path: Path) -> str:
    """The stated title, else the first heading, else the file's name made readable.

    The first heading of a PDF is what its cover happens to set large; the name of the file says more.
    """
    has_pages = document.format == "pdf"
    heading = next((one.text for one in document.blocks[:50] if one.kind == "heading" and not has_pages), "")
    stem = shown(path.stem, 120).replace("_", " ").replace("-", " ")
    return fold(clean(document.title))[:300] or heading or fold(stem) or path.name[:40]
