"""``assistant pairs``: instruction pairs and preferences that are made of documents, shown and exported."""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from assistant.artifacts.chat_rows import FORMATS, PREFERENCE
from assistant.artifacts.pairs import SPLITS, Source, Split
from assistant.cli.options import (
    corpus_option,
    json_option,
    opened_service,
    print_json,
    workspace_options,
)
from assistant.config import Settings
from assistant.errors import PairsError, UsageError
from assistant.text.printing import counted, excerpt, visible
from assistant.workspace import DEFAULT_CORPUS, Workspace, new_name

if TYPE_CHECKING:
    from assistant.artifacts.command_reports import PairsReport


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
def pairs_command(
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
    from ingest.pairs.report import print_report

    if data and corpus not in workspace.corpus_names():
        raise UsageError(
            f"There is no corpus '{corpus}' to find passages in for {data[0]}.",
            f"Run assistant ingest, or train on the data as it is: assistant train data={data[0]}",
        )
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
        print_report(report)


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
    with opened_service(workspace, [corpus], settings) as service, service.retriever(corpus) as retriever:
        report = make_pairs(
            retriever,
            open_engine(settings),
            file,
            settings,
            explain=explain,
            strict=strict,
            corrections=pairs_file(workspace, retriever.catalog),
        )
    for line in complaints(report):
        click.echo(line, err=True)
    return report


@pairs_command.command("show", epilog="Example: assistant pairs show claims -n 3 --source refusal")
@click.argument("name", default=DEFAULT_CORPUS)
@click.option("-n", "count", type=click.IntRange(1), default=5, show_default=True, help="How many.")
@click.option("--source", type=click.Choice(get_args(Source)), help="Only pairs of one source.")
@click.option("--kind", metavar="KIND", help="Only pairs of one kind, as in faq or near-miss.")
@click.option("--split", type=click.Choice(SPLITS), help="Only pairs of one split.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed shows others.")
@workspace_options
@json_option
def show_pairs(
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
        print_json([asdict(pair) for pair in some])
        return
    for pair in some:
        about = ", ".join(filter(None, (pair.source, pair.kind, pair.split, "edited" if pair.edited else "")))
        click.echo(click.style(f"── {pair.id}  {about}  {visible(pair.document)}".rstrip(), dim=True))
        for number, passage in enumerate(pair.passages, 1):
            mark = "*" if number == pair.golden else " "
            source = visible(passage.document or passage.context)
            click.echo(f" {mark}[{number}] {source}: {excerpt(passage.text, 120)}")
        for message in pair.history:
            click.echo(f"  {message.role}: {visible(message.content)}")
        click.echo(click.style(f"Q {visible(pair.instruction)}", bold=True))
        for mark, text in (("A", pair.response), ("✗", pair.rejected)):
            if text:
                click.echo(f"{mark} {visible(text, keep_lines=True)}")
        click.echo("")
    click.echo(f"{len(some)} of {counted(len(pairs), 'pair')} in {workspace.pairs_file(name)}.")


@pairs_command.command("preferences", epilog="Example: assistant pairs preferences --corpus claims")
@corpus_option
@click.option(
    "--pairs", "pairs_name", metavar="NAME", help="Set whose answers get worse ones; by default the corpus's."
)
@click.option("--people-only", is_flag=True, help="Only what people said; make no worse answers.")
@click.option("--name", metavar="NAME", help="Of the set of preferences; CORPUS-preferences by default.")
@workspace_options
@json_option
def preferences(
    corpus: str,
    pairs_name: str | None,
    people_only: bool,
    name: str | None,
    workspace: Workspace,
    settings: Settings,
    as_json: bool,
) -> None:
    """Make a set of preferences: which of two answers to a question is better.

    Votes, corrections and thumbs of the app, and answers of pairs beside worse ones: with a wrong citation, a wrong
    number or an unsupported sentence. 'assistant train method=dpo' learns from them.
    """
    from ingest.pairs.report import complaints, print_report

    sets = [pairs_name or corpus]
    if people_only and not pairs_name and not workspace.pairs_file(corpus).exists():
        sets = []
    report = gathered_preferences(workspace, settings, corpus, sets, name, people_only)
    if as_json:
        click.echo(report.to_json())
    else:
        print_report(report)
    for line in complaints(report):
        click.echo(line, err=True)


def gathered_preferences(
    workspace: Workspace,
    settings: Settings,
    corpus: str,
    sets: Sequence[str],
    name: str | None = None,
    people_only: bool = False,
) -> "PairsReport":
    """Make the set of preferences NAME of a corpus; ``sets`` of pairs have answers that get worse ones, and splits."""
    from assistant.service import open_corpus
    from ingest.pairs.preference_set import make_preferences

    file = workspace.pairs_file(name or f"{corpus}-preferences")
    if not file.exists():
        new_name(file.stem, "set of pairs")
    if not sets:
        click.echo(
            f"Warning: no set of pairs says which documents of '{corpus}' are held out: all are trained on."
            " To hold some out, run first: assistant pairs",
            err=True,
        )
    files = [workspace.pairs_file(one) for one in sets]
    with closing(open_corpus(workspace, corpus)) as catalog:
        return make_preferences(workspace, catalog, settings, file, files, people_only)


@pairs_command.command("export", epilog="Example: assistant pairs export claims --format messages --out train.jsonl")
@click.argument("name", default=DEFAULT_CORPUS)
@click.option(
    "--format",
    "format_",
    type=click.Choice([*FORMATS, PREFERENCE]),
    default="messages",
    show_default=True,
    help="How a row says what is asked and answered.",
)
@click.option("--bare", is_flag=True, help="Questions and answers alone, without evidence and system text.")
@click.option("--split", type=click.Choice(SPLITS), default="train", show_default=True, help="Which pairs are written.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="FILE.jsonl or FILE.parquet; without, they are printed.",
)
@click.option(
    "--push", metavar="OWNER/NAME", help="Upload all splits as a private data set of the Hugging Face hub instead."
)
@workspace_options
@json_option
def export_pairs(
    name: str,
    format_: str,
    bare: bool,
    split: Split,
    out: Path | None,
    push: str | None,
    workspace: Workspace,
    settings: Settings,
    as_json: bool,
) -> None:
    """Write the set NAME for other programs, with the prompt that asking has, evidence included.

    messages, prompt-completion and preference are read by TRL as they are, alpaca and sharegpt by Axolotl and
    LLaMA-Factory.
    """
    from assistant.artifacts.chat_rows import exported
    from assistant.artifacts.hub import push_rows
    from assistant.artifacts.pairs import read_pairs
    from assistant.artifacts.row_files import write_rows

    if push and out:
        raise UsageError("--push and --out are two places to write to.", "Leave one of them out.")
    pairs = read_pairs(workspace.pairs_file(name))
    wanted = [pair for pair in pairs if push or pair.split == split]
    rows, left_out = exported(wanted, format_, settings.answer.system, bare)
    if not rows:
        held = ", ".join(f"{count} {one}" for one, count in Counter(pair.split for pair in pairs).items())
        raise PairsError(f"No pair of '{name}' can be written as asked; it holds: {held or 'none'}.", "See --split.")
    told = f"{counted(sum(map(len, rows.values())), 'row')} of {counted(len(pairs), 'pair')} of '{name}' as {format_}."
    told += "".join(f" Left out: {counted(count, 'pair')} that {reason}." for reason, count in left_out.items())
    place = str(out or "")
    if push:
        place = push_rows(rows, push, f"Pairs of {name}", told)
        told += f" Pushed to {place}" if place else f" Nothing was sent to {push}: log in with hf auth login first."
    elif out:
        write_rows(out, rows[split])
        told += f" Written to {out}"
    else:
        click.echo("\n".join(json.dumps(row, ensure_ascii=False) for row in rows[split]))
    if as_json and (push or out):
        counts = {one: len(some) for one, some in rows.items()}
        print_json({"name": name, "format": format_, "rows": counts, "left_out": left_out, "place": place})
    else:
        click.echo(told, err=not (push or out))
