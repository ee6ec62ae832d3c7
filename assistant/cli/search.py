"""``assistant search``: passages without an answer."""

import json
from dataclasses import replace
from pathlib import Path

import click

from assistant.cli.batch import read_questions, refuse_unmatched_filters, write_each
from assistant.cli.options import corpus_option, json_option, opened_service, question_options, workspace_options
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.render.records import search_json
from assistant.text.filenames import names_of
from assistant.types import Evidence, Filter
from assistant.workspace import Workspace


@click.command("search", epilog='Example: assistant search "hail damage deductible" -k 5')
@click.argument("words", nargs=-1, metavar="[QUESTION]")
@click.option("-k", "k", type=click.IntRange(1, 1000), help="How many passages.  [default: retrieval.k]")
@question_options
@corpus_option
@workspace_options
@json_option
def command(
    words: tuple[str, ...],
    k: int | None,
    only: Filter | None,
    batch: Path | None,
    corpus: str,
    workspace: Workspace,
    settings: Settings,
    as_json: bool,
) -> None:
    """Show the passages that fit QUESTION best, with the scores and ranks of each retriever."""
    question = " ".join(words) if words else None  # whether they were quoted or not
    if (question is None) == (batch is None):
        raise UsageError("Give either a question or --batch FILE.", 'Example: assistant search "deadline"')

    with opened_service(workspace, corpus, settings) as service:

        def found(text: str, among: Filter | None) -> list[Evidence]:
            return service.search(corpus, text, k, among)

        batched = read_questions(batch) if batch is not None else []
        with service.retriever(corpus) as retriever:
            refuse_unmatched_filters(batched, only, retriever.catalog)
        write_each(
            batched, lambda asked: search_json(asked.id, asked.question, found(asked.question, asked.filter or only))
        )
        if question is None:
            return
        hits = found(question, only)
    if as_json:
        click.echo(json.dumps(search_json(None, question, hits), ensure_ascii=False, indent=2))
    else:
        print_hits(hits)


def print_hits(hits: list[Evidence]) -> None:
    """Hits for a terminal."""
    from assistant.render.citations import source_of
    from assistant.text.printing import visible

    if not hits:
        click.echo("Nothing found.")
    names = names_of((hit.document, Path(hit.path)) for hit in hits)
    for hit in hits:
        source = source_of(replace(hit, document=names[Path(hit.path)]))
        click.echo(click.style(f"{hit.rank}. {visible(source)}", bold=True))
        click.echo(
            f"   score {hit.score:.3f} · dense {_scored(hit.dense, hit.dense_rank)}"
            f" · lexical {_scored(hit.lexical, hit.lexical_rank)}"
        )
        text = f"{hit.header}\n{hit.text}" if hit.header else hit.text
        click.echo("   " + visible(text, keep_lines=True).replace("\n", "\n   ") + "\n")


def _scored(score: float | None, rank: int | None) -> str:
    return "–" if score is None else f"{score:.3f} (#{rank})"
