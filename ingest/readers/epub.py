"""E-books: the chapters of the spine, each through the HTML reader's structure."""

import posixpath
import zipfile
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring

from assistant.types import Block, Document

from .clean import clean, decode, fold, iso_date
from .html import Unseen, parse
from .html_blocks import blocks_of
from .reading_limits import Limits, Refused, check_archive, check_characters, open_archive

_CONTAINER = "META-INF/container.xml"
_DC = "{http://purl.org/dc/elements/1.1/}"
_PAGE_TYPES = ("application/xhtml+xml", "text/html")


def read_epub(data: bytes, limits: Limits) -> Document:
    """The chapters of an EPUB in reading order."""
    check_archive(data, limits, doctype_allowed=True)
    with open_archive(data) as archive:
        container = fromstring(_member(archive, _CONTAINER))
        packages = (one.get("full-path") for one in container.iter() if one.tag.endswith("rootfile"))
        package_name = next(filter(None, packages), "")
        if not package_name:
            raise Refused("is damaged: its container names no package", "Copy it again from its source.")
        package = fromstring(_member(archive, package_name))
        names = set(archive.namelist())
        blocks: list[Block] = []
        missing, characters, hidden = 0, 0, Unseen()
        pages: dict[str, str] = {}
        for element in package.iter():
            is_page = element.tag.endswith("}item") and element.get("media-type") in _PAGE_TYPES
            if is_page and "nav" not in element.get("properties", "").split():
                href = unquote(element.get("href", "")).partition("#")[0]
                pages[element.get("id", "")] = posixpath.normpath(posixpath.join(posixpath.dirname(package_name), href))
        spine = [element.get("idref", "") for element in package.iter() if element.tag.endswith("}itemref")]
        for name in [pages[idref] for idref in dict.fromkeys(spine) if idref in pages]:
            if name not in names:
                missing += 1
                continue
            text, _ = decode(_member(archive, name))
            root, unseen = parse(text)
            hidden += unseen
            chapter = blocks_of(root)
            blocks.extend(chapter)
            characters += sum(len(block.text) for block in chapter)
            check_characters(characters, limits)
    return Document(
        title=_stated(package, "title"),
        blocks=tuple(blocks),
        format="epub",
        date=iso_date(_stated(package, "date")),
        language=_stated(package, "language"),
        metadata={"author": author} if (author := _stated(package, "creator")) else {},
        warnings=(
            *((f"{missing} chapters are missing from the archive",) if missing else ()),
            *hidden.warnings(),
        ),
    )


def _stated(package: Element, name: str) -> str:
    element = next(package.iter(f"{_DC}{name}"), None)
    return fold(clean(element.text or "")) if element is not None else ""


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """One member's bytes; a missing one is told by name."""
    try:
        return archive.read(name)
    except KeyError:
        raise Refused(f"is damaged: it has no {name[:80]!r}", "Copy it again from its source.") from None
