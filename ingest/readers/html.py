"""HTML pages: the main part as blocks, less what is not drawn; title, date and language from the head.

Text that is not drawn is how a page tells a program something else than its reader. Styles decide that, by the
cascade of the page's own sheets; a text of the colour of its ground is not drawn either. What a button opens is read,
since a reader can open it too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import hexdigits

from lxml import etree

from assistant.types import Document

from .cascade import Styles, TooManyStyles, cascade, declarations, keyframes
from .clean import clean, decode, fold, iso_date
from .colours import words
from .html_blocks import DROPPED_TAGS, blocks_of
from .reading_limits import Refused, hidden_warning
from .visibility import PROPERTIES, Look, is_drawn, looked

_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:-]{1,40})""")
_INTERNAL_DTD = re.compile(
    r"\A(\s*(?:<\?xml[^>]{0,200}>\s*)?)<!DOCTYPE[^>\[]{0,500}\[.*?\]\s*>", re.IGNORECASE | re.DOTALL
)
_DATE_NAMES = (
    "dcterms.modified", "dcterms.date", "dc.date", "article:modified_time", "article:published_time",
    "datepublished", "last-modified", "date",
)  # fmt: skip
_MAIN = etree.XPath("(//main | //*[@role='main'])[1]")
_MAIN_WORDS = 20
"""Fewer in the main part, and the text lies elsewhere."""
_OPENERS = etree.XPath(".//@aria-controls | .//@popovertarget | .//@commandfor")
_NAMED = etree.XPath(".//*[@id or @class]")
_OPENS = ("accordion", "collaps", "panel", "tab", "toggle", "expand", "dropdown", "faq", "detail", "answer")
"""In the names of classes of what a click opens; style sheets hide it at first."""
_CLOSING = frozenset({
    "display", "visibility", "opacity", "height", "max-height", "overflow", "overflow-y", "transform",
    "content-visibility",
})  # fmt: skip
"""What style sheets close such parts with."""
_FREE = frozenset({"absolute", "fixed"})
_GROUNDS = frozenset({"background", "background-color", "background-image"})
_BOX_GROUNDS = frozenset(f"::{name}" for name in _GROUNDS)
_PICTURES = frozenset({"img", "picture", "svg", "video", "canvas", "iframe", "object", "embed"})
_MAY_HIDE = etree.XPath(
    "boolean(.//style | .//link[starts-with(@href, 'data:')] | .//font | .//dialog | .//details"
    " | descendant-or-self::*[@style or @hidden or @popover or @bgcolor or @text])"
)


@dataclass(frozen=True, slots=True)
class Unseen:
    """Letters and figures that were left out since they are not drawn, and whether that could be judged."""

    letters: int = 0
    is_judged: bool = True

    def __add__(self, other: "Unseen") -> "Unseen":
        return Unseen(self.letters + other.letters, self.is_judged and other.is_judged)

    def warnings(self) -> tuple[str, ...]:
        """The lines of the report."""
        unjudged = "too many style rules for as many elements; text was read whether it is drawn or not"
        return (*hidden_warning(self.letters), *(() if self.is_judged else (unjudged,)))


def read_html(data: bytes) -> Document:
    """A web page: what a reader of it would see."""
    text, warnings = decode(data, declared_encoding(data))
    root, hidden = parse(text)
    names: dict[str, str] = {}
    for element in root.iter("meta"):
        name = element.get("name") or element.get("property") or element.get("http-equiv") or element.get("itemprop")
        if name and (content := fold(clean(element.get("content", "")))):
            names.setdefault(name.lower(), content)
    heading = root.find(".//h1")
    title = names.get("og:title", "") or fold(root.findtext(".//title") or "")
    if heading is not None:
        title = title or fold("".join(heading.itertext()))
    dates = (iso_date(names[name]) for name in _DATE_NAMES if name in names)
    metadata = {name: names[name] for name in ("description", "author", "keywords") if names.get(name)}
    # Pages put menus and notices around their <main> element, where it holds the text.
    main = next((one for one in _MAIN(root) if len("".join(one.itertext()).split()) >= _MAIN_WORDS), root)
    return Document(
        title=clean(title),
        blocks=tuple(blocks_of(main)),
        format="html",
        date=next(filter(None, dates), ""),
        language=root.get("lang", "") or root.get("{http://www.w3.org/XML/1998/namespace}lang", ""),
        metadata=metadata,
        warnings=(*warnings, *hidden.warnings()),
    )


def declared_encoding(data: bytes) -> str:
    """What a page says of its own encoding; empty where it says nothing."""
    declared = _DECLARED.search(data[:2048])
    return declared.group(1).decode("ascii") if declared else ""


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


