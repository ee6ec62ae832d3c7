"""The cascade of CSS: which declarations of a page's own style sheets and attributes hold for each of its elements.

Sheets of other files are not fetched. What needs a pointer, a printer or a small window does not hold.
"""

import re
from base64 import b64decode
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from urllib.parse import unquote_to_bytes

import tinycss2
from cssselect import HTMLTranslator, SelectorError, parse
from cssselect.parser import CombinedSelector, Selector, Tree
from cssselect.xpath import ExpressionError
from lxml import etree
from tinycss2.ast import AtRule, Declaration, Node, QualifiedRule

WINDOW = 1280, 800
"""Width and height in pixels of the window that pages are looked at in."""
Styles = dict[str, list[Node]]
"""Property → component values of the declaration that won."""

_PARTS = {
    "background": ("background-color", "background-image", "background-clip"),
    "font": ("font-size", "line-height"),
    "margin": ("margin-left", "margin-top"),
    "inset": ("top", "right", "bottom", "left"),
    "padding": ("padding-top", "padding-bottom"),
    "overflow": ("overflow-x", "overflow-y"),
}
"""What a declaration for several properties sets anew."""
_GROUPING = frozenset({"supports", "layer", "container", "scope"})
_WIDTH = re.compile(r"\(\s*(min|max)-width\s*:\s*([\d.]+)(px|r?em)\s*\)")
_NO_SCREEN = re.compile(r"\b(?:print|speech|prefers-color-scheme\s*:\s*dark|prefers-reduced-motion\s*:\s*reduce)\b")
_NAMES = re.compile(r"[.#](-?[_a-zA-Z][\w-]*)")
_ANIMATES = re.compile("keyframes", re.IGNORECASE)
_COUNTS = re.compile(r":(?:nth|last|first|only)-")
_STEPS = 25
"""What a selector takes at an element, where a step counts one of the element's siblings."""
_MOST_STEPS = 5_000_000_000
"""About a quarter of a minute: 1,000 selectors of two parts for a hundred thousand elements."""
_CONDITIONAL = "(["  # brackets may hold commas, and names that need not be there


@dataclass(frozen=True, slots=True)
class _Rule:
    """One selector with its declarations."""

    selector: Selector
    declarations: tuple[Declaration, ...]


def cascade(
    root: etree._Element, properties: frozenset[str], opened: Container[etree._Element], closing: frozenset[str]
) -> dict[etree._Element, Styles]:
    """Elements with styles → what holds for them of ``properties`` and custom properties.

    Style sheets may not set the properties ``closing`` of elements that are ``opened``; style attributes may. What
    holds for boxes before and after the text of an element is given as ``::color`` and so on. Raises ``TooManyStyles``.
    """
    known = frozenset(name for values in root.xpath("//@class | //@id") for name in str(values).split())
    rules = sorted(_rules(_sheets(root), properties, known), key=lambda rule: rule.selector.specificity())
    matcher = _Matcher(root)
    matches = [(rule, matcher.of(rule.selector)) for rule in rules]
    styled: dict[etree._Element, Styles] = {}
    for is_important in (False, True):
        for rule, elements in matches:
            declared = [one for one in rule.declarations if one.important == is_important]
            heard = [one for one in declared if one.name not in closing]
            for element in elements if declared else ():
                _set(styled.setdefault(element, {}), heard if element in opened else declared)
        for element in root.xpath("descendant-or-self::*[@style]"):
            declared = [one for one in declarations(element.get("style", "")) if one.important == is_important]
            _set(styled.setdefault(element, {}), declared)
    return styled


def _set(styles: Styles, declared: Iterable[Declaration]) -> None:
    for one in declared:
        styles[one.name] = one.value
        for part in _PARTS.get(one.name, ()):
            styles.pop(part, None)


@lru_cache(maxsize=10_000)
def declarations(text: str) -> tuple[Declaration, ...]:
    """The declarations of a style attribute; pages repeat theirs."""
    found = tinycss2.parse_blocks_contents(text, skip_comments=True, skip_whitespace=True)
    return tuple(_named(one) for one in found if isinstance(one, Declaration))


def _named(declaration: Declaration) -> Declaration:
    """The same with its name as it is compared: only those of custom properties know large letters."""
    if not declaration.name.startswith("--"):
        declaration.name = declaration.lower_name
    return declaration


def _sheets(root: etree._Element) -> Iterator[str]:
    """The sheets that lie in the page, in order."""
    for element in root.iter("style", "link"):
        if not _holds_on_screen(element.get("media", "")):
            continue
        if element.tag == "style":
            yield element.text or ""
        elif "stylesheet" in element.get("rel", "").lower() and element.get("href", "")[:5].lower() == "data:":
            head, _, body = element.get("href", "").partition(",")
            raw = unquote_to_bytes(body)
            yield (b64decode(raw + b"==") if head.endswith("base64") else raw).decode("utf-8", "replace")


def keyframes(root: etree._Element) -> dict[str, set[str]]:
    """Names of animations → the properties that they change."""
    found: dict[str, set[str]] = {}
    for sheet in filter(_ANIMATES.search, _sheets(root)):
        todo = tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)
        while todo:
            node = todo.pop()
            if not isinstance(node, AtRule) or node.content is None:
                continue
            if not node.lower_at_keyword.endswith("keyframes"):
                todo += tinycss2.parse_rule_list(node.content) if _is_open(node) else []
                continue
            changed = found.setdefault(tinycss2.serialize(node.prelude).strip().lower(), set())
            for frame in tinycss2.parse_rule_list(node.content):
                if isinstance(frame, QualifiedRule):
                    changed.update(one.name for one in declarations(tinycss2.serialize(frame.content)))
    return found


