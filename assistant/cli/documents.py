"""``assistant documents``: what a corpus holds."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from assistant.cli.options import corpus_option, json_option, opened_corpus, workspace_options
from assistant.config import Settings
from assistant.workspace import Workspace


@click.command("documents", epilog="Example: assistant documents --corpus claims")
@corpus_option
@workspace_options
@json_option
def command(corpus: str, workspace: Workspace, settings: Settings, as_json: bool) -> None:  # noqa: ARG001
    """List the files of a corpus with what is known of each, and other corpora of the workspace."""
    from assistant.store.catalog import file_location
    from assistant.text.filenames import names_of
    from assistant.text.printing import counted, visible

    with opened_corpus(workspace, corpus) as catalog:
        summaries = {summary.id: summary for summary in catalog.document_summaries()}
        files = catalog.files()
    if as_json:
        rows = [
            {**asdict(row), "document": asdict(summaries[row.document_id]) if row.document_id else None}
            for row in files
        ]
        click.echo(
            json.dumps(
                {"corpus": corpus, "corpora": workspace.corpus_names(), "files": rows},
                ensure_ascii=False,
                indent=2,
            )
        )
        return
    locations = [file_location(Path(row.root), row.path) for row in files]
    names = names_of((row.path, location) for row, location in zip(files, locations, strict=True))
    for row, location in zip(files, locations, strict=True):
        name, known = visible(names[location]), summaries.get(row.document_id or 0)
        if known is not None:
            told = f"{known.title!r} {known.language} {known.date} {counted(known.chunks, 'chunk')}"
            click.echo(f"{name}  {told}")
        if row.failure:
            click.echo(f"{name}  {visible(row.failure)}")
    others = [name for name in workspace.corpus_names() if name != corpus]
    roots = ", ".join(dict.fromkeys(visible(row.root) for row in files))
    click.echo(
        f"{counted(len(files), 'file')} in '{corpus}'{f', from {roots}' if roots else ''}."
        + (f" Other corpora: {', '.join(others)}." if others else "")
    )
