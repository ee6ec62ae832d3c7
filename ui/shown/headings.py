"""The list of a person's conversations, and the page before the first question."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from assistant.text.languages import Language
from ui.conversations import MOST_LISTED, Heading
from ui.shown.safe import attributes, button, escaped
from ui.texts import Words, shown_date

_EXPORTS = ("md", "pdf", "docx")


def conversations_html(
    headings: Sequence[Heading], current: int | None, words: Words, language: Language, searched: str = ""
) -> str:
    """The conversations, the latest first; it carries the number of the one that is open, listed or not."""
    carried = attributes({"current": current or ""})
    return f"<div{carried}>{_listing(headings, current, words, language, searched)}</div>"


def _listing(headings: Sequence[Heading], current: int | None, words: Words, language: Language, searched: str) -> str:
    if not headings:
        said = "chat.none_found" if searched.strip() else "chat.no_conversations"
        return f'<p class="empty">{escaped(words(said))}</p>'
    items = "".join(_conversation(heading, heading.id == current, words, language) for heading in headings)
    more = f'<p class="empty">{escaped(words("chat.not_all_listed", count=MOST_LISTED))}</p>'
    all_of_them = f'<ul class="conversations" aria-label="{escaped(words("chat.conversations"))}">{items}</ul>'
    return all_of_them + (more if len(headings) >= MOST_LISTED else "")


def welcome_html(suggestions: Iterable[str], corpora: Sequence[str], words: Words) -> str:
    """What an empty chat says: what it is for, and questions to begin with."""
    if not corpora:
        return (
            f'<div class="welcome"><h1>{escaped(words("chat.no_documents"))}</h1>'
            f"<p>{escaped(words('chat.no_documents_help'))}</p></div>"
        )
    chips = "".join(f"<li>{button(one, 'suggestion', do='suggest', question=one)}</li>" for one in suggestions)
    begin = f'<ul class="suggestions" aria-label="{escaped(words("chat.suggestions"))}">{chips}</ul>' if chips else ""
    return (
        f'<div class="welcome"><h1>{escaped(words("chat.welcome"))}</h1>'
        f"<p>{escaped(words('chat.welcome_help'))}</p>{begin}</div>"
    )


def _conversation(heading: Heading, is_current: bool, words: Words, language: Language) -> str:
    carried = attributes({"do": "open", "conversation": heading.id, "title": heading.title})
    current = ' aria-current="true"' if is_current else ""
    label = f"<span>{escaped(heading.title)}</span><time>{escaped(_when(heading.updated, language))}</time>"
    return (
        f'<li><button type="button" class="title"{carried}{current}>{label}</button>'
        f'<details class="menu"><summary aria-label="{escaped(words("chat.more", title=heading.title))}">⋯</summary>'
        f'<div class="items">{_options(heading, words, language)}</div></details></li>'
    )


def _options(heading: Heading, words: Words, language: Language) -> str:
    rename = button(words("chat.rename"), "item", rename=heading.id)
    sure = words("chat.delete_sure")
    delete = button(words("chat.delete"), "item danger", do="delete", conversation=heading.id, sure=sure)
    exports = "".join(
        f'<a class="item" href="/conversations/{heading.id}/export.{kind}?lang={language}" download>'
        f"{escaped(words(f'chat.export_{kind}'))}</a>"
        for kind in _EXPORTS
    )
    return f"{rename}{exports}{delete}"


def _when(moment: datetime, language: Language) -> str:
    """The time of a conversation of today, the day of an older one."""
    local = moment.astimezone()
    today = datetime.now(UTC).astimezone().date()
    return f"{local:%H:%M}" if local.date() == today else shown_date(local.date(), language)
