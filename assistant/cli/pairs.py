"""``assistant pairs``: instruction pairs from a corpus (``ingest.pairs.build``)."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from assistant.artifacts.pairs import SPLITS, Pair, Source
from assistant.cli.options import corpus_option, json_option, opened_retriever, workspace_options
from assistant.config import Settings
from assistant.errors import WorkspaceBusy
from assistant.text.printing import counted
from assistant.workspace import DEFAULT_CORPUS, Workspace, new_name

if TYPE_CHECKING:
    from assistant.artifacts.reports import PairsReport


@click.group(
    "pairs",
    invoke_without_command=True,
    epilog="Example: assistant pairs --corpus claims --tone house-voice.jsonl",
)
@corpus_option
@click.option("--name", metavar="NAME", help="Of the set of pairs; the corpus has the same one by default.")
@click.option("--tone", multiple=True, metavar="FILE", help="Examples of the house voice; may be repeated.")
@click.option("--data", multiple=True, metavar="FILE", help="Your own questions and answers; may be repeated.")
@click.option("--teacher", metavar="MODEL", help="Model that writes: base, one of the catalogue, or PROVIDER:MODEL.")
@click.option("--teacher-url", metavar="URL", help="An OpenAI-compatible endpoint for the teacher and the judge.")
@click.option("--judge", metavar="MODEL", help="Let a model look at what the teacher wrote.")
@click.option("--hold-out", multiple=True, metavar="GLOB", help="Keep these documents for tests; may be repeated.")
@click.option("--explain", type=click.Path(path_type=Path), metavar="FILE", help="Write what was dropped, and why.")
@click.option("--strict", is_flag=True, help="Refuse a file of yours for a single bad row.")
@workspace_options
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    corpus: str,
    name: str | None,
    tone: tuple[str, ...],
    data: tuple[str, ...],
    teacher: str | None,
    teacher_url: str | None,
    judge: str | None,
    hold_out: tuple[str, ...],
    explain: Path | None,
    strict: bool,
    workspace: Workspace,
    settings: Settings,
    as_json: bool,
) -> None:
    """Make instruction pairs from a corpus, and say why others were dropped."""
    if ctx.invoked_subcommand is not None:
        return
    given = {
        "tone": tone,
        "data": data,
        "hold_out": hold_out,
        "teacher": teacher,
        "teacher_url": teacher_url,
        "judge": judge,
    }
    chosen = settings.pairs.model_copy(update={key: value for key, value in given.items() if value})
    settings = settings.model_copy(update={"pairs": chosen})
    report = made_pairs(workspace, corpus, name or corpus, settings, explain, strict)
    if as_json:
        click.echo(report.to_json())
    else:
        print_pairs(report)


def made_pairs(
    workspace: Workspace,
    corpus: str,
    name: str,
    settings: Settings,
    explain: Path | None = None,
    strict: bool = False,
) -> "PairsReport":
    """Make the set of pairs NAME from a corpus, and say on standard error what needs attention."""
    from assistant.engines.opening import open_engine
    from assistant.feedback.lessons import pairs_file
    from ingest.pairs.build import make_pairs
    from ingest.pairs.report import complaints

    file = workspace.pairs_file(name)
    if not file.exists():
        new_name(name, "set of pairs")
    with opened_retriever(workspace, corpus, settings) as retriever:
        engine = open_engine(settings)
        report = make_pairs(
            retriever,
            engine,
            file,
            settings,
            explain=explain,
            strict=strict,
            corrections=pairs_file(workspace, retriever.catalog),
        )
    for line in complaints(report):
        click.echo(line, err=True)
    return report


def print_pairs(report: "PairsReport") -> None:
    """What was made, as a table on standard output."""
    from ingest.pairs.report import print_report

    print_report(report)


def drop_pairs(workspace: Workspace, corpus: str) -> None:
    """Drop the pairs of documents that were forgotten, and say on standard error how many went, by set."""
    from ingest.pairs.forgotten import drop_forgotten

    try:
        dropped = drop_forgotten(workspace, corpus)
    except WorkspaceBusy as error:
        again = f"assistant ingest --corpus {corpus}"
        click.echo(f"Warning: pairs of what was forgotten are still there. {error.message} Then run: {again}", err=True)
        return
    for name, count in dropped.items():
        click.echo(f"{counted(count, 'pair')} of '{name}' showed what was forgotten, and went too.", err=True)


@command.command("show", epilog="Example: assistant pairs show claims -n 3 --source refusal")
@click.argument("name", default=DEFAULT_CORPUS)
@click.option("-n", "count", type=click.IntRange(1), default=5, show_default=True, help="How many.")
@click.option("--source", type=click.Choice(get_args(Source)), help="Only pairs of one source.")
@click.option("--kind", metavar="KIND", help="Only pairs of one kind, as in faq or near-miss.")
@click.option("--split", type=click.Choice(SPLITS), help="Only pairs of one split.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed shows others.")
@workspace_options
@json_option
def show(
    name: str,
    count: int,
    source: str | None,
    kind: str | None,
    split: str | None,
    seed: int,
    workspace: Workspace,
    settings: Settings,  # noqa: ARG001 - comes with the workspace
    as_json: bool,
) -> None:
    """Print some pairs of the set NAME, drawn by chance, as a person reads them."""
    import random

    from assistant.artifacts.pairs import read_pairs

    wanted = {"source": source, "kind": kind, "split": split}
    pairs = [
        pair
        for pair in read_pairs(workspace.pairs_file(name))
        if all(value in {None, getattr(pair, key)} for key, value in wanted.items())
    ]
    some = random.Random(seed).sample(pairs, min(count, len(pairs)))
    if as_json:
        click.echo(json.dumps([asdict(pair) for pair in some], ensure_ascii=False, indent=2))
        return
    for pair in some:
        for line in _pair_lines(pair):
            click.echo(line)
    click.echo(f"{len(some)} of {counted(len(pairs), 'pair')} in {workspace.pairs_file(name)}.")


def _pair_lines(pair: Pair) -> Iterator[str]:
    from assistant.text.printing import excerpt, visible

    about = ", ".join(filter(None, (pair.source, pair.kind, pair.split, "edited" if pair.edited else "")))
    yield click.style(f"── {pair.id}  {about}  {visible(pair.document)}".rstrip(), dim=True)
    for number, passage in enumerate(pair.passages, 1):
        mark = "*" if number == pair.golden else " "
        yield f" {mark}[{number}] {visible(passage.document or passage.context)}: {excerpt(passage.text, 120)}"
    for message in pair.history:
        yield f"  {message.role}: {visible(message.content)}"
    yield click.style(f"Q {visible(pair.instruction)}", bold=True)
    yield f"A {visible(pair.response, keep_lines=True)}"
    yield ""
