"""``assistant search`` and ``ask``: passages and answers.

A file of questions has one a line, or JSON lines with id, history and filter.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.cli.options import (
    adapter_option,
    corpora_option,
    json_option,
    opened_service,
    print_json,
    question_options,
    workspace_options,
)
from assistant.config import Settings
from assistant.errors import QuestionTooLongError, UsageError
from assistant.text.printing import names_of, visible
from assistant.types import Evidence, Filter, Message
from assistant.workspace import Workspace

if TYPE_CHECKING:
    from assistant.service import Service


@click.command("search", epilog='Example: assistant search "hail damage deductible" -k 5')
@click.argument("words", nargs=-1, metavar="[QUESTION]")
@click.option("-k", "k", type=click.IntRange(1, 1000), help="How many passages.  [default: retrieval.k]")
@question_options
@corpora_option
@workspace_options
@json_option
def search_command(
    words: tuple[str, ...],
    k: int | None,
    only: Filter | None,
    batch: Path | None,
    corpora: tuple[str, ...],
    workspace: Workspace,
    settings: Settings,
    as_json: bool,
) -> None:
    """Show the passages that fit QUESTION best, with the scores and ranks of each retriever."""
    question = " ".join(words) if words else None  # whether they were quoted or not
    if (question is None) == (batch is None):
        raise UsageError("Give either a question or --batch FILE.", 'Example: assistant search "deadline"')
    from assistant.render.records import search_json

    first, *others = corpora
    with opened_service(workspace, corpora, settings) as service:
        asked = read_questions(batch) if batch is not None else []
        _refuse_unmatched_filters(service, corpora, asked, only)

        def found(one: BatchQuestion) -> dict[str, Any]:
            hits = service.search(first, one.question, k, one.filter or only, others)
            return search_json(one.id, one.question, hits)

        _write_each(asked, found)
        if question is None:
            return
        hits = service.search(first, question, k, only, others)
    if as_json:
        print_json(search_json(None, question, hits))
    else:
        print_hits(hits)


@click.command("ask", epilog='Example: assistant ask "What is the deductible for hail damage?"')
@click.argument("questions", nargs=-1, metavar="[QUESTION]...")
@adapter_option
@question_options
@corpora_option
@workspace_options
@json_option
@click.option("--trace", is_flag=True, help="Show each step from the question to the answer, with the prompt.")
def ask_command(
    questions: tuple[str, ...],
    adapter: str | None,
    only: Filter | None,
    batch: Path | None,
    corpora: tuple[str, ...],
    workspace: Workspace,
    settings: Settings,
    as_json: bool,
    trace: bool,
) -> None:
    """Answer each QUESTION from the documents, with citations, or refuse and show the nearest passages."""
    if bool(questions) == (batch is not None):
        raise UsageError("Give either a question or --batch FILE.", 'Example: assistant ask "What is covered?"')
    if as_json and len(questions) > 1:
        raise UsageError("--json takes one question.", "For several, use --batch FILE: one JSON line each.")
    from assistant.engines.opening import check_adapter, check_engine
    from assistant.render.records import answer_json
    from assistant.render.transcript import answer_lines, trace_lines
    from assistant.service import Query, ServedModel

    check_engine(settings.engine)  # a wrong name is told before anything is loaded
    check_adapter(settings, workspace.adapters, adapter)
    model, others = ServedModel(corpora[0], adapter), corpora[1:]
    with opened_service(workspace, corpora, settings) as service:
        asked = read_questions(batch) if batch else []
        _refuse_unmatched_filters(service, corpora, asked, only)

        def answered(one: BatchQuestion) -> dict[str, Any]:
            query = Query(model, one.question, one.history, one.filter or only, also=others)
            return answer_json(one.id, service.ask(query), trace=trace)

        _write_each(asked, answered)
        for question in questions:
            answer = service.ask(Query(model, question, only=only, also=others))
            if as_json:
                print_json(answer_json(None, answer, trace=trace))
                continue
            if len(questions) > 1:
                click.echo(click.style(visible(answer.question), bold=True))
            for line in [*answer_lines(answer), "", *([*trace_lines(answer, with_prompt=True), ""] if trace else [])]:
                click.echo(line)


class BatchQuestion(BaseModel):
    """One question of a file; evaluation cases hold more, and can be asked as they are."""

    model_config = ConfigDict(extra="ignore")

    id: str | int | None = None
    question: str = Field(pattern=r"\S")
    history: tuple[Message, ...] = ()
    filter: Filter | None = None


def read_questions(file: Path) -> list[BatchQuestion]:
    """The questions of a file (``-``: standard input), in order; empty lines are left out.

    Without an id, a question has the number of its line. Raises UsageError with the number of a line that is neither a
    question nor valid JSON.
    """
    try:
        with click.open_file(str(file), encoding="utf-8-sig") as lines:
            # All are looked at before the first is answered: a mistake at the end should not cost the work before it.
            return [_parsed(line.strip(), number) for number, line in enumerate(lines, 1) if line.strip()]
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", "Check the path and its rights.") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: {error.reason}.", "Save it as UTF-8 text.") from None


def _parsed(line: str, number: int) -> BatchQuestion:
    if not line.startswith("{"):
        return BatchQuestion(id=number, question=line)
    try:
        content: Any = json.loads(line)
        json.dumps(content, ensure_ascii=False).encode()  # no half characters, which nothing after this takes
        parsed = BatchQuestion.model_validate(content)
    except (json.JSONDecodeError, UnicodeEncodeError, ValidationError) as error:
        reason = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)
        raise UsageError(
            f"Line {number} is no question: {reason}.", 'Write {"id": …, "question": "…"} on one line.'
        ) from None
    return parsed.model_copy(update={"id": number}) if parsed.id is None else parsed


def _refuse_unmatched_filters(
    service: "Service", corpora: Sequence[str], asked: Sequence[BatchQuestion], only: Filter | None
) -> None:
    """Look at all filters before the first question is answered. Raises UsageError for one that fits no document."""
    from assistant.service import Query, ServedModel

    query = Query(ServedModel(corpora[0]), "", only=only, also=tuple(corpora[1:]))
    with service.lent(query):
        pass
    for one in asked:
        try:
            with service.lent(replace(query, only=one.filter)):
                pass
        except UsageError as error:
            raise UsageError(f"Question {one.id}: {error.message}", error.remedy) from None


def _write_each(asked: Sequence[BatchQuestion], answered: Callable[[BatchQuestion], dict[str, Any]]) -> None:
    """Write what becomes of each question as one line of JSON; one that is too long costs only itself.

    Raises QuestionTooLongError in the end, if there was one.
    """
    too_long = 0
    for one in asked:
        try:
            line = answered(one)
        except QuestionTooLongError as error:
            line = {"id": one.id, "error": str(error)}
            too_long += 1
        click.echo(json.dumps(line, ensure_ascii=False))
    if too_long:
        raise QuestionTooLongError(
            f"{too_long} of {len(asked)} questions are too long and were left out.",
            "Ask in fewer words, or raise answer.question_characters.",
        )


def print_hits(hits: list[Evidence]) -> None:
    """Hits for a terminal."""
    from assistant.render.transcript import source_of

    if not hits:
        click.echo("Nothing found.")
    names = names_of((hit.document, Path(hit.path)) for hit in hits)
    for hit in hits:
        source = source_of(replace(hit, document=names[Path(hit.path)]))
        click.echo(click.style(f"{hit.rank}. {visible(source)}", bold=True))
        dense, lexical = (
            "–" if score is None else f"{score:.3f} (#{rank})"
            for score, rank in ((hit.dense, hit.dense_rank), (hit.lexical, hit.lexical_rank))
        )
        click.echo(f"   score {hit.score:.3f} · dense {dense} · lexical {lexical}")
        text = f"{hit.header}\n{hit.text}" if hit.header else hit.text
        click.echo("   " + visible(text, keep_lines=True).replace("\n", "\n   ") + "\n")
