"""The one place where text from strangers becomes HTML: document text, names, words of a model, questions.

    filled("pages/documents/view.preview", row=row)    the macro ``preview`` of ``ui/pages/documents/view.jinja``

A macro writes values as text: nothing of them is ever a tag, an attribute or an address. What is ``Markup`` was filled
before. Beside it stands how macros write where a passage stands and who checked an answer.
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2.environment import TemplateModule
from jinja2.ext import Extension
from markupsafe import Markup

from assistant.feedback.database import FAULTS
from assistant.render import environment
from assistant.render.transcript import readable
from assistant.text.printing import excerpt, visible
from assistant.types import HEADING_SEPARATOR, Checked, Evidence
from ui.texts import Texts, shown_date, shown_number

# Elements of a line would be apart by a blank; what a template sets in lines of its own belongs together.
_BETWEEN_TAGS = re.compile(r"(?<=[>}])\s*\n\s*(?=[<{])")


def filled(macro: str, /, **values: Any) -> Markup:
    """What a macro, as ``FOLDER/TEMPLATE.MACRO``, makes of ``values``.

    Raises UndefinedError for a name that is not given.
    """
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
    templates = environment(Path(__file__).parents[1], printable)
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


def checked_words(checked: Checked, words: Texts) -> str:
    """Who has checked an answer, and when."""
    return words("chat.checked", name=checked.by, date=checked.date)


def source_line(hit: Evidence, words: Texts) -> str:
    """``terms.pdf, p. 4 · § 7 Deadlines``."""
    place = place_line(hit.pages, hit.place, words)
    named = ": ".join(filter(None, (hit.corpus, f"{hit.document}, {place}" if place else hit.document)))
    return visible(f"{named} · {heading_line(hit.heading)}" if hit.heading else named)


def title_line(hit: Evidence, words: Texts) -> str:
    """``Motor terms · § 7 Deadlines, p. 4``: the title and the section, without the path."""
    named, section = hit.title or hit.document, hit.heading.rsplit(HEADING_SEPARATOR, 1)[-1]
    where = named if section in ("", named) else f"{named} · {section}"
    place = place_line(hit.pages, hit.place, words)
    return visible(f"{where}, {place}" if place else where)


def place_line(pages: Sequence[int], place: str, words: Texts) -> str:
    """``p. 4``, ``pp. 4–5``, or the place that is no page; often nothing."""
    if not pages:
        return place
    if len(pages) == 1:
        return words("sources.page", page=pages[0])
    return words("sources.pages", first=pages[0], last=pages[-1])


def heading_line(heading: str) -> str:
    """A heading path as people read it."""
    return heading.replace(HEADING_SEPARATOR, " › ")
