"""The cascade of CSS: which declarations of a page's own style sheets and attributes hold for each of its elements.

Sheets of other files are not fetched. What needs a pointer, a printer or a small window does not hold.
"""

import re
from base64 import b64decode
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, islice, takewhile
from typing import Any
from urllib.parse import unquote_to_bytes

import tinycss2
from cssselect import HTMLTranslator, SelectorError, parse
from cssselect.parser import (
    CombinedSelector,
    Element,
    Matching,
    Negation,
    Relation,
    Selector,
    SpecificityAdjustment,
    Tree,
)
from cssselect.xpath import ExpressionError
from lxml import etree
from tinycss2.ast import AtRule, Declaration, IdentToken, Node, ParenthesesBlock, QualifiedRule

from .colours import lengths, words

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
_OTHER_MEDIA = frozenset({"print", "speech"})
_OTHER_WISHES = {"prefers-color-scheme": "dark", "prefers-reduced-motion": "reduce"}
"""What readers may ask for, but usually do not."""
_NAMES = re.compile(r"[.#](-?[_a-zA-Z][\w-]*)")
_COUNT = re.compile(r"count\((preceding|following)-sibling::(\*|[\w.-]+)\)")
_STEPS = 25
"""What a selector takes at an element, beside one for each of its characters; a step is 3 to 4 nanoseconds."""
_STEPS_OF = {".": 150, ":": 40}
"""What classes and pseudo-classes take besides."""
_STEPS_OF_TOKEN = 100
"""What each part of a value takes at an element that has it."""
_STEPS_A_CHARACTER = 3_000
"""Of a page: 1 to 1.5 seconds for 100,000 characters; 700 were the most of 13 honest pages."""
_MOST_STEPS = 5_000_000_000  # of any page: some 16 seconds (docs/log.md)
LONGEST_VALUE = 200
"""Parts of a value, far more than a list of fonts or shadows has; each takes steps at every element that has it."""
_LONG_NUMBER = re.compile(r"(\d{99})\d+")
_CONDITIONAL = "(["  # brackets may hold commas, and names that need not be there


@dataclass(frozen=True, slots=True)
class _Rule:
    """One selector with its declarations."""

    selector: Selector
    specificity: tuple[int, int, int]
    declarations: tuple[Declaration, ...]


def cascade(
    root: etree._Element,
    characters: int,
    properties: frozenset[str],
    opened: Container[etree._Element],
    closing: frozenset[str],
) -> dict[etree._Element, Styles]:
    """Elements with styles → what holds for them of ``properties`` and custom properties, on a page of so many
    characters.

    Style sheets may not set the properties ``closing`` of elements that are ``opened``; style attributes may. What
    holds for boxes before and after the text of an element is given as ``::color`` and so on. Raises ``TooManyStyles``.
    """
    known = frozenset(name for values in root.xpath("//@class | //@id") for name in str(values).split())
    rules = sorted(_rules(_sheets(root), properties, known), key=lambda rule: rule.specificity)
    matcher = _Matcher(root, min(_MOST_STEPS, _STEPS_A_CHARACTER * characters))
    try:
        matches = [(rule, matcher.of(rule.selector)) for rule in rules]
    finally:
        matcher.forget()
    styled: dict[etree._Element, Styles] = {}
    for is_important in (False, True):
        for rule, elements in matches:
            declared = [one for one in rule.declarations if one.important == is_important]
            heard = [one for one in declared if one.name not in closing]
            matcher.take(_STEPS_OF_TOKEN * sum(1 + len(one.value) for one in declared), len(elements))
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
    # Python refuses to read numbers of thousands of digits.
    shortened = _LONG_NUMBER.sub(r"\1", text)
    found = tinycss2.parse_blocks_contents(shortened, skip_comments=True, skip_whitespace=True)
    return tuple(_named(one) for one in found if isinstance(one, Declaration))


def _named(declaration: Declaration) -> Declaration:
    """The same with its name as it is compared (only those of custom properties know large letters), and of a usual
    length."""
    declaration.value = declaration.value[:LONGEST_VALUE]
    if not declaration.name.startswith("--"):
        declaration.name = declaration.lower_name
    return declaration


