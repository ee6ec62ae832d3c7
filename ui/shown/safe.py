"""The one place where text from strangers becomes HTML: document text, names, words of a model, questions.

It is put into markup of our own as text: nothing of it is ever a tag, an attribute or an address.
"""

from collections.abc import Mapping
from html import escape


def escaped(text: object) -> str:
    """Text as it is, in HTML: also inside a quoted attribute. What cannot be shown is shown by its code."""
    return escape("".join(map(_visible, str(text))), quote=True)


def button(label: str, css: str, /, **data: object) -> str:
    """A button that says ``label``; ``data`` are its data- attributes, which say what it does and to what."""
    return f'<button type="button" class="{css}"{attributes(data)}>{escaped(label)}</button>'


def attributes(data: Mapping[str, object]) -> str:
    """Values as data- attributes, each behind a blank."""
    return "".join(f' data-{name}="{escaped(value)}"' for name, value in data.items())


def _visible(character: str) -> str:
    """Characters that would reorder or hide what stands around them are named instead."""
    if character.isprintable() or character in "\n\t" or character.isspace():
        return character
    return "" if character == "\u00ad" else f"\\u{ord(character):04x}"
