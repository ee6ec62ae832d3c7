"""The one place where text from strangers becomes HTML: document text, names, words of a model, questions.

    filled("corpus_contents.preview", row=row)         →  the HTML of the macro ``preview`` in ``corpus_contents.jinja``

A macro writes values as text: nothing of them is ever a tag, an attribute or an address. What is ``Markup`` was filled
before.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2.environment import TemplateModule
from jinja2.ext import Extension
from markupsafe import Markup

from assistant.feedback.database import FAULTS
from assistant.render import environment
from assistant.render.transcript import readable
from assistant.text.printing import excerpt
from ui.shown.plain import checked_words, heading_line, place_line, source_line, title_line
from ui.texts import shown_date, shown_number

# Elements of a line would be apart by a blank; what a template sets in lines of its own belongs together.
_BETWEEN_TAGS = re.compile(r"(?<=[>}])\s*\n\s*(?=[<{])")


def filled(macro: str, /, **values: Any) -> Markup:
    """What a macro, as ``TEMPLATE.MACRO``, makes of ``values``. Raises UndefinedError for a name that is not given."""
    template, _, name = macro.partition(".")
    return Markup(getattr(_macros(template), name)(**values))


def printable(text: str) -> str:
    """Text whose characters that would reorder or hide what stands around them are named instead."""
    return "".join(
        character
        if character.isprintable() or character.isspace()
        else ""
        if character == "\u00ad"
        else f"\\u{ord(character):04x}"
        for character in text
    )


class _Together(Extension):
    def preprocess(self, source: str, _name: str | None, _filename: str | None = None) -> str:
        return _BETWEEN_TAGS.sub("", source)


@cache
def _macros(template: str) -> TemplateModule:
    templates = environment(Path(__file__).parent, printable)
    templates.add_extension(_Together)
    templates.filters |= {
        "excerpt": excerpt,
        "readable": readable,
        "checked_words": checked_words,
        "number": shown_number,
        "date": shown_date,
        "source_line": source_line,
        "title_line": title_line,
        "place_line": place_line,
        "heading_line": heading_line,
    }
    templates.globals["all_faults"] = FAULTS
    return templates.get_template(f"{template}.jinja").module
