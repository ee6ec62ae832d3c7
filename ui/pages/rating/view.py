"""Answers of reports as people rate them, and as HTML: the question, the answer, the passages, a form of few choices.

Everyone rates the answers in the same order, which tells nothing, so that those who rate at the same time rate the same
answers, and it can be told how far they agree. Systems that said the same about a question are one answer.
"""

import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from markupsafe import Markup
from pydantic import TypeAdapter, ValidationError

from assistant.artifacts.evaluations import (
    DEGREES,
    LABELS,
    LONGEST_COMMENT,
    ROWS_FILE,
    Label,
    Rating,
    answer_hash,
    read_ratings,
)
from assistant.errors import UsageError
from assistant.types import Message
from assistant.workspace import Workspace, safe_name
from ui.shown.components import empty_html
from ui.shown.templates import filled, heading_line, place_line
from ui.texts import Texts


@dataclass(frozen=True, slots=True)
class ShownPassage:
    """A passage that stood in a prompt."""

    document: str
    pages: tuple[int, ...]
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Rateable:
    """One answer to rate."""

    place: int
    """In the order of rating, from 0."""
    question: str
    """Id of the case."""
    asked: str
    history: tuple[Message, ...]
    system: str
    """Not to be shown."""
    text: str
    refused: bool
    passages: tuple[ShownPassage, ...]
    """Those that were shown for it; for an answer without any, those that the others were shown."""

    @property
    def about(self) -> tuple[str, str, str]:
        """As a rating names it."""
        return self.question, self.system, answer_hash(self.text)


@dataclass(frozen=True, slots=True)
class _Case:
    id: str
    question: str
    history: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    refused: bool
    shown: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _RatedRow:
    case: _Case
    passages: tuple[ShownPassage, ...]
    answers: Mapping[str, _Answer]


_ROW = TypeAdapter(_RatedRow)


def rateable_reports(workspace: Workspace) -> list[str]:
    """Names of the reports that have answers, the newest first."""
    all_files = (workspace.root / "reports").glob(f"*/{ROWS_FILE}")
    files = (file for file in all_files if workspace.shows("report", file.parent.name))
    return [file.parent.name for file in sorted(files, key=lambda file: file.stat().st_mtime_ns, reverse=True)]


def report_folder(workspace: Workspace, name: str) -> Path:
    """The folder of a report with answers. Raises UsageError where there is none of this name."""
    reports = (workspace.root / "reports").resolve()
    folder = reports / safe_name(name or "", "report")
    # Asked first, as in ui.pages.evaluation.view.
    if not (workspace.shows("report", name) and (folder / ROWS_FILE).is_file() and folder.resolve() == folder):
        raise UsageError(f"There is no report '{name}' with answers.", "Choose another one.")
    return folder


def rateable(folder: Path) -> tuple[Rateable, ...]:
    """All answers of a report in the order of rating. Raises UsageError for a file that cannot be read."""
    file = folder / ROWS_FILE
    try:
        return _rateable(file, file.stat().st_mtime_ns)
    except (OSError, ValidationError):
        raise UsageError(f"The answers of '{folder.name}' cannot be read.", "Run the evaluation again.") from None


def given_by(folder: Path, rater: str) -> list[Rating]:
    """What someone has said that still counts, in the order in which they said it. Raises OSError."""
    return [rating for rating in read_ratings(folder).given if rating.rater == rater]


def next_unrated(
    answers: Sequence[Rateable], given: Iterable[Rating], skipped: Collection[int] = ()
) -> Rateable | None:
    """The first that has not been rated; those that were skipped come when nothing else is left."""
    known = {rating.about for rating in given}
    left = [one for one in answers if one.about not in known]
    return min(left, key=lambda one: (one.place in skipped, one.place), default=None)


@lru_cache(maxsize=4)
def _rateable(file: Path, _stamp: int) -> tuple[Rateable, ...]:
    with file.open("rb") as stream:
        found = [one for line in stream if line.strip() for one in _answers(_ROW.validate_json(line))]
    random.Random(file.parent.name).shuffle(found)
    return tuple(
        Rateable(place, row.case.id, row.case.question, row.case.history, system, answer.text, answer.refused, passages)
        for place, (row, system, answer, passages) in enumerate(found)
    )


def _answers(row: _RatedRow) -> Iterator[tuple[_RatedRow, str, _Answer, tuple[ShownPassage, ...]]]:
    anything = tuple(dict.fromkeys(place for answer in row.answers.values() for place in answer.shown))
    seen: set[str] = set()
    for system, answer in row.answers.items():
        if answer.text not in seen:
            seen.add(answer.text)
            shown = answer.shown or anything
            yield row, system, answer, tuple(row.passages[place] for place in shown if place < len(row.passages))


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
        "pages/rating/view.rateable",
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
    return filled("pages/rating/view.finished", total=total, words=words)


def no_reports_html(words: Texts) -> Markup:
    """There is nothing that could be rated."""
    return empty_html(words("rating.none"), words("rating.none_help"))
