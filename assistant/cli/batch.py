"""Many questions in one start: one a line, or JSON lines with id, history and filter."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.errors import QuestionTooLongError, UsageError
from assistant.types import Filter, Message

if TYPE_CHECKING:
    from assistant.store.catalog import Catalog


class _FilterLine(BaseModel):
    model_config = ConfigDict(extra="forbid")

    documents: tuple[str, ...] = ()
    folder: str = ""
    metadata: dict[str, str] = Field(default_factory=dict)


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore")  # evaluation cases hold more, and can be asked as they are

    id: str | int | None = None
    question: str = Field(pattern=r"\S")
    history: tuple[Message, ...] = ()
    filter: _FilterLine | None = None


class Asked(BaseModel):
    """One question of a batch."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    id: str | int | None
    question: str
    history: tuple[Message, ...] = ()
    filter: Filter | None = None


def read_questions(file: Path) -> list[Asked]:
    """The questions of a batch file (``-``: standard input), in order; empty lines are left out.

    Raises UsageError with the number of a line that is neither a question nor valid JSON.
    """
    try:
        with click.open_file(str(file), encoding="utf-8-sig") as lines:
            # All are looked at before the first is answered: a mistake at the end should not cost the work before it.
            return [_asked(line.strip(), number) for number, line in enumerate(lines, 1) if line.strip()]
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", "Check the path and its rights.") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: {error.reason}.", "Save it as UTF-8 text.") from None


def write_each(asked: Sequence[Asked], answer: Callable[[Asked], dict[str, Any]]) -> None:
    """Write what becomes of each question as one line of JSON; one that is too long costs only itself.

    Raises QuestionTooLongError in the end, if there was one.
    """
    too_long = 0
    for one in asked:
        try:
            line = answer(one)
        except QuestionTooLongError as error:
            line = {"id": one.id, "error": str(error)}
            too_long += 1
        click.echo(json.dumps(line, ensure_ascii=False))
    if too_long:
        raise QuestionTooLongError(
            f"{too_long} of {len(asked)} questions are too long and were left out.",
            "Ask in fewer words, or raise answer.question_characters.",
        )


def refuse_unmatched_filters(asked: Sequence[Asked], only: Filter | None, catalog: "Catalog") -> None:
    """Look at the filters of the command line and of all questions before the first is answered.

    Raises UsageError for one that fits no document of the catalog.
    """
    from assistant.retrieval.filters import refuse_unmatched

    if only:
        refuse_unmatched(only, catalog)
    for one in asked:
        if one.filter:
            try:
                refuse_unmatched(one.filter, catalog)
            except UsageError as error:
                raise UsageError(f"Question {one.id}: {error.message}", error.remedy) from None


def _asked(line: str, number: int) -> Asked:
    if not line.startswith("{"):
        return Asked(id=number, question=line)
    try:
        content: Any = json.loads(line)
        json.dumps(content, ensure_ascii=False).encode()  # no half characters, which nothing after this takes
        parsed = _Line.model_validate(content)
    except (json.JSONDecodeError, UnicodeEncodeError, ValidationError) as error:
        reason = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)
        raise UsageError(
            f"Line {number} is no question: {reason}.", 'Write {"id": …, "question": "…"} on one line.'
        ) from None
    only = Filter(**parsed.filter.model_dump()) if parsed.filter else None
    return Asked(
        id=parsed.id if parsed.id is not None else number,
        question=parsed.question,
        history=parsed.history,
        filter=only,
    )
