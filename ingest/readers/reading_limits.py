"""What a reader may use, and how it says no; archives are checked here before a library opens one.

A reader raises ``Refused`` with a predicate (``"is encrypted"``) and a remedy; ``dispatch.read`` puts the
file's name in front and makes it a ``ReadError``. So no reader needs to know what the file is called.
"""

import io
import zipfile
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one file may hold; the settings are ``ingest.max_characters`` and so on."""

    max_characters: int = 20_000_000
    """Characters of extracted text; 20 million are about 7,000 dense pages."""
    max_pages: int = 5_000
    max_unpacked_bytes: int = 1 << 30
    """Bytes of the file, and of what an archive (DOCX, XLSX, EPUB) unpacks to."""
    page_seconds: float = 5.0
    """Processor time for drawing one page of a PDF, to see what on it is drawn."""
    ocr: bool = True
    """Read scanned pages with OCR where the ``ocr`` extra is installed."""


MARKUP_SHARE = 10
"""Characters of HTML or Markdown source for one character of text, at the most that is believed."""
MAX_MEMBERS = 50_000  # more than any document has; the list of them is held in memory
MAX_RATIO = 200
"""Unpacked size over packed size; XML packs 10 to 60 times, a bomb over a thousand times."""
RATIO_FREE_BYTES = 64 << 20
"""Below this size a high ratio harms nobody: an empty sheet packs well."""
_XML_SUFFIXES = (".xml", ".rels", ".vml", ".opf", ".ncx", ".xhtml", ".html", ".htm", ".svg")
_STEP = 1 << 20  # bytes held at a time
_WIDTHS = ("ascii", "utf-16-le", "utf-16-be")
_ENTITY = tuple("<!ENTITY".encode(width) for width in _WIDTHS)
_DOCTYPE = tuple("<!DOCTYPE".encode(width) for width in _WIDTHS)


class Refused(Exception):
    """A file will not be read; ``reason`` continues a sentence that starts with the file's name."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


def too_many(value: int, unit: str, limit: int, setting: str) -> Refused:
    """The refusal for a value over its limit, naming both and the setting."""
    return Refused(
        f"has {value:,} {unit}, over the limit of {limit:,}",
        f"Split it, or raise {setting} in the configuration.",
    )


def check_source(count: int, limits: Limits) -> None:
    """Refuse, before parsing, a source so long that its text cannot be within the limit."""
    check_characters(count // MARKUP_SHARE, limits)


def check_characters(count: int, limits: Limits) -> None:
    """Refuse as soon as a growing text passes the limit, before memory does."""
    if count > limits.max_characters:
        raise too_many(count, "characters", limits.max_characters, "ingest.max_characters")


def hidden_warning(letters: int) -> tuple[str, ...]:
    """The line of the report about text that was left out since nobody sees it; none where there was none."""
    return (f"text that is not drawn was left out ({letters:,} letters and figures)",) if letters else ()


def open_archive(data: bytes) -> zipfile.ZipFile:
    """The archive, or ``Refused`` when its directory is damaged."""
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Refused(f"is damaged: {error}", "Copy it again from its source.") from error


def check_archive(data: bytes, limits: Limits, doctype_allowed: bool = False) -> None:
    """Refuse bombs, encrypted members and XML with entities.

    The declared sizes can be trusted as an upper bound: ``zipfile`` never returns more than a member
    declares, and a false size fails its checksum.
    """
    with open_archive(data) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        packed = sum(member.compress_size for member in members)
        if len(members) > MAX_MEMBERS:
            raise Refused(f"unpacks to {len(members):,} files, over {MAX_MEMBERS:,}", "Split it into smaller files.")
        if total > limits.max_unpacked_bytes:
            raise Refused(
                f"unpacks to {total:,} bytes, over the limit of {limits.max_unpacked_bytes:,}",
                "Remove large pictures from it, or raise ingest.max_unpacked_mb.",
            )
        if total > RATIO_FREE_BYTES and total > MAX_RATIO * max(1, min(packed, len(data))):
            raise Refused(f"is a ZIP bomb: {len(data):,} bytes unpack to {total:,}", "Do not open it.")
        if any(member.flag_bits & 1 for member in members):
            raise Refused("is encrypted", "Save it without a password.")
        # Entities are how XML reads other files and how it explodes; Office files never declare any.
        for member in members:
            if not member.filename.lower().endswith(_XML_SUFFIXES):
                continue
            tail = b""
            with archive.open(member) as stream:
                while piece := stream.read(_STEP):
                    window = tail + piece
                    if any(sign in window for sign in (*_ENTITY, *(() if doctype_allowed else _DOCTYPE))):
                        raise Refused(
                            f"declares XML entities in {member.filename[:60]!r}, which can read other files",
                            "Save it again from the program it came from.",
                        )
                    tail = piece[-32:]
