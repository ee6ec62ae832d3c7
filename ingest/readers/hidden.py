"""Which parts of a page are not its text: scripts, navigation, forms, and what is not drawn.

Text that is not drawn is how a page tells a program something else than its reader. Styles decide that, by the
cascade of the page's own sheets; a text of the colour of its ground is not drawn either. What a button opens is read,
since a reader can open it too.
"""

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace

from lxml import etree

from .cascade import Styles, TooManyStyles, cascade, declarations, keyframes
from .cssvalues import words
from .look import PROPERTIES, Look, is_drawn, looked

DROPPED_TAGS = frozenset({
    "script", "style", "template", "nav", "noscript", "iframe", "object", "embed", "applet", "canvas",
    "audio", "video", "svg", "select", "option", "datalist", "textarea", "input", "progress", "meter",
    "head", "del", "s", "strike", "rp", "annotation", "annotation-xml", "map", "area", "param", "frameset",
})  # fmt: skip
_DROPPED_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "menu", "menubar", "alert"})
_DROPPED_CLASSES = frozenset({"footnote-backref", "skip-link", "skiplink", "usa-skipnav", "breadcrumb", "breadcrumbs"})
_BACK_ARROWS = frozenset({"↑", "↩", "↩\ufe0e", "^"})
"""Links from a footnote back to its mark."""
_OPENERS = etree.XPath(".//@aria-controls | .//@popovertarget | .//@commandfor")
_NAMED = etree.XPath(".//*[@id or @class]")
_OPENS = re.compile(r"accordion|collaps|panel|tab|toggle|expand|dropdown|faq|detail|answer", re.IGNORECASE)
"""Classes of what a click opens; style sheets hide it at first."""
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


def is_dropped(element: etree._Element) -> bool:
    """Whether an element and all below it are left out of the text."""
    tag = element.tag
    if not isinstance(tag, str) or tag in DROPPED_TAGS:
        return True
    if tag == "a" and element.text in _BACK_ARROWS:
        return True
    attributes = element.attrib
    if not attributes:
        return False
    if attributes.get("role") in _DROPPED_ROLES:
        return True
    return not _DROPPED_CLASSES.isdisjoint(attributes.get("class", "").split())


def hidden_warning(letters: int) -> tuple[str, ...]:
    """The line of the report about text that was left out since nobody sees it; none where there was none."""
    return (f"text that is not drawn was left out ({letters:,} letters and figures)",) if letters else ()


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


def drop_hidden(root: etree._Element, characters: int) -> Unseen:
    """Take what is not drawn out of a page of so many characters; where styles would take too long, all text stays."""
    if not _MAY_HIDE(root):
        return Unseen()
    names = frozenset(map(str, _OPENERS(root)))
    opened = {one for one in _NAMED(root) if one.get("id") in names or _OPENS.search(one.get("class", ""))}
    try:
        styled = cascade(root, characters, PROPERTIES, opened, _CLOSING)
    except TooManyStyles:
        return Unseen(is_judged=False)
    frames = keyframes(root)
    layered = _layered(root, styled)
    is_whole = root.find(".//link[@rel='stylesheet']") is None and not _is_dark(root, styled)
    looks: dict[etree._Element, Look | None] = {}
    letters = 0
    for element in root.iter(etree.Element):
        parent = element.getparent()
        around = Look.of_page(is_whole) if parent is None else looks[parent]
        look = None
        if around is not None and not _is_closed(element, names):
            styles = _hints(element) | styled.get(element, {})
            look = looked(around, _settled(styles, frames), element.tag) if styles else around
            if parent is None and look is None:
                look = around  # a script shows such a page
            if look is not None and element in layered:
                look = replace(look, ground=None)
        looks[element] = look
        if element.tag not in DROPPED_TAGS and (look is None or not is_drawn(look)):
            letters += sum(map(_count, _own_texts(element)))
            _empty(element)
    for element, look in looks.items():
        if look is None:
            element.clear(keep_tail=True)
    return Unseen(letters)


def _is_dark(root: etree._Element, styled: Mapping[etree._Element, Styles]) -> bool:
    """Whether a page asks for a dark ground without naming one."""
    schemes = [words(styled.get(root, {}).get("color-scheme", ()))]
    schemes += [set(meta.get("content", "").lower().split()) for meta in root.iterfind(".//meta[@name='color-scheme']")]
    return any("dark" in scheme and "light" not in scheme for scheme in schemes)


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


def _settled(styles: Styles, frames: Mapping[str, Set[str]]) -> Styles:
    """Styles without what an animation changes: where it ends is not told."""
    moved = words([*styles.get("animation", ()), *styles.get("animation-name", ())])
    changed = set().union(*(frames[name] for name in moved & frames.keys()))
    return {name: value for name, value in styles.items() if name not in changed} if changed else styles


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
    return f"#{value}" if re.fullmatch(r"[0-9a-fA-F]{6}|[0-9a-fA-F]{3}", value) else value


def _own_texts(element: etree._Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        yield child.tail or ""


def _count(text: str) -> int:
    return sum(map(str.isalnum, text))


def _empty(element: etree._Element) -> None:
    """Take out the text of an element's own; what is inside may look otherwise."""
    element.text = None
    for child in element:
        child.tail = None
