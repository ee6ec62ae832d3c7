"""What a file is, by its first bytes: names lie, and a wrong reader's error would not say so."""

import re
import zipfile

from .archive import open_archive
from .limits import Refused

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
_TEXT_FORMATS = frozenset({"text", "markdown", "csv", "html", "email"})


def format_of(data: bytes, expected: str) -> str:
    """The reader's name for this content; ``expected`` is what the suffix says."""
    head = data[:1024]
    if head.lstrip().startswith(b"%PDF-") or (expected == "pdf" and b"%PDF-" in head):
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return _format_of_archive(data)
    if head.startswith(_OLE):
        raise _old_office(data, expected)
    for magic, name in _BINARY.items():
        if head.startswith(magic):
            raise Refused(f"is {name}", "Save it as PDF, DOCX or text.")
    if expected not in ("html", "email") and _HTML.match(data[:4096].removeprefix(b"\xef\xbb\xbf")):
        return "html"
    return expected if expected in _TEXT_FORMATS else "text"


def _format_of_archive(data: bytes) -> str:
    with open_archive(data) as archive:
        return _by_members(archive)


def _by_members(archive: zipfile.ZipFile) -> str:
    names = set(archive.namelist())
    for member, form in _MEMBERS:
        if member in names:
            return form
    if "mimetype" in names and archive.read("mimetype").startswith(b"application/vnd.oasis.opendocument"):
        raise Refused("is an OpenDocument file", "Save it as DOCX, PPTX, XLSX or PDF.")
    raise Refused("is a ZIP archive", "Unpack it and add the files inside.")


def _old_office(data: bytes, expected: str) -> Refused:
    """OLE containers are either the formats before 2007 or a newer one under a password."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        return Refused("is encrypted", "Save it without a password.")
    newer = {"docx": ".docx", "pptx": ".pptx", "xlsx": ".xlsx"}.get(expected, ".docx, .xlsx or .pptx")
    return Refused("is an old binary Office file", f"Open it and save it as {newer}.")