def _sheets(root: etree._Element) -> Iterator[str]:
    """The sheets that lie in the page, in order."""
    for element in root.iter("style", "link"):
        media = _LONG_NUMBER.sub(r"\1", element.get("media", ""))
        if not _holds_on_screen(tinycss2.parse_component_value_list(media)):
            continue
        if element.tag == "style":
            yield _LONG_NUMBER.sub(r"\1", element.text or "")
        elif "stylesheet" in element.get("rel", "").lower() and element.get("href", "")[:5].lower() == "data:":
            head, _, body = element.get("href", "").partition(",")
            raw = unquote_to_bytes(body)
            sheet = (b64decode(raw + b"==") if head.endswith("base64") else raw).decode("utf-8", "replace")
            yield _LONG_NUMBER.sub(r"\1", sheet)


def keyframes(root: etree._Element) -> dict[str, set[str]]:
    """Names of animations → the properties that they change."""
    found: dict[str, set[str]] = {}
    for sheet in (one for one in _sheets(root) if "keyframes" in one.lower()):
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
                selector = tinycss2.serialize(node.prelude).strip()
                if parent:
                    around, parts = f":is({parent})", map(str.strip, selector.split(","))
                    nested = (part.replace("&", around) if "&" in part else f"{around} {part}" for part in parts)
                    selector = ", ".join(nested)
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


def _is_open(rule: AtRule) -> bool:
    keyword = rule.lower_at_keyword
    return keyword in _GROUPING or (keyword == "media" and _holds_on_screen(rule.prelude))


def _holds_on_screen(media: Sequence[Node]) -> bool:
    """Whether one of the queries is true of a window of the usual size; features that are not known are."""
    queries = [list(query) for is_comma, query in groupby(media, lambda one: one == ",") if not is_comma]
    for query in queries:
        names = [one.lower_value for one in query if isinstance(one, IdentToken)]
        holds = _OTHER_MEDIA.isdisjoint(names)
        todo = query
        while blocks := [one.content for one in todo if isinstance(one, ParenthesesBlock)]:
            for feature in map(tinycss2.parse_one_declaration, blocks):
                if isinstance(feature, Declaration):
                    holds &= _OTHER_WISHES.get(feature.lower_name) not in words(feature.value)
                    for width in lengths(feature.value, 16.0, WINDOW[0])[:1]:
                        holds &= feature.lower_name != "min-width" or WINDOW[0] >= width
                        holds &= feature.lower_name != "max-width" or WINDOW[0] <= width
            todo = [one for block in blocks for one in block]
        if holds != (names[:1] == ["not"]):
            return True
    return not queries


def _compiled(selectors: str, declarations: tuple[Declaration, ...], known: frozenset[str]) -> Iterator[_Rule]:
    """One rule a selector; those that name what is not on the page are left out before they cost anything."""
    if not any(sign in selectors for sign in _CONDITIONAL):
        parts = [part for part in selectors.split(",") if known.issuperset(_NAMES.findall(part))]
        selectors = ",".join(parts)
    with suppress(SelectorError, ExpressionError, RecursionError):
        for selector in parse(selectors):
            specificity = selector.specificity()
            if selector.pseudo_element is None:
                yield _Rule(selector, specificity, declarations)
            elif selector.pseudo_element in ("before", "after"):
                boxed = tuple(map(copy, declarations))
                for one in boxed:
                    one.name = f"::{one.name}"
                yield _Rule(selector, specificity, boxed)


class TooManyStyles(Exception):
    """The rules of a page would take too long to be matched with its elements."""


