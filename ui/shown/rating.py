"""An answer to rate as HTML: the question, the answer, the passages, and a form of few choices."""

from collections.abc import Iterable, Sequence

from assistant.artifacts.ratings import DEGREES, LABELS, LONGEST_COMMENT, Label
from ui.rateable import Rateable, ShownPassage
from ui.shown.pieces import empty_html
from ui.shown.places import heading_line, place_line
from ui.shown.safe import button, escaped
from ui.texts import Words

_REFUSAL_LABELS: tuple[Label, ...] = ("right", "wrong")


def rateable_html(one: Rateable, done: int, total: int, words: Words) -> str:
    """One answer with its form; ``done`` of ``total`` have been rated before."""
    history = "".join(f'<p class="meta">{escaped(message.content)}</p>' for message in one.history)
    answer = f'<div class="answer-text">{escaped(one.text) or "–"}</div>'
    return (
        f'<div class="rating">{_progress(done, total, words)}<div class="rating-columns">'
        f'<section class="rating-answer">'
        f'<p class="eyebrow">{escaped(words("rating.question"))}</p>{history}<h3>{escaped(one.asked)}</h3>'
        f'<p class="eyebrow">{escaped(words("rating.answer"))}</p>{answer}{_form(one, words)}</section>'
        f'<section class="rating-passages" tabindex="0" aria-label="{escaped(words("rating.passages"))}">'
        f'<p class="eyebrow">{escaped(words("rating.passages"))}</p>'
        f"{_passages(one.passages, words)}</section></div></div>"
    )


def finished_html(total: int, words: Words) -> str:
    """Nothing is left to rate."""
    undo = button(words("rating.undo"), "quiet", do="undo")
    return (
        f'<div class="empty"><h3>{escaped(words("rating.finished", total=total))}</h3>'
        f"<p>{escaped(words('rating.finished_help'))}</p>{undo if total else ''}</div>"
    )


def no_reports_html(words: Words) -> str:
    """There is nothing that could be rated."""
    return empty_html(words("rating.none"), words("rating.none_help"))


def _progress(done: int, total: int, words: Words) -> str:
    line = words("rating.progress", number=done + 1, total=total)
    return (
        f'<p class="meta" role="status">{escaped(line)}</p>'
        f'<div class="bar" role="progressbar" aria-label="{escaped(words("rating.bar"))}" aria-valuemin="0"'
        f' aria-valuemax="{total}" aria-valuenow="{done}"><span style="width:{100 * done / total:.1f}%"></span></div>'
    )


def _form(one: Rateable, words: Words) -> str:
    if one.refused:
        labels = [(label, words(f"rating.refusal.{label}")) for label in _REFUSAL_LABELS]
        rest = ""
    else:
        labels = [(label, words(f"rating.label.{label.replace(' ', '_')}")) for label in LABELS]
        supported = [(degree, words(f"rating.degree.{degree}")) for degree in DEGREES]
        tone = [(choice, words(f"rating.degree.{choice}")) for choice in ("yes", "no")]
        rest = _choices("supported", words("rating.supported"), supported) if one.passages else ""
        rest += _choices("tone", words("rating.tone"), tone)
    return (
        f'<form data-do="rate" data-place="{one.place}" data-answer="{one.about[2]}">'
        f"{_choices('label', words('rating.right'), labels, required=True)}{rest}"
        f'<label class="rating-comment">{escaped(words("rating.comment"))}'
        f'<textarea name="comment" rows="2" maxlength="{LONGEST_COMMENT}"></textarea></label>'
        f'<div class="rating-buttons"><button type="submit" class="primary">{escaped(words("rating.save"))}</button>'
        f"{button(words('rating.skip'), 'quiet', do='skip', place=one.place)}"
        f"{button(words('rating.undo'), 'quiet', do='undo')}</div>"
        f'<p class="meta">{escaped(words("rating.keys"))}</p></form>'
    )


def _choices(name: str, asked: str, choices: Iterable[tuple[str, str]], *, required: bool = False) -> str:
    needed = " required" if required else ""
    shown = "".join(
        f'<label class="choice-pill"><input type="radio" name="{name}" value="{value}"{needed}>'
        f"<span>{f'<kbd>{number}</kbd>' if required else ''}{escaped(text)}</span></label>"
        for number, (value, text) in enumerate(choices, 1)
    )
    return f"<fieldset><legend>{escaped(asked)}</legend><div>{shown}</div></fieldset>"


def _passages(passages: Sequence[ShownPassage], words: Words) -> str:
    if not passages:
        return f'<p class="meta">{escaped(words("rating.no_passages"))}</p>'
    return "".join(_passage(number, passage, words) for number, passage in enumerate(passages, 1))


def _passage(number: int, passage: ShownPassage, words: Words) -> str:
    place = place_line(passage.pages, "", words)
    source = " · ".join(filter(None, (f"{number}. {passage.document}", place, heading_line(passage.heading))))
    return (
        f'<article class="rating-passage"><h4>{escaped(source)}</h4>'
        f'<p class="text">{escaped(passage.text)}</p></article>'
    )
