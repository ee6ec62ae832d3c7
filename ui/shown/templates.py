"""The one place where text from strangers becomes HTML: document text, names, words of a model, questions.

    filled("corpus_contents.preview", row=row)         →  the HTML of the macro ``preview`` in ``corpus_contents.jinja``

A macro writes values as text: nothing of them is ever a tag, an attribute or an address. What is ``Markup`` was filled
before. Beside it stands an answer as plain text in the words of the interface, and where its passages stand: to be
copied and exported, and for the macros.
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2.environment import TemplateModule
from jinja2.ext import Extension
from markupsafe import Markup

from assistant.artifacts.cards import BASE
from assistant.feedback.database import FAULTS
from assistant.render import environment
from assistant.render.transcript import LONGEST_QUOTE, cited_parts, mark_of, marked_text, number_of, readable
from assistant.text.printing import excerpt, visible
from assistant.types import HEADING_SEPARATOR, Answer, Checked, Evidence, Sentence
from ui.texts import Texts, shown_date, shown_number
from ui.turns import Turn

# Elements of a line would be apart by a blank; what a template sets in lines of its own belongs together.
_BETWEEN_TAGS = re.compile(r"(?<=[>}])\s*\n\s*(?=[<{])")
_LETTERS = "AB"


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


def copied_text(turn: Turn, words: Texts) -> str:
    """The standing answer of a turn, its sentences numbered, with the references below."""
    answer = turn.standing.answer
    if answer.hedged or not answer.sentences:
        return visible(answer.text, keep_lines=True)
    quoted = [f"{words('export.quoted')}\n"] if answer.quoted else []
    checked = [f"\n({visible(checked_words(answer.checked, words))})"] if answer.checked else []
    return "\n".join([*quoted, marked(answer, words), *checked, "", *references(answer, words)])


def marked(answer: Answer, words: Texts) -> str:
    """The words of an answer with the marks of its sentences, in the lines that they stand in."""

    def mark(one: Sentence) -> str:
        if one.supported:
            return mark_of(one)
        return "" if answer.checked else f"[{words('chat.unsupported')}]"

    return visible(marked_text(answer, mark), keep_lines=True)


def references(answer: Answer, words: Texts) -> list[str]:
    """The cited passages, a line each: number, place and words."""
    return [
        f"{number_of(one)} {source_line(hit, words)}: "
        + words("chat.quoted_words", quote=excerpt(readable(one.quote), LONGEST_QUOTE))
        for one, hit in cited_parts(answer)
    ]


def checked_words(checked: Checked, words: Texts) -> str:
    """Who has checked an answer, and when."""
    return words("chat.checked", name=checked.by, date=checked.date)


def reply_name(turn: Turn, at: int, words: Texts) -> str:
    """What replied: ``A: sample · house``, or a letter while it is hidden; nothing where only one did."""
    if len(turn.replies) == 1:
        return ""
    reply = turn.replies[at]
    letter = words("chat.answer_letter", letter=_LETTERS[at])
    model = f"{reply.asked_of} · {words('chat.base') if reply.adapter in (None, BASE) else reply.adapter}"
    is_hidden = turn.blind and turn.preferred is None
    chosen = f" · {words('chat.preferred')}" if turn.preferred == at else ""
    return f"{letter}{'' if is_hidden else f': {model}'}{chosen}"


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
