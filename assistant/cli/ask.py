"""``assistant ask``: answers in the terminal, one question or many."""

import json
from pathlib import Path
from typing import Any

import click

from assistant.cli.batch import Asked, read_questions, refuse_unmatched_filters, write_each
from assistant.cli.options import (
    adapter_option,
    corpus_option,
    json_option,
    opened_service,
    question_options,
    workspace_options,
)
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.types import Answer, Filter
from assistant.workspace import Workspace


@click.command("ask", epilog='Example: assistant ask "What is the deductible for hail damage?"')
@click.argument("questions", nargs=-1, metavar="[QUESTION]...")
@adapter_option
@question_options
@corpus_option
@workspace_options
@json_option
@click.option("--trace", is_flag=True, help="Show each step from the question to the answer, with the prompt.")
def command(
    questions: tuple[str, ...],
    adapter: str | None,
    only: Filter | None,
    batch: Path | None,
    corpus: str,
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

    check_engine(settings.engine)  # a wrong name is told before anything is loaded
    check_adapter(settings, workspace.adapters, adapter)
    with opened_service(workspace, corpus, settings) as opened:
        assistant = opened.assistant(corpus, adapter)
        batched = read_questions(batch) if batch else []
        with opened.retriever(corpus) as retriever:
            refuse_unmatched_filters(batched, only, retriever.catalog)

        def line_of(asked: Asked) -> dict[str, Any]:
            answer = assistant.ask(asked.question, asked.history, asked.filter or only)
            return answer_json(asked.id, answer, trace=trace)

        write_each(batched, line_of)
        for question in questions:
            answer = assistant.ask(question, only=only)
            if as_json:
                click.echo(json.dumps(answer_json(None, answer, trace=trace), ensure_ascii=False, indent=2))
            else:
                _print_answer(answer, show_question=len(questions) > 1, trace=trace)


def _print_answer(answer: Answer, *, show_question: bool, trace: bool) -> None:
    from assistant.render.lines import answer_lines, trace_lines
    from assistant.text.printing import visible

    if show_question:
        click.echo(click.style(visible(answer.question), bold=True))
    for line in [*answer_lines(answer), "", *([*trace_lines(answer, with_prompt=True), ""] if trace else [])]:
        click.echo(line)
