"""Pieces of HTML that several pages show in the same way."""

from collections.abc import Callable
from dataclasses import dataclass

from assistant.types import Checked
from ui.context import AppContext
from ui.shown.safe import escaped
from ui.texts import Words


@dataclass(frozen=True, slots=True)
class Badge:
    """A word in a frame; ``kind`` is the class that it has besides."""

    text: str
    kind: str = ""


def badge_html(badge: Badge) -> str:
    """A badge."""
    return f'<span class="{escaped(f"badge {badge.kind}".rstrip())}">{escaped(badge.text)}</span>'


def note_html(text: str) -> str:
    """A remark beside what is shown."""
    return f'<p class="note">{escaped(text)}</p>'


def checked_words(checked: Checked, words: Words) -> str:
    """Who has checked an answer, and when."""
    return words("chat.checked", name=checked.by, date=checked.date)


def empty_html(title: str, what: str) -> str:
    """What stands where there is nothing yet: that, and what to do."""
    return f'<div class="empty"><h3>{escaped(title)}</h3><p>{escaped(what)}</p></div>'


def choice_html(choice: object, name: str, facts: str, badge: Badge | None, *, is_chosen: bool = False) -> str:
    """An entry of a list in which one can be chosen."""
    return (
        f'<li><button type="button" class="choice" data-do="choose" data-choice="{escaped(choice)}"'
        f' aria-pressed="{str(is_chosen).lower()}"><span class="name">{escaped(name)}</span>'
        f'{badge_html(badge) if badge else ""}<span class="meta">{escaped(facts)}</span></button></li>'
    )


def said(context: AppContext, key: str) -> str:
    """The words behind a key, as HTML."""
    return escaped(context.text(key))


def interval(value: float, low: float | None, high: float | None, written: Callable[[float], str]) -> str:
    """``0.71 [0.65, 0.78]``; a value whose bounds are not known stands alone."""
    bounds = "" if low is None or high is None else f" [{written(low)}, {written(high)}]"
    return f"{written(value)}{bounds}"
