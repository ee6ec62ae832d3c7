"""Word and Excel (OOXML): through mammoth and openpyxl to the common structure."""

import io
import re
import zipfile
from typing import TYPE_CHECKING

from assistant.types import Block, Document

from . import hiddenword
from .archive import check_archive
from .clean import clean, fold
from .dates import iso_date
from .hidden import hidden_warning
from .html import parse
from .limits import Limits, check_characters
from .sheet import sheet_blocks
from .structure import blocks_of

if TYPE_CHECKING:
    from openpyxl.packaging.core import DocumentProperties

_STYLE_MAP = """
p[style-name='Title'] => h1:fresh
p[style-name='Titel'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
"""
_NO_VALUE = re.compile(rb"</f>(?:<v\s*/>|<v></v>)?</c>")


def read_docx(data: bytes, limits: Limits) -> Document:
    """Word: headings, lists and tables as mammoth maps them to HTML."""
    check_archive(data, limits)
    import mammoth

    drawn, hidden = hiddenword.without_hidden_text(data)
    properties = properties_of(data)
    # Pictures are not read, only their alternative text; links to files outside stay closed.
    result = mammoth.convert_to_html(
        io.BytesIO(drawn),
        style_map=_STYLE_MAP,
        convert_image=mammoth.images.img_element(lambda _: {"src": ""}),
        external_file_access=False,
    )
    check_characters(len(result.value) // 4, limits)
    root, _ = parse(result.value)
    return office_document("docx", tuple(blocks_of(root)), properties, warnings=hidden_warning(hidden))


def read_xlsx(data: bytes, limits: Limits) -> Document:
    """Excel: a table for each sheet, with the row it begins at."""
    check_archive(data, limits)
    from openpyxl import load_workbook

    from .hiddensheet import Ink, unshown

    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    ink = Ink(book)
    blocks: list[Block] = []
    warnings: list[str] = []
    hidden = characters = 0
    for sheet in book.worksheets:
        if sheet.sheet_state != "visible":
            warnings.append(f"sheet {fold(clean(sheet.title))!r} is hidden and was skipped")
        else:
            gone = unshown(book._archive, sheet._worksheet_path)
            found, unseen = sheet_blocks(sheet, limits, gone, ink)
            blocks.extend(found)
            hidden += unseen
            characters += sum(len(block.text) for block in found)
            check_characters(characters, limits)
    if missing := _formulas_without_value(data):
        warnings.append(f"{missing:,} formulas have no stored value; open the file in Excel and save it")
    return office_document("xlsx", tuple(blocks), book.properties, warnings=(*warnings, *hidden_warning(hidden)))


def _formulas_without_value(data: bytes) -> int:
    """Programs that write formulas without computing them leave cells that read as empty."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
        return sum(len(_NO_VALUE.findall(archive.read(name))) for name in sheets)


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
