"""What several pages show in the same way, and what stands above every page."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from assistant.text.languages import LANGUAGES
from ui.context import AppContext
from ui.people import User
from ui.shown.templates import filled
from ui.signin import SIGN_OUT
from ui.texts import text


@dataclass(frozen=True, slots=True)
class Badge:
    """A word in a frame; ``kind`` is the class that it has besides."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An entry of a list in which one can be chosen; ``choice`` is what comes back then."""

    choice: object
    name: str
    facts: str
    badge: Badge | None = None
    is_chosen: bool = False


def header_html(context: AppContext, titles: Mapping[str, str], user: User | None = None) -> Markup:
    """The header, for one who has signed in; the scripts find the titles of pages and buttons in it."""
    words = context.text
    named = {
        "pages": json.dumps(dict(titles)),
        "ask": words("chat.question"),
        "send": words("chat.send"),
        "stop": words("chat.stop"),
    }
    return filled(
        "components.header",
        words=words,
        languages={one: text("app.language", one) for one in LANGUAGES if one != context.language},
        named=named,
        user=user if context.people else None,
        sign_out=SIGN_OUT,
    )


def message_html(message: object) -> Markup:
    """A text alone, for what Gradio shows as HTML."""
    return filled("components.text", text=message)


def meta_html(text: str) -> Markup:
    """A line about what is shown."""
    return filled("components.meta", text=text)


def title_html(title: str, lead: str) -> Markup:
    """What a page is called, and what it is for."""
    return filled("components.title", title=title, lead=lead)


def empty_html(title: str, what: str) -> Markup:
    """What stands where there is nothing yet: that, and what to do."""
    return filled("components.empty", title=title, what=what)


def interval(value: float, low: float | None, high: float | None, written: Callable[[float], str]) -> str:
    """``0.71 [0.65, 0.78]``; a value whose bounds are not known stands alone."""
    bounds = "" if low is None or high is None else f" [{written(low)}, {written(high)}]"
    return f"{written(value)}{bounds}"
