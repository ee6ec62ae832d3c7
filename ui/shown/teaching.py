"""What people say about answers, as HTML: the form under an answer, and what is to be looked at."""

from collections.abc import Sequence

from markupsafe import Markup

from assistant.feedback.store import Feedback
from assistant.text.languages import Language
from assistant.text.printing import excerpt
from ui.conversations import Turn
from ui.shown.components import Badge, ListEntry
from ui.shown.templates import filled
from ui.texts import Texts, shown_date

_LONGEST_TITLE = 90
_BADGES = {"new": "warn", "accepted": "ok", "edited": "ok", "rejected": ""}


def teaching_html(turn: Turn, words: Texts) -> Markup:
    """The form under an answer: one click says that it is right, a short form what is wrong and how it should read."""
    return filled("teaching.form", turn=turn, words=words)


def inbox_html(some: Sequence[Feedback], chosen: int | None, words: Texts, language: Language) -> Markup:
    """The list of what people said; a click opens one."""
    entries = [
        ListEntry(
            one.id,
            excerpt(one.question, _LONGEST_TITLE),
            f"{words(f'teach.verdict_{one.judgement.verdict}')} · {one.user} · "
            + shown_date(one.made.astimezone().date(), language),
            Badge(words(f"teaching.state_{one.state}"), _BADGES[one.state]),
            is_chosen=one.id == chosen,
        )
        for one in some
    ]
    return filled("teaching.inbox", entries=entries, words=words)


def feedback_html(one: Feedback, stands: bool, supported: bool, words: Texts, language: Language) -> Markup:
    """All of one judgement. ``stands``: the documents still say so; ``supported``: the passages say the correction."""
    about = words(
        "teaching.about",
        name=one.user,
        date=shown_date(one.made.astimezone(), language),
        corpus=one.corpus,
        adapter=one.versions.adapter or words("chat.base"),
    )
    # What accepting it would do, or has done.
    if one.state == "rejected":
        effect = "not_learnt"
    elif not stands:
        effect = "outdated"
    elif one.wants_refusal:
        effect = "refusal"
    elif not one.wanted:
        effect = "nothing_wanted"
    else:
        effect = "pair_and_case" if supported else "case_only"
    decided = ""
    if one.decided is not None:
        date, state = shown_date(one.decided.astimezone(), language), words(f"teaching.state_{one.state}")
        decided = words("teaching.decided", state=state, name=one.decided_by, date=date)
    return filled("teaching.feedback", one=one, about=about, effect=f"teaching.{effect}", decided=decided, words=words)
