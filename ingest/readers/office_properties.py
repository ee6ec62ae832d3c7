"""The properties that all Office formats store the same way, and a document that has them."""

import io
import zipfile
from typing import TYPE_CHECKING

from assistant.types import Block, Document

from .clean import clean, fold, iso_date

if TYPE_CHECKING:
    from openpyxl.packaging.core import DocumentProperties


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
