"""The one place where text from strangers becomes HTML: document text, names, words of a model, questions.

``escaped`` is for what we put into markup of our own; ``markdown`` for text that may be formatted. Neither lets a
script, a style, a form, an image or an address of another scheme through.
"""

from collections.abc import Mapping
from functools import cache
from html import escape

import nh3
from markdown_it import MarkdownIt

_TAGS = {
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s",
    "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}


def escaped(text: object) -> str:
    """Text as it is, in HTML: also inside a quoted attribute. What cannot be shown is shown by its code."""
    return escape("".join(map(_visible, str(text))), quote=True)


def button(label: str, css: str, /, **data: object) -> str:
    """A button that says ``label``; ``data`` are its data- attributes, which say what it does and to what."""
    return f'<button type="button" class="{css}"{attributes(data)}>{escaped(label)}</button>'


def attributes(data: Mapping[str, object]) -> str:
    """Values as data- attributes, each behind a blank."""
    return "".join(f' data-{name}="{escaped(value)}"' for name, value in data.items())


def markdown(text: str) -> str:
    """Markdown as HTML, without the HTML in it, without images, with links that only lead to web pages."""
    return nh3.clean(
        _parser().render(text),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table").disable("image")


def _visible(character: str) -> str:
    """Characters that would reorder or hide what stands around them are named instead."""
    if character.isprintable() or character in "\n\t" or character.isspace():
        return character
    return "" if character == "\u00ad" else f"\\u{ord(character):04x}"
