"""Which parts of a page are not its text: scripts, navigation, forms, and what a reader cannot see."""

import re

from lxml import etree

DROPPED_TAGS = frozenset({
    "script", "style", "template", "nav", "noscript", "iframe", "object", "embed", "applet", "canvas",
    "audio", "video", "svg", "select", "option", "datalist", "textarea", "input", "progress", "meter",
    "head", "del", "s", "strike", "rp", "annotation", "annotation-xml", "map", "area", "param", "frameset",
})  # fmt: skip
_DROPPED_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "menu", "menubar", "alert"})
_DROPPED_CLASSES = frozenset({"footnote-backref", "skip-link", "skiplink", "usa-skipnav", "breadcrumb", "breadcrumbs"})
_BACK_ARROWS = frozenset({"↑", "↩", "↩\ufe0e", "^"})
"""Links from a footnote back to its mark."""
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])", re.IGNORECASE)


def opened_ids(root: etree._Element) -> frozenset[str]:
    """Ids of panels that a button on the page opens: hidden at first, yet part of the text."""
    return frozenset(str(value) for value in root.xpath(".//@aria-controls"))


def is_dropped(element: etree._Element, opened: frozenset[str]) -> bool:
    """Whether an element and all below it are left out of the text."""
    tag = element.tag
    if not isinstance(tag, str) or tag in DROPPED_TAGS:
        return True
    if tag == "a" and element.text in _BACK_ARROWS:
        return True
    attributes = element.attrib
    if not attributes:
        return False
    if "hidden" in attributes and attributes.get("id") not in opened:
        return True
    if attributes.get("role") in _DROPPED_ROLES or _INVISIBLE.search(attributes.get("style", "")):
        return True
    return not _DROPPED_CLASSES.isdisjoint(attributes.get("class", "").split())
