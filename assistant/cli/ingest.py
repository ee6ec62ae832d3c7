"""``assistant ingest``: documents into a corpus (``ingest.pipeline``)."""

import json
import os
from pathlib import Path

import click

from assistant.cli.options import corpus_option, json_option, workspace_options
from assistant.cli.pairs import drop_pairs, made_pairs, print_pairs
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.workspace import Workspace


@click.command("ingest", epilog="Example: assistant ingest ./docs --corpus claims")
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@corpus_option
@workspace_options
@click.option("--dry-run", is_flag=True, help="Print the difference and change nothing.")
@click.option("--yes", "confirmed", is_flag=True, help="Forget more than half of the corpus without asking.")
@click.option("--rebuild", is_flag=True, help="Read everything anew, as after a change of models or chunk settings.")
@click.option("--pairs", "with_pairs", is_flag=True, help="Make instruction pairs too, as 'assistant pairs' does.")
@json_option
def command(
    folders: tuple[Path, ...],
    corpus: str,
    workspace: Workspace,
    settings: Settings,
    dry_run: bool,
    confirmed: bool,
    rebuild: bool,
    with_pairs: bool,
    as_json: bool,
) -> int:
    """Make a corpus say what FOLDERS (or files) say.

    New and changed files are read, deleted ones are forgotten, renamed ones are recognised. Without
    FOLDERS, those the corpus was made from are looked at again.
    """
    if with_pairs and dry_run:
        raise UsageError("--pairs needs what --dry-run leaves out.", "Leave one of them out.")
    # oneDNN keeps what it prepared for the last 1,024 shapes; batches of texts hardly ever have the same (docs/log.md).
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    from assistant import models
    from assistant.models.catalogue import catalogue
    from ingest.pipeline import ingest
    from ingest.report import complaints, print_report

    if settings.embedder.model in catalogue() and not dry_run:
        models.fetch(settings.embedder.model)
    report = ingest(workspace, corpus, folders, settings, dry_run=dry_run, confirmed=confirmed, rebuild=rebuild)
    if not as_json:
        print_report(report)
    for line in complaints(report):
        click.echo(line, err=True)
    if not dry_run:
        drop_pairs(workspace, corpus)
    pairs = made_pairs(workspace, corpus, corpus, settings) if with_pairs and not report.is_failure else None
    if as_json:
        content = json.loads(report.to_json())
        click.echo(json.dumps({**content, "pairs": json.loads(pairs.to_json())}) if pairs else report.to_json())
    elif pairs:
        print_pairs(pairs)
    return 1 if report.is_failure else 0
