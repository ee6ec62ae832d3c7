"""What stands above every page: the name of the app, the other language, light or dark, and who has signed in."""

import json
from collections.abc import Mapping

from assistant.text.languages import LANGUAGES
from ui.context import AppContext
from ui.people import User
from ui.shown.safe import attributes, escaped
from ui.signin import SIGN_OUT
from ui.texts import text


def header_html(context: AppContext, titles: Mapping[str, str], user: User | None = None) -> str:
    """The header, for one who has signed in; the scripts find the titles of pages and buttons in it."""
    words = context.text
    other = LANGUAGES[(LANGUAGES.index(context.language) + 1) % len(LANGUAGES)]
    signed_in = (
        ""
        if context.people is None or user is None
        else f'<span class="user">{escaped(user.name)}</span><form method="post" action="{SIGN_OUT}">'
        f'<button class="quiet">{escaped(words("app.sign_out"))}</button></form>'
    )
    name, dark = escaped(words("app.title")), escaped(words("app.dark"))
    icon = '<img src="/assets/icon.svg" alt="" width="24" height="24">'
    switch = f'<button type="button" class="quiet" data-dark aria-label="{dark}" title="{dark}">◐</button>'
    language = (
        f'<a class="quiet" href="/{other}/" hreflang="{other}" lang="{other}">'
        f"{escaped(text('app.language', other))}</a>"
    )
    listed = escaped(words("chat.conversations"))
    side = f'<button type="button" class="quiet side-toggle" data-side aria-label="{listed}">☰</button>'
    buttons = {"ask": words("chat.question"), "send": words("chat.send"), "stop": words("chat.stop")}
    named = attributes({"pages": json.dumps(dict(titles)), **buttons})
    skip = f'<a class="skip" href="#chat-question">{escaped(words("chat.skip"))}</a>'
    return (
        f'{skip}<div class="brand"{named}>{icon}<span>{name}</span>{side}</div>'
        f'<div class="tools">{language}{switch}{signed_in}</div>'
    )
