"""The page where people rate answers of a report, without knowing whose they are.

What they say stands in the report's folder (``assistant.artifacts.evaluations``); ``assistant eval report`` then tells
how far each metric follows them. Every click looks at the files again, so that several people can rate at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, get_args

import gradio as gr

from assistant.artifacts.evaluations import LABELS, LONGEST_COMMENT, Degree, Rating, add_rating
from assistant.errors import UsageError
from ui.context import AppContext
from ui.pages.events import QUIET, acting_html, number_of, telling, titled_html, when_opened
from ui.pages.rating.view import (
    Rateable,
    finished_html,
    given_by,
    next_unrated,
    no_reports_html,
    rateable,
    rateable_html,
    rateable_reports,
    report_folder,
)
from ui.people import Role

_ROLE: Role = "editor"
# Answers that a person may want to rate in a sitting; by eye.
_HOW_MANY = (20, 60, 200)
_AT_FIRST = 60
_ALL = 0
Choice = TypeVar("Choice", bound=str)


def build(context: AppContext) -> None:
    """Lay out the page and wire it."""
    words, actions = context.text, RatingActions(context)
    titled_html(words("rating.title"), words("rating.lead"))
    many = [*((str(number), number) for number in _HOW_MANY), (words("rating.all"), _ALL)]
    with gr.Row():
        with gr.Column(scale=3, min_width=240):
            report = gr.Dropdown([], label=words("rating.report"), elem_id="rating-report")
        with gr.Column(scale=1, min_width=160):
            most = gr.Dropdown(many, value=_AT_FIRST, label=words("rating.how_many"))
    skipped = gr.State(())
    shown = acting_html(("rate", "skip", "undo"), elem_id="rating", script="rating/rating.js")
    chosen = [report, most]
    shown.rate(actions.rate, [*chosen, skipped], [shown, skipped], **QUIET)
    shown.skip(actions.skip, [*chosen, skipped], [shown, skipped], **QUIET)
    shown.undo(actions.undo, [*chosen, skipped], [shown, skipped], **QUIET)
    for control in chosen:
        control.input(actions.begin, chosen, [shown, skipped], **QUIET)
    when_opened(actions.open, [report, shown, skipped], chosen)


@dataclass(frozen=True, slots=True)
class RatingActions:
    """What the page does when something is clicked."""

    context: AppContext

    @telling
    def open(self, report: str | None, most: int, request: gr.Request) -> list[Any]:
        """The reports, and the first answer of the one that is chosen."""
        if not self.context.may(request, _ROLE):
            return [gr.Dropdown([], value=None), "", ()]
        names = rateable_reports(self.context.workspace)
        if not names:
            return [gr.Dropdown([], value=None), no_reports_html(self.context.text), ()]
        name = report if report in names else names[0]
        return [gr.Dropdown(names, value=name), *self.begin(name, most, request)]

    @telling
    def begin(self, report: str, most: int, request: gr.Request) -> list[Any]:
        """The first answer that is not rated yet."""
        rater = self.context.require(request, _ROLE).name
        return self._next(self._folder(report), most, rater, ())

    @telling
    def rate(
        self, report: str, most: int, skipped: Sequence[int], event: gr.EventData, request: gr.Request
    ) -> list[Any]:
        """Keep what was said about an answer, and go on."""
        user = self.context.require(request, _ROLE)
        folder = self._folder(report)
        self.context.refuse_edit("report", report)
        add_rating(folder, _rating(_clicked(folder, event), user.name, event))
        self.context.record(user, "rating", report)
        return self._next(folder, most, user.name, skipped)

    @telling
    def skip(
        self, report: str, most: int, skipped: Sequence[int], event: gr.EventData, request: gr.Request
    ) -> list[Any]:
        """Leave an answer for later."""
        rater = self.context.require(request, _ROLE).name
        place = number_of(event, "place")
        later = tuple(one for one in skipped if one != place)
        return self._next(self._folder(report), most, rater, (*later, place))

    @telling
    def undo(self, report: str, most: int, skipped: Sequence[int], request: gr.Request) -> list[Any]:
        """Take back the last rating, and show its answer again."""
        rater = self.context.require(request, _ROLE).name
        folder = self._folder(report)
        self.context.refuse_edit("report", report)
        given = given_by(folder, rater)
        if not given:
            raise UsageError(self.context.text("rating.nothing_to_undo"))
        add_rating(folder, replace(given[-1], label=None, time=_now()))
        taken_back = next((one for one in rateable(folder) if one.about == given[-1].about), None)
        return self._next(folder, most, rater, skipped, taken_back)

    def _next(
        self, folder: Path, most: int, rater: str, skipped: Sequence[int], wanted: Rateable | None = None
    ) -> list[Any]:
        answers = rateable(folder)[: most or None]
        given = given_by(folder, rater)
        one = wanted or next_unrated(answers, given, skipped)
        if one is None:
            return [finished_html(len(answers), self.context.text), tuple(skipped)]
        known = {rating.about for rating in given}
        done = sum(answer.about in known for answer in answers)
        return [rateable_html(one, done, len(answers), self.context.text), tuple(skipped)]

    def _folder(self, report: str) -> Path:
        return report_folder(self.context.workspace, report)


def _clicked(folder: Path, event: gr.EventData) -> Rateable:
    """The answer that a form is about. Raises UsageError when it is not there any more."""
    place = number_of(event, "place")
    answers = rateable(folder)
    if 0 <= place < len(answers) and answers[place].about[2] == _field(event, "answer"):
        return answers[place]
    raise UsageError("This answer is not in the report any more.", "Load the page again.")


def _rating(one: Rateable, rater: str, event: gr.EventData) -> Rating:
    """What a form says. Raises UsageError for one that says nothing of use."""
    label = _one_of(LABELS, _field(event, "label"))
    if label is None:
        raise UsageError("Nothing was chosen.", "Choose one of the answers to the first question.")
    tone = _field(event, "tone")
    return Rating(
        *one.about,
        rater=rater,
        time=_now(),
        label=label,
        supported=None if one.refused else _one_of(get_args(Degree), _field(event, "supported")),
        tone=None if one.refused or tone not in {"yes", "no"} else tone == "yes",
        comment=_field(event, "comment")[:LONGEST_COMMENT],
    )


def _one_of(choices: Sequence[Choice], value: str) -> Choice | None:
    return next((choice for choice in choices if choice == value), None)


def _field(event: gr.EventData, name: str) -> str:
    """What a form says under a name: its first value, as text that can be written down."""
    data = event._data
    value = data.get(name, "") if isinstance(data, dict) else ""
    first = value[0] if isinstance(value, list) and value else value
    return str(first).encode("utf-8", "replace").decode() if isinstance(first, str) else ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
