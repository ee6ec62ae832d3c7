"""Which parts of a page are not its text: scripts, navigation, forms, and what a reader cannot see.

Text that nobody sees is how a page tells a program something else than its reader. Inline styles and simple selectors
of the page's own style sheets are known; what a button opens is read, since a reader can open it too.
"""

import re
from collections.abc import Iterator, Mapping

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
_OPENS = re.compile(r"accordion|collaps|panel|tab|toggle|expand|dropdown|faq|detail|answer", re.IGNORECASE)
"""Classes of what a click opens; style sheets hide it at first."""
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_AT_RULE = re.compile(r"@[^{};]*(?:;|\{(?:[^{}]*\{[^{}]*\})*[^{}]*\})")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_SIMPLE = re.compile(r"[a-z][a-z0-9]*|(?:[a-z][a-z0-9]*)?[.#][\w-]+", re.IGNORECASE)
_SIZE = re.compile(r"([\d.]+)\s*(px|pt|r?em|%)?")
_SMALLEST = {"px": 2.0, "pt": 2.0, "em": 0.15, "rem": 0.15, "%": 15.0}
"""Sizes of letters that nobody reads."""
_FAR_OUT = re.compile(r"-\s*\d{3,}")
_COLOUR = re.compile(r"#([0-9a-f]{6}|[0-9a-f]{3})\b|rgba?\(([^)]*)\)|\b(transparent|white|black|snow|ivory)\b")
_NAMED = {"white": (255, 255, 255), "black": (0, 0, 0), "snow": (255, 250, 250), "ivory": (255, 255, 240)}
_NEAR = 40
"""Sum of the differences of red, green and blue below which two colours look the same."""

Colour = tuple[int, ...] | None
"""Red, green, blue; empty: transparent; None: not known."""
Styles = dict[str, str]


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


def hide_unseen(root: etree._Element) -> None:
    """Give ``display: none`` to what styles make invisible, so that it is dropped, and empty what colours do."""
    sheets = "\n".join(str(element.text or "") for element in root.iter("style"))
    if not sheets and root.find(".//*[@style]") is None and root.find(".//font") is None:
        return
    rules, is_certain = _rules(sheets)
    is_certain = is_certain and root.find(".//link[@rel='stylesheet']") is None
    opened = opened_ids(root)
    page: tuple[Colour, Colour] = ((0, 0, 0), (255, 255, 255)) if is_certain else (None, None)
    colours: dict[etree._Element, tuple[Colour, Colour]] = {}
    for element in root.iter(etree.Element):
        inline = _declarations(element.get("style", ""))
        from_sheets = _matching(element, rules)
        styles = from_sheets | inline
        parent = element.getparent()
        around = page if parent is None else colours.get(parent, page)
        colours[element] = _colours(element, styles, around)
        is_opened = element.get("id", "") in opened or bool(_OPENS.search(element.get("class", "")))
        if _is_unseen(inline if is_opened else styles):
            element.set("style", "display: none")
        elif _are_alike(*colours[element]):
            _empty(element)


def _rules(sheets: str) -> tuple[dict[str, Styles], bool]:
    """Styles by simple selector (``p``, ``.note``, ``p.note``, ``#x``), and whether they hold all backgrounds."""
    rules: dict[str, Styles] = {}
    is_certain = True
    for selectors, body in _RULE.findall(_AT_RULE.sub("", _COMMENT.sub("", sheets))):
        styles = _declarations(body)
        for selector in map(str.strip, selectors.split(",")):
            if _SIMPLE.fullmatch(selector):
                rules[selector] = rules.get(selector, {}) | styles
            elif styles.keys() & {"background", "background-color"}:
                is_certain = False
    return rules, is_certain


def _declarations(text: str) -> Styles:
    pairs = (part.partition(":") for part in text.lower().split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if value}


def _matching(element: etree._Element, rules: Mapping[str, Styles]) -> Styles:
    if not rules:
        return {}
    styles: Styles = {}
    for selector in _selectors(element):
        styles |= rules.get(selector, {})
    return styles


def _selectors(element: etree._Element) -> Iterator[str]:
    """The simple selectors that mean an element, the weakest first."""
    yield element.tag
    for name in element.get("class", "").split():
        yield f".{name}"
        yield f"{element.tag}.{name}"
    yield f"#{element.get('id', '')}"


def _is_unseen(styles: Styles) -> bool:
    size = _SIZE.match(styles.get("font-size", ""))
    if size and float(size[1].strip(".") or 0) < _SMALLEST.get(size[2] or "px", 2.0):
        return True
    opacity = re.match(r"[\d.]+", styles.get("opacity", ""))
    return (
        styles.get("display", "").startswith("none")
        or styles.get("visibility", "").startswith(("hidden", "collapse"))
        or (opacity is not None and float(opacity[0].strip(".") or 0) < 0.05)
        or any(_FAR_OUT.match(styles.get(name, "")) for name in ("left", "top", "right", "text-indent", "margin-left"))
    )


def _colours(element: etree._Element, styles: Styles, around: tuple[Colour, Colour]) -> tuple[Colour, Colour]:
    """Colour of the text and of what is behind it."""
    text = styles.get("color") or (element.get("color", "").lower() if element.tag == "font" else "")
    ground = styles.get("background-color") or styles.get("background") or element.get("bgcolor", "").lower()
    behind = _colour(ground) if ground and ground not in ("none", "inherit") else around[1]
    return _colour(text) if text and text != "inherit" else around[0], around[1] if behind == () else behind


def _colour(value: str) -> Colour:
    """The first colour of a value; not known where it has none, or a picture."""
    match = _COLOUR.search(value)
    if match is None or "url(" in value:
        return None
    if digits := match[1]:
        digits = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
        return tuple(bytes.fromhex(digits))
    if match[2] is not None:
        numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", match[2])]
        return () if len(numbers) == 4 and numbers[3] < 0.05 else tuple(int(number) for number in numbers[:3])
    return _NAMED.get(match[3], ())


def _empty(element: etree._Element) -> None:
    """Take out the text that has the colour of an element; what is inside may have its own."""
    element.text = None
    for child in element:
        child.tail = None


def _are_alike(text: Colour, ground: Colour) -> bool:
    if text == ():
        return True
    if not text or not ground or len(text) != len(ground):
        return False
    return sum(abs(one - other) for one, other in zip(text, ground, strict=True)) < _NEAR
