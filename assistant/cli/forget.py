"""``assistant forget``: a document and all that was made of it."""

from pathlib import Path

import click

from assistant.cli.options import corpus_option, json_option
from assistant.workspace import locate


@click.command("forget", epilog="Example: assistant forget ./docs --corpus claims")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@corpus_option
@click.option("--workspace", "workspace_folder", metavar="FOLDER", help="Where everything is kept.")
@click.option("--dry-run", is_flag=True, help="Print what would be forgotten and change nothing.")
@click.option("--yes", "confirmed", is_flag=True, help="Forget more than half of the corpus without asking.")
@json_option
def command(
    folders: tuple[Path, ...],
    corpus: str,
    workspace_folder: str | None,
    dry_run: bool,
    confirmed: bool,
    as_json: bool,
) -> None:
    """Take FOLDERS that were ingested (or single files that were) out of a corpus; nothing is deleted on disk.

    What lies in an ingested folder is forgotten by the next ingest once it is deleted or moved elsewhere.
    """
    from assistant.cli.pairs import drop_pairs
    from ingest.forget import forget
    from ingest.report import print_report

    workspace = locate(workspace_folder)
    report = forget(workspace, corpus, folders, dry_run=dry_run, confirmed=confirmed)
    if not dry_run:
        drop_pairs(workspace, corpus)
    if as_json:
        click.echo(report.to_json())
    else:
        print_report(report)