class _Matcher:
    """The elements of a page that selectors mean, in time that grows with the page and not with its square."""

    def __init__(self, root: etree._Element, steps: int) -> None:
        self.root = root
        self._count = sum(1 for _ in root.iter(etree.Element))
        self._left = steps
        self._translator = HTMLTranslator()
        self._found: dict[str, list[etree._Element]] = {}
        self._counted: set[str] = set()

    def of(self, selector: Selector) -> list[etree._Element]:
        """All elements that a selector means, in order; none for one that is not known."""
        with suppress(ExpressionError, etree.XPathError, RecursionError):
            return self._meant(selector.parsed_tree)
        return []

    def _meant(self, tree: Tree) -> list[etree._Element]:
        parts: list[tuple[str, Tree]] = []
        while isinstance(tree, CombinedSelector):
            parts.append((tree.combinator, tree.subselector))
            tree = tree.selector
        self.take(_STEPS * (1 + len(parts)), self._count)
        found = self._alone(tree)
        for combinator, part in reversed(parts):
            reached: set[etree._Element] = set()
            for element in found:  # in the order of the page
                if combinator == ">":
                    reached.update(element)
                elif combinator == "+":
                    reached.update(islice(element.itersiblings("*"), 1))
                elif element not in reached:  # else all that it reaches is there already
                    reached.update(element.iterdescendants("*") if combinator == " " else element.itersiblings("*"))
            found = [element for element in self._alone(part) if element in reached]
        return found

    def forget(self) -> None:
        """Take what was noted out of the page."""
        etree.strip_attributes(self.root, *self._counted)

    def take(self, steps: int, count: int) -> None:
        """So many elements take so many steps each. Raises ``TooManyStyles``."""
        self._left -= steps * count
        if self._left < 0:
            raise TooManyStyles

    def _alone(self, tree: Tree) -> list[etree._Element]:
        """Elements by what they are, without the others that a selector names around them."""
        name = tree.canonical()
        if name not in self._found:
            self.take(len(name) + sum(steps * name.count(sign) for sign, steps in _STEPS_OF.items()), self._count)
            # What an element has to be, and what else: one of those that selectors mean, or none, or near one.
            parts: list[Any] = []
            while not isinstance(tree, Element):
                parts.append(tree)
                tree = tree.selector
            simple: Tree = tree
            within: list[tuple[bool, list[tuple[str, Tree]]]] = []
            for part in reversed(parts):
                if isinstance(part, Negation):
                    within.append((False, [("", part.subselector)]))
                elif isinstance(part, (Matching, SpecificityAdjustment)):
                    within.append((True, [("", one) for one in part.selector_list]))
                elif isinstance(part, Relation):
                    within.append((True, [(place.value or "", one.parsed_tree) for place, one in part.arguments]))
                else:
                    part = copy(part)
                    part.selector, simple = simple, part
            path = self._translator.selector_to_xpath(Selector(simple))
            found: list[etree._Element] = self.root.xpath(_COUNT.sub(self._noted, path))
            for is_meant, selectors in within:
                meant = set[etree._Element]().union(*(_holding(self._meant(one), place) for place, one in selectors))
                found = [element for element in found if (element in meant) == is_meant]
            self._found[name] = found
        return self._found[name]

    def _noted(self, count: re.Match[str]) -> str:
        """The attribute in which each element has how many siblings stand before or behind it, of all or of its tag."""
        axis, tag = count.groups()
        name = f"{axis}-sibling-{'all' if tag == '*' else 'tag'}"
        if name not in self._counted:
            self._counted.add(name)
            self.root.set(name, "0")
            for parent in self.root.iter(etree.Element):
                seen = Counter[str]()
                for child in parent.iterchildren("*", reversed=axis == "following"):
                    kind = "" if tag == "*" else child.tag
                    child.set(name, str(seen[kind]))
                    seen[kind] += 1
        return f"@{name}"


def _holding(found: list[etree._Element], place: str) -> set[etree._Element]:
    """What has elements below or behind it, or is one of them where no place is named."""
    holding: set[etree._Element] = set()
    for element in found:
        if not place:
            holding.add(element)
        elif place == ">":
            holding.update(islice(element.iterancestors("*"), 1))
        elif place == "+":
            holding.update(islice(element.itersiblings("*", preceding=True), 1))
        else:  # what holds one holds all that those around it, or before it, hold
            others = element.iterancestors("*") if place == " " else element.itersiblings("*", preceding=True)
            holding.update(takewhile(lambda one: one not in holding, others))
    return holding
