"""``assistant ingest``."""

from pathlib import Path

import click

from assistant.cli.options import corpus_option, json_option, workspace_options
from assistant.config import Settings
from assistant.workspace import Workspace


@click.command("ingest", epilog="Example: assistant ingest ./docs --corpus claims")
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@corpus_option
@workspace_options
@click.option("--dry-run", is_flag=True, help="Print the difference and change nothing.")
@click.option("--yes", "confirmed", is_flag=True, help="Forget more than half of the corpus without asking.")
@click.option("--rebuild", is_flag=True, help="Read everything anew, as after a change of models or chunk settings.")
@json_option
def command(
    folders: tuple[Path, ...],
    corpus: str,
    workspace: Workspace,
    settings: Settings,
    dry_run: bool,
    confirmed: bool,
    rebuild: bool,
    as_json: bool,
) -> int:
    """Make a corpus say what FOLDERS (or files) say.

    New and changed files are read, deleted ones are forgotten, renamed ones are recognised. Without
    FOLDERS, those the corpus was made from are looked at again.
    """
    from ingest.pipeline import ingest
    from ingest.report import print_report

    report = ingest(workspace, corpus, folders, settings, dry_run=dry_run, confirmed=confirmed, rebuild=rebuild)
    if as_json:
        click.echo(report.to_json())
    else:
        print_report(report)
    for line in report.complaints():
        click.echo(line, err=True)
    return 1 if report.is_failure else 0
