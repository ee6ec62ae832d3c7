"""What Office files and e-books have in common: they are ZIP archives of XML, checked before a library opens one."""

import io
import zipfile
from typing import TYPE_CHECKING

from assistant.types import Block, Document

from .clean import clean, fold, iso_date
from .reading_limits import Limits, Refused

if TYPE_CHECKING:
    from openpyxl.packaging.core import DocumentProperties

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


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """One member's bytes; a missing one is told by name."""
    try:
        return archive.read(name)
    except KeyError:
        raise Refused(f"is damaged: it has no {name[:80]!r}", "Copy it again from its source.") from None


def properties_of(data: bytes) -> "DocumentProperties | None":
    """The core properties, which all Office formats store the same way."""
    from openpyxl.packaging.core import DocumentProperties
    from openpyxl.xml.functions import fromstring

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if "docProps/core.xml" not in archive.namelist():
            return None
        return DocumentProperties.from_tree(fromstring(archive.read("docProps/core.xml")))


def office_document(
    form: str,
    blocks: tuple[Block, ...],
    properties: "DocumentProperties | None",
    pages: int | None = None,
    warnings: tuple[str, ...] = (),
) -> Document:
    """A document with the properties that say something; ``modified`` is when the content was last true."""
    fields = {"author": "creator", "description": "description", "keywords": "keywords", "subject": "subject"}
    known = {name: fold(clean(str(getattr(properties, source, None) or ""))) for name, source in fields.items()}
    return Document(
        title=fold(clean(str(properties.title or ""))) if properties else "",
        blocks=blocks,
        format=form,
        pages=pages,
        date=iso_date(properties.modified or properties.created) if properties else "",
        language=str(properties.language or "") if properties else "",
        metadata={name: value for name, value in known.items() if value},
        warnings=warnings,
    )