def _rules(sheets: Iterable[str], properties: frozenset[str], known: frozenset[str]) -> Iterator[_Rule]:
    for sheet in sheets:
        nodes = tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)
        todo = [(node, "") for node in reversed(nodes)]
        while todo:
            node, parent = todo.pop()
            if isinstance(node, QualifiedRule):
                selector = _nested(tinycss2.serialize(node.prelude).strip(), parent)
                inside = tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
                declared = [_named(one) for one in inside if isinstance(one, Declaration)]
                useful = tuple(one for one in declared if one.name in properties or one.name.startswith("--"))
                if useful:
                    yield from _compiled(selector, useful, known)
                todo += [(one, selector) for one in reversed(inside) if not isinstance(one, Declaration)]
            elif isinstance(node, AtRule) and node.content is not None and _is_open(node):
                inside = tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
                declared = [_named(one) for one in inside if isinstance(one, Declaration) and one.name in properties]
                if declared and parent:
                    yield from _compiled(parent, tuple(declared), known)
                todo += [(one, parent) for one in reversed(inside) if not isinstance(one, Declaration)]


def _nested(selector: str, parent: str) -> str:
    if not parent:
        return selector
    around = f":is({parent})"
    parts = (part.strip() for part in selector.split(","))
    return ", ".join(part.replace("&", around) if "&" in part else f"{around} {part}" for part in parts)


def _is_open(rule: AtRule) -> bool:
    keyword = rule.lower_at_keyword
    return keyword in _GROUPING or (keyword == "media" and _holds_on_screen(tinycss2.serialize(rule.prelude)))


def _holds_on_screen(media: str) -> bool:
    """Whether one of the queries is true of a window of the usual size; features that are not known are."""
    return not media.strip() or any(_is_true(query) for query in media.lower().split(","))


def _is_true(query: str) -> bool:
    holds = not _NO_SCREEN.search(query)
    for bound, number, unit in _WIDTH.findall(query):
        width = float(number.strip(".") or 0) * (1 if unit == "px" else 16)
        holds &= WINDOW[0] >= width if bound == "min" else WINDOW[0] <= width
    return holds != query.strip().startswith("not ")


def _compiled(selectors: str, declarations: tuple[Declaration, ...], known: frozenset[str]) -> Iterator[_Rule]:
    """One rule a selector; those that name what is not on the page are left out before they cost anything."""
    if not any(sign in selectors for sign in _CONDITIONAL):
        parts = [part for part in selectors.split(",") if known.issuperset(_NAMES.findall(part))]
        selectors = ",".join(parts)
    with suppress(SelectorError, ExpressionError, RecursionError):
        for selector in parse(selectors):
            if selector.pseudo_element is None:
                yield _Rule(selector, declarations)
            elif selector.pseudo_element in ("before", "after"):
                yield _Rule(selector, tuple(map(_of_box, declarations)))


def _of_box(declaration: Declaration) -> Declaration:
    """The same for a box before or after the text of an element."""
    other = copy(declaration)
    other.name = f"::{declaration.name}"
    return other


class TooManyStyles(Exception):
    """The rules of a page would take too long to be matched with its elements."""


class _Matcher:
    """The elements of a page that selectors mean, in time that grows with the page and not with its square."""

    def __init__(self, root: etree._Element) -> None:
        self.root = root
        self._count = sum(1 for _ in root.iter(etree.Element))
        self._widest = max(map(len, root.iter(etree.Element)))
        self._steps = 0
        self._translator = HTMLTranslator()
        self._found: dict[str, list[etree._Element]] = {}

    def of(self, selector: Selector) -> list[etree._Element]:
        """All elements that a selector means, in order."""
        parts: list[tuple[str, Tree]] = []
        tree = selector.parsed_tree
        self._take(_STEPS)
        while isinstance(tree, CombinedSelector):
            self._take(_STEPS)
            parts.append((tree.combinator, tree.subselector))
            tree = tree.selector
        found = self._alone(tree)
        for combinator, part in reversed(parts):
            reached = _reached(found, combinator) if found else ()
            found = [element for element in self._alone(part) if element in reached]
        return found

    def _alone(self, tree: Tree) -> list[etree._Element]:
        """Elements by what they are, without the others that a selector names around them."""
        name = tree.canonical()
        if name not in self._found:
            if _COUNTS.search(name):
                self._take(self._widest)
            self._found[name] = []
            with suppress(ExpressionError, etree.XPathError, RecursionError):
                self._found[name] = self.root.xpath(self._translator.selector_to_xpath(Selector(tree)))
        return self._found[name]

    def _take(self, steps: int) -> None:
        """Count steps that each element takes."""
        self._steps += steps * self._count
        if self._steps > _MOST_STEPS:
            raise TooManyStyles


def _reached(found: list[etree._Element], combinator: str) -> set[etree._Element]:
    """What stands below or behind elements, which come in the order of the page."""
    reached: set[etree._Element] = set()
    for element in found:
        if combinator == ">":
            reached.update(element)
        elif combinator == "+":
            reached.update(islice(element.itersiblings("*"), 1))
        elif element not in reached:  # else all that it reaches is there already
            reached.update(element.iterdescendants("*") if combinator == " " else element.itersiblings("*"))
    return reached
