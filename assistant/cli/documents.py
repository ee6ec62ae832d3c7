"""``assistant documents``."""

import json
from dataclasses import asdict

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
    from assistant.presentation import counted, visible

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
    for row in files:
        known = summaries.get(row.document_id or 0)
        if known is not None:
            told = f"{known.title!r} {known.language} {known.date} {counted(known.chunks, 'chunk')}"
            click.echo(f"{visible(row.path)}  {told}")
        if row.failure:
            click.echo(f"{visible(row.path)}  {visible(row.failure)}")
    others = [name for name in workspace.corpus_names() if name != corpus]
    roots = ", ".join(dict.fromkeys(visible(row.root) for row in files))
    click.echo(
        f"{counted(len(files), 'file')} in '{corpus}'{f', from {roots}' if roots else ''}."
        + (f" Other corpora: {', '.join(others)}." if others else "")
    )
