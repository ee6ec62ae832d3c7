"""HTML pages: the main part as blocks; title, date and language from the head."""

import re

from lxml import etree

from assistant.types import Document

from .clean import clean, fold
from .dates import iso_date
from .encoding import decode
from .hidden import Unseen, drop_hidden
from .limits import Refused
from .structure import blocks_of

_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""")
_INTERNAL_DTD = re.compile(
    r"\A(\s*(?:<\?xml[^>]{0,200}>\s*)?)<!DOCTYPE[^>\[]{0,500}\[.*?\]\s*>", re.IGNORECASE | re.DOTALL
)
_DATE_NAMES = (
    "dcterms.modified", "dcterms.date", "dc.date", "article:modified_time", "article:published_time",
    "datepublished", "last-modified", "date",
)  # fmt: skip
_MAIN = etree.XPath("(//main | //*[@role='main'])[1]")


def read_html(data: bytes) -> Document:
    """A web page: what a reader of it would see."""
    declared = _DECLARED.search(data[:2048])
    text, warnings = decode(data, declared.group(1).decode("ascii") if declared else "")
    root, hidden = parse(text)
    names = _meta(root)
    heading = root.find(".//h1")
    title = names.get("og:title", "") or fold(root.findtext(".//title") or "")
    if heading is not None:
        title = title or fold("".join(heading.itertext()))
    dates = (iso_date(names[name]) for name in _DATE_NAMES if name in names)
    metadata = {name: names[name] for name in ("description", "author", "keywords") if names.get(name)}
    return Document(
        title=clean(title),
        blocks=tuple(blocks_of(_main_part(root))),
        format="html",
        date=next(filter(None, dates), ""),
        language=root.get("lang", "") or root.get("{http://www.w3.org/XML/1998/namespace}lang", ""),
        metadata=metadata,
        warnings=(*warnings, *hidden.warnings()),
    )


def parse(text: str) -> tuple[etree._Element, Unseen]:
    """The tree of an HTML page or fragment as far as it is drawn, and what was left out.

    Entities and DTDs are not resolved, nothing is fetched.
    """
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, no_network=True, remove_pis=True)
    # A NUL would end the text for the C parser; declarations inside a DTD would be read as text.
    text = _INTERNAL_DTD.sub(r"\1", text.replace("\0", ""))
    try:
        root = etree.fromstring(text.encode("utf-8", "replace") or b"<p>", parser)
    except etree.XMLSyntaxError as error:
        # The parser mends any markup; what makes it give up is a lack of memory, which it does not name.
        raise MemoryError(str(error)) from error
    if any(entry.type_name == "ERR_RESOURCE_LIMIT" for entry in parser.error_log):
        raise Refused(
            "nests its elements too deeply (over 2,048 levels)",
            "Save it again from the program it came from.",
        )
    if root is None:
        return etree.Element("html"), Unseen()
    return root, drop_hidden(root, len(text))


def _main_part(root: etree._Element) -> etree._Element:
    """The <main> element where it holds the text: pages put menus and notices around it."""
    found = _MAIN(root)
    if isinstance(found, list) and found and len("".join(found[0].itertext()).split()) >= 20:
        main: etree._Element = found[0]
        return main
    return root


def _meta(root: etree._Element) -> dict[str, str]:
    """Lower-case names of <meta> elements to their content; the first of a name counts."""
    names: dict[str, str] = {}
    for element in root.iter("meta"):
        name = element.get("name") or element.get("property") or element.get("http-equiv") or element.get("itemprop")
        if name and (content := fold(clean(element.get("content", "")))):
            names.setdefault(name.lower(), content)
    return names
