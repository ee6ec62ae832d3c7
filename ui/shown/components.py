"""What several pages show in the same way: lists, jobs, times, and what stands above every page."""

import json
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from assistant.config import JobKind
from assistant.text.languages import LANGUAGES
from ui.context import AppContext
from ui.jobs import State, Status
from ui.people import User
from ui.shown.templates import filled
from ui.signin import SIGN_OUT
from ui.texts import shown_date, shown_number, text

_MIB, _GIB = 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Badge:
    """A word in a frame; ``kind`` is the class that it has besides."""

    text: str
    kind: str = ""


# What an evaluation says of an answer → the look of its badge.
OUTCOME_LOOKS = {"usable": "pass", "misleading": "fail", "hedged": "", "refused": "", "partly": "warn"}


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
        "close": words("sources.close"),
        "drop": words("attach.drop"),
        "told": json.dumps({kind: words(f"app.told.{kind}") for kind in ("Error", "Warning", "Info")}),
    }
    return filled(
        "shown/components.header",
        words=words,
        languages={one: text("app.language", one) for one in LANGUAGES if one != context.language},
        named=named,
        user=user if context.people else None,
        sign_out=SIGN_OUT,
    )


def message_html(message: object) -> Markup:
    """A text alone, for what Gradio shows as HTML."""
    return filled("shown/components.text", text=message)


def choices_html(entries: Sequence[ListEntry]) -> Markup:
    """A list in which one entry can be chosen."""
    return filled("shown/components.choices", entries=entries)


def meta_html(text: str) -> Markup:
    """A line about what is shown."""
    return filled("shown/components.meta", text=text)


def title_html(title: str, lead: str) -> Markup:
    """What a page is called, and what it is for."""
    return filled("shown/components.title", title=title, lead=lead)


def empty_html(title: str, what: str) -> Markup:
    """What stands where there is nothing yet: that, and what to do."""
    return filled("shown/components.empty", title=title, what=what)


def interval(value: float, low: float | None, high: float | None, written: Callable[[float], str]) -> str:
    """``0.71 [0.65, 0.78]``; a value whose bounds are not known stands alone."""
    bounds = "" if low is None or high is None else f" [{written(low)}, {written(high)}]"
    return f"{written(value)}{bounds}"


# What commands call their bars → the key of the words for it.
_STEPS = {
    "Reading and embedding": "reading",
    "Calibrating refusals": "calibrating",
    "Asking the retriever": "asking_retriever",
    "training": "training",
    "asking": "asking",
    "generating": "generating",
}
_BROKEN_OFF: Set[State] = {"stopping", "stopped", "lost"}
_KEEPING: Set[JobKind] = {"ingest", "forget", "train", "eval", "fetch"}
"""Jobs whose work is kept as it goes; the others write all they have at their end."""
_TONES = {"done": "good", "failed": "bad", "lost": "bad", "stopped": "calm"}


def state_line(context: AppContext, status: Status) -> str:
    """How a job stands, in one line."""
    what = context.text(f"jobs.kind.{status.job.kind}", about=status.job.about)
    ends_undone = status.state in _BROKEN_OFF and status.job.kind not in _KEEPING
    state = f"{status.state}_undone" if ends_undone else status.state
    how = context.text(f"jobs.state.{state}", time=duration(context, status.seconds))
    return context.text("jobs.line", what=what, how=how)


def step_line(context: AppContext, status: Status) -> str:
    """What is being done now, and how far it is; empty where nothing is known."""
    progress = status.progress
    if progress is None or not status.is_under_way:
        return ""
    label = (
        context.text(f"jobs.step.{_STEPS[progress.label]}")
        if progress.label in _STEPS
        else context.said(progress.label)
    )
    count = ""
    if progress.total:
        done, total = (shown_number(value, context.language) for value in (progress.done, progress.total))
        count = context.text("jobs.of", done=done, total=total)
    return " · ".join(filter(None, (label, count, context.said(progress.text))))


def state_html(context: AppContext, status: Status) -> Markup:
    """The line, with a bar while it runs, and the error behind it if there was one."""
    progress = status.progress
    return filled(
        "shown/components.state",
        job=status.job.id,
        notify=context.text("jobs.notify"),
        tone=_TONES.get(status.state, "busy"),
        line=state_line(context, status),
        bar=context.text("jobs.bar") if status.is_under_way else "",
        percent=min(max(100 * progress.done / progress.total, 0), 100) if progress and progress.total else None,
        step=step_line(context, status),
        error=context.said(status.error) if status.state == "failed" else "",
    )


def log_html(text: str) -> Markup:
    """A log as it is, the newest lines in sight."""
    return filled("shown/components.log", text=text.strip())


def duration(context: AppContext, seconds: float) -> str:
    """A time that people can take in: ``4 s``, ``2 min 5 s``, ``3 h 12 min``."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return context.text("jobs.hours", hours=hours, minutes=minutes)
    if minutes:
        return context.text("jobs.minutes", minutes=minutes, seconds=whole % 60)
    return context.text("jobs.seconds", seconds=whole)


def bytes_of(context: AppContext, size: int) -> str:
    """A number of bytes that people can take in: ``12.5 MiB``, ``1.20 GiB``."""
    if size < _GIB:
        return f"{shown_number(size / _MIB, context.language, 1)} MiB"
    return f"{shown_number(size / _GIB, context.language, 2)} GiB"


def day_of(context: AppContext, moment: str) -> str:
    """The day of an ISO date or time as people write it; what is none as it is."""
    try:
        return shown_date(date.fromisoformat(moment[:10]), context.language)
    except ValueError:
        return moment