def drop_hidden(root: etree._Element, characters: int) -> Unseen:
    """Take what is not drawn out of a page of so many characters; where styles would take too long, all text stays."""
    if not _MAY_HIDE(root):
        return Unseen()
    names = frozenset(map(str, _OPENERS(root)))
    opened = {
        one
        for one in _NAMED(root)
        if one.get("id") in names or any(word in one.get("class", "").lower() for word in _OPENS)
    }
    try:
        styled = cascade(root, characters, PROPERTIES, opened, _CLOSING)
    except TooManyStyles:
        return Unseen(is_judged=False)
    frames = keyframes(root)
    layered = _layered(root, styled)
    schemes = [words(styled.get(root, {}).get("color-scheme", ()))]
    schemes += [set(meta.get("content", "").lower().split()) for meta in root.iterfind(".//meta[@name='color-scheme']")]
    is_dark = any("dark" in scheme and "light" not in scheme for scheme in schemes)  # and names no ground
    is_whole = root.find(".//link[@rel='stylesheet']") is None and not is_dark
    looks: dict[etree._Element, Look | None] = {}
    letters = 0
    for element in root.iter(etree.Element):
        parent = element.getparent()
        around = Look.of_page(is_whole) if parent is None else looks[parent]
        look = None
        if around is not None and not _is_closed(element, names):
            styles = _hints(element) | styled.get(element, {})
            moved = words([*styles.get("animation", ()), *styles.get("animation-name", ())]) & frames.keys()
            changed = set[str]().union(*(frames[name] for name in moved))  # where an animation ends is not told
            styles = {name: value for name, value in styles.items() if name not in changed} if changed else styles
            look = looked(around, styles, element.tag) if styles or changed else around
            if parent is None and look is None:
                look = around  # a script shows such a page
            if look is not None and element in layered:
                look = replace(look, ground=None)
        looks[element] = look
        if element.tag not in DROPPED_TAGS and (look is None or not is_drawn(look)):
            # What is inside may look otherwise: only an element's own text goes.
            own = "".join([element.text or "", *(child.tail or "" for child in element)])
            letters += sum(map(str.isalnum, own))
            element.text = None
            for child in element:
                child.tail = None
    for element, look in looks.items():
        if look is None:
            element.clear(keep_tail=True)
    return Unseen(letters)


def _layered(root: etree._Element, styled: Mapping[etree._Element, Styles]) -> set[etree._Element]:
    """Elements whose text may stand over something else than their ground: what is placed there, or painted before it.

    What is placed freely moves within the nearest box around it that is placed itself.
    """
    found: set[etree._Element] = set()
    paints: set[etree._Element] = set()
    painted: set[etree._Element] = set()  # something in them paints
    boxes: dict[etree._Element, etree._Element] = {}
    free: list[tuple[etree._Element, etree._Element]] = []  # with the boxes in which they move
    for element in root.iter(etree.Element):
        styles = styled.get(element, {})
        parent = element.getparent()
        box = root if parent is None else boxes[parent]
        place = words(styles.get("position", ()))
        if place & _FREE:
            free.append((element, root if "fixed" in place else box))
        boxes[element] = element if place - {"static"} else box
        if not _GROUNDS.isdisjoint(styles) or element.tag in _PICTURES or element.get("background"):
            paints.add(element)
            while parent is not None and parent not in painted:
                painted.add(parent)
                parent = parent.getparent()
        if not _BOX_GROUNDS.isdisjoint(styles):
            found.add(element)
            if words(styles.get("::position", ())) & _FREE:
                found.add(boxes[element])
    found.update(box for element, box in free if element in paints or element in painted)
    return found.union(element for element, box in free if box in painted and element not in paints)


def _is_closed(element: etree._Element, opened: frozenset[str]) -> bool:
    """Whether only a click would open it, and there is nothing to click on."""
    attributes = element.attrib
    if "hidden" in attributes or "popover" in attributes or (element.tag == "dialog" and "open" not in attributes):
        return attributes.get("id") not in opened
    if element.tag != "details" or "open" in attributes:
        return False
    summary = element.find("summary")
    return summary is not None and summary.find(".//img") is None and not "".join(summary.itertext()).strip()


def _hints(element: etree._Element) -> Styles:
    """Attributes that are older than styles."""
    attributes = element.attrib
    hints = ""
    if attributes.get("background"):
        hints += "background-image: url(picture);"
    if ground := attributes.get("bgcolor"):
        hints += f"background-color: {_old_colour(ground)};"
    if text := attributes.get({"font": "color", "body": "text"}.get(element.tag, "bgcolor-of-text")):
        hints += f"color: {_old_colour(text)}"
    return {one.name: one.value for one in declarations(hints)} if hints else {}


def _old_colour(value: str) -> str:
    return f"#{value}" if len(value) in (3, 6) and set(hexdigits).issuperset(value) else value
