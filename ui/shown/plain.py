"""An answer as plain text in the words of the interface, and where its passages stand: to be copied and exported."""

from collections.abc import Sequence

from assistant.artifacts.cards import BASE
from assistant.render.transcript import LONGEST_QUOTE, cited_parts, mark_of, marked_text, number_of, readable
from assistant.text.printing import excerpt, visible
from assistant.types import HEADING_SEPARATOR, Answer, Checked, Evidence, Sentence
from ui.texts import Texts
from ui.turns import Turn

_LETTERS = "AB"


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
        return mark_of(one) if one.supported else f"[{words('chat.unsupported')}]"

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
