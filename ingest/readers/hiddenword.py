"""Text of a Word file that nobody sees: hidden runs, white letters on the white page, letters of one point.

It is taken out of the file before it is read. White letters inside tables and drawings stay, since their styles may
put a colour behind them.
"""

import io
import zipfile

from lxml import etree

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PARTS = ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml")
_SIGNS = (b"vanish", b"FFFFFF", b"ffffff", b'w:sz w:val="1"', b'w:sz w:val="2"', b'w:sz w:val="3"')
_SMALLEST_HALF_POINTS = 4
_OFF = frozenset({"0", "false", "off"})


def without_hidden_runs(data: bytes) -> bytes:
    """The same DOCX file less its hidden runs; the very bytes when there are none."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = set(archive.namelist())
        styles = _hidden_styles(archive.read("word/styles.xml")) if "word/styles.xml" in names else frozenset()
        changed = {name: part for name in _PARTS if name in names and (part := _cleaned(archive.read(name), styles))}
        if not changed:
            return data
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
            for name in archive.namelist():
                copy.writestr(name, changed.get(name) or archive.read(name))
    return target.getvalue()


def _parse(part: bytes) -> etree._Element:
    return etree.fromstring(part, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))


def _hidden_styles(part: bytes) -> frozenset[str]:
    """Ids of the styles that hide their text."""
    if b"vanish" not in part:
        return frozenset()
    styles = _parse(part).iter(f"{_W}style")
    return frozenset(style.get(f"{_W}styleId", "") for style in styles if _is_on(style.find(f"{_W}rPr/{_W}vanish")))


def _cleaned(part: bytes, hidden_styles: frozenset[str]) -> bytes:
    """The part without hidden runs; nothing when it has none."""
    if not hidden_styles and not any(sign in part for sign in _SIGNS):
        return b""
    root = _parse(part)
    is_white_page = root.find(f"{_W}background") is None
    hidden = [run for run in root.iter(f"{_W}r") if _is_hidden(run, hidden_styles, is_white_page)]
    for run in hidden:
        for text in (*run.iter(f"{_W}t"), *run.iter(f"{_W}instrText")):
            text.text = ""
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True) if hidden else b""


def _is_hidden(run: etree._Element, hidden_styles: frozenset[str], is_white_page: bool) -> bool:
    paragraph = next(run.iterancestors(f"{_W}p"), None)
    named = [run.find(f"{_W}rPr/{_W}rStyle"), paragraph.find(f"{_W}pPr/{_W}pStyle") if paragraph is not None else None]
    vanish = run.find(f"{_W}rPr/{_W}vanish")
    if _is_on(vanish) or (vanish is None and any(_value(one) in hidden_styles for one in named if one is not None)):
        return True
    if 0 < int(_value(run.find(f"{_W}rPr/{_W}sz")) or 0) < _SMALLEST_HALF_POINTS:
        return True
    return is_white_page and _is_white_on_white(run, paragraph)


def _is_white_on_white(run: etree._Element, paragraph: etree._Element | None) -> bool:
    if _value(run.find(f"{_W}rPr/{_W}color")).upper() != "FFFFFF":
        return False
    if any(True for _ in run.iterancestors(f"{_W}tbl", f"{_W}txbxContent")):
        return False
    behind = [run.find(f"{_W}rPr/{_W}shd"), run.find(f"{_W}rPr/{_W}highlight")]
    behind += (
        [paragraph.find(f"{_W}pPr/{_W}shd"), paragraph.find(f"{_W}pPr/{_W}pStyle")] if paragraph is not None else []
    )
    return all(one is None for one in behind)


def _is_on(element: etree._Element | None) -> bool:
    return element is not None and _value(element) not in _OFF


def _value(element: etree._Element | None) -> str:
    return "" if element is None else str(element.get(f"{_W}val", ""))
