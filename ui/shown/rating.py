"""An answer to rate as HTML: the question, the answer, the passages, and a form of few choices."""

from collections.abc import Sequence

from markupsafe import Markup

from assistant.artifacts.evaluations import DEGREES, LABELS, LONGEST_COMMENT, Label
from ui.reports import Rateable
from ui.shown.components import empty_html
from ui.shown.plain import heading_line, place_line
from ui.shown.templates import filled
from ui.texts import Texts

_REFUSAL_LABELS: tuple[Label, ...] = ("right", "wrong")


def rateable_html(one: Rateable, done: int, total: int, words: Texts) -> Markup:
    """One answer with its form; ``done`` of ``total`` have been rated before."""
    fields: list[tuple[str, str, Sequence[tuple[str, str]]]]
    if one.refused:
        fields = [("label", words("rating.right"), [(it, words(f"rating.refusal.{it}")) for it in _REFUSAL_LABELS])]
    else:
        labels = [(label, words(f"rating.label.{label.replace(' ', '_')}")) for label in LABELS]
        fields = [("label", words("rating.right"), labels)]
        if one.passages:
            degrees = [(degree, words(f"rating.degree.{degree}")) for degree in DEGREES]
            fields.append(("supported", words("rating.supported"), degrees))
        fields.append(("tone", words("rating.tone"), [(it, words(f"rating.degree.{it}")) for it in ("yes", "no")]))
    passages = []
    for number, passage in enumerate(one.passages, 1):
        place = place_line(passage.pages, "", words)
        source = filter(None, (f"{number}. {passage.document}", place, heading_line(passage.heading)))
        passages.append((" · ".join(source), passage.text))
    return filled(
        "rating.rateable",
        one=one,
        done=done,
        total=total,
        fields=fields,
        longest=LONGEST_COMMENT,
        passages=passages,
        words=words,
    )


def finished_html(total: int, words: Texts) -> Markup:
    """Nothing is left to rate."""
    return filled("rating.finished", total=total, words=words)


def no_reports_html(words: Texts) -> Markup:
    """There is nothing that could be rated."""
    return empty_html(words("rating.none"), words("rating.none_help"))
