"""``assistant ingest``, ``documents`` and ``forget``: what a corpus is made of."""

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from assistant import config
from assistant.cli.options import (
    Duration,
    Source,
    corpus_option,
    json_option,
    print_json,
    workspace_options,
)
from assistant.config import Settings
from assistant.errors import AssistantError, UsageError, WorkspaceBusy
from assistant.text.printing import counted, visible
from assistant.workspace import StateServer, Workspace


@click.command("ingest", epilog="Example: assistant ingest ./docs --corpus claims")
@click.argument("sources", nargs=-1, type=Source())
@corpus_option
@workspace_options
@click.option("--dry-run", is_flag=True, help="Print the difference and change nothing.")
@click.option("--yes", "confirmed", is_flag=True, help="Forget more than half of the corpus without asking.")
@click.option("--rebuild", is_flag=True, help="Read everything anew, as after a change of models or chunk settings.")
@click.option("--pairs", "with_pairs", is_flag=True, help="Make instruction pairs too, as 'assistant pairs' does.")
@click.option("--watch", is_flag=True, help="Go on, and ingest again when something in the folders changes.")
@click.option("--every", type=Duration(), metavar="TIME", help="Go on, and ingest again so often, as in 30m, 1h or 1d.")
@click.option(
    "--ray", metavar="ADDRESS", default="", help="Read and embed on a Ray cluster; auto: one of this machine alone."
)
@json_option
def ingest_command(
    sources: tuple[str, ...],
    corpus: str,
    workspace: Workspace,
    settings: Settings,
    dry_run: bool,
    confirmed: bool,
    rebuild: bool,
    with_pairs: bool,
    watch: bool,
    every: float | None,
    ray: str,
    as_json: bool,
) -> int:
    """Make a corpus say what SOURCES say: folders, files, or addresses as s3://claims/policies and https://docs.example/.

    New and changed files are read, deleted ones are forgotten, renamed ones are recognised. Without
    SOURCES, those the corpus was made from are looked at again. Of what lies elsewhere a copy is kept
    in the workspace, and only what changed is fetched.
    """
    if with_pairs and dry_run:
        raise UsageError("--pairs needs what --dry-run leaves out.", "Leave one of them out.")
    if rebuild and (watch or every):
        raise UsageError("--rebuild would read everything anew each time.", "Leave out --watch and --every.")
    # oneDNN keeps what it prepared for the last 1,024 shapes; batches of texts hardly ever have the same (docs/log.md).
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    from ingest.sources import rounds, watchable

    once = partial(
        _ingested, sources, corpus, workspace, settings, dry_run, confirmed, rebuild, with_pairs, ray, as_json
    )
    if not watch and not every:
        return once()
    moments = rounds(every, watchable(workspace, corpus, sources) if watch else (), workspace)
    status = once()
    for _ in moments:
        try:
            status = once()
        except (AssistantError, OSError, sqlite3.Error) as error:  # the next time it may be mended
            click.echo(f"Error: {error}", err=True)
    return status


def _ingested(
    sources: Sequence[str],
    corpus: str,
    workspace: Workspace,
    settings: Settings,
    dry_run: bool,
    confirmed: bool,
    rebuild: bool,
    with_pairs: bool,
    ray: str,
    as_json: bool,
) -> int:
    """One ingest, told; returns the exit status."""
    from assistant import models
    from assistant.cli.pairs import made_pairs
    from assistant.models.catalogue import catalogue
    from ingest.pairs.report import print_report as print_pairs
    from ingest.pipeline import ingest
    from ingest.report import complaints, print_report
    from ingest.sources import brought

    if settings.embedder.model in catalogue() and not settings.embedder.url and not dry_run:
        models.fetch(settings.embedder.model)
    folders, unfetched = brought(workspace, corpus, sources, settings, dry_run=dry_run)
    report = ingest(
        workspace, corpus, folders, settings, dry_run=dry_run, confirmed=confirmed, rebuild=rebuild, ray=ray
    )
    report = replace(report, files=(*report.files, *unfetched))
    if not as_json:
        print_report(report)
    for line in complaints(report):
        click.echo(line, err=True)
    if not dry_run:
        _drop_pairs(workspace, corpus)
    pairs = made_pairs(workspace, corpus, corpus, settings) if with_pairs and not report.is_failure else None
    if as_json:
        content = json.loads(report.to_json())
        click.echo(json.dumps({**content, "pairs": json.loads(pairs.to_json())}) if pairs else report.to_json())
    elif pairs:
        print_pairs(pairs)
    return 1 if report.is_failure else 0


@click.command("documents", epilog="Example: assistant documents --corpus claims")
@corpus_option
@workspace_options
@json_option
def documents_command(corpus: str, workspace: Workspace, settings: Settings, as_json: bool) -> None:  # noqa: ARG001
    """List the files of a corpus with what is known of each, and other corpora of the workspace."""
    from assistant.service import open_corpus
    from assistant.text.printing import names_of
    from ingest.sources import address_at

    with closing(open_corpus(workspace, corpus)) as catalog:
        summaries = {summary.id: summary for summary in catalog.document_summaries()}
        files = catalog.files()
    if as_json:
        rows = [
            {**asdict(row), "document": asdict(summaries[row.document_id]) if row.document_id else None}
            for row in files
        ]
        print_json({"corpus": corpus, "corpora": workspace.corpus_names(), "files": rows})
        return
    names = names_of((row.path, row.location) for row in files)
    for row in files:
        name, known = visible(names[row.location]), summaries.get(row.document_id or 0)
        if known is not None:
            click.echo(f"{name}  {known.title!r} {known.language} {known.date} {counted(known.chunks, 'chunk')}")
        if row.failure:
            click.echo(f"{name}  {visible(row.failure)}")
    others = [name for name in workspace.corpus_names() if name != corpus]
    roots = ", ".join(dict.fromkeys(visible(address_at(Path(row.root)) or row.root) for row in files))
    click.echo(
        f"{counted(len(files), 'file')} in '{corpus}'{f', from {roots}' if roots else ''}."
        + (f" Other corpora: {', '.join(others)}." if others else "")
    )


@click.command("forget", epilog="Example: assistant forget ./docs --corpus claims")
@click.argument("sources", nargs=-1, type=Source())
@corpus_option
@workspace_options
@click.option("--all", "all_", is_flag=True, help="Delete the corpus itself, also where other machines read it.")
@click.option("--dry-run", is_flag=True, help="Print what would be forgotten and change nothing.")
@click.option("--yes", "confirmed", is_flag=True, help="Forget more than half of the corpus without asking.")
@json_option
def forget_command(
    sources: tuple[str, ...],
    corpus: str,
    workspace: Workspace,
    settings: Settings,  # noqa: ARG001 - they say where shared corpora lie
    all_: bool,
    dry_run: bool,
    confirmed: bool,
    as_json: bool,
) -> None:
    """Take SOURCES that were ingested (or single files that were) out of a corpus; nothing is deleted there.

    What lies in an ingested folder is forgotten by the next ingest once it is deleted or moved elsewhere.
    The copy of an address goes with the last corpus that was made from it. --all deletes the corpus itself;
    if that was stopped, run it again.
    """
    from ingest.forgetting import forget, forget_all
    from ingest.report import print_report
    from ingest.sources import addresses_of, copy_of, drop_copies, is_address

    if all_ == bool(sources):
        raise UsageError("Name folders, files or addresses, or --all.", "See: assistant forget --help")
    addresses = addresses_of(workspace, corpus) if all_ else [*filter(is_address, sources)]
    if all_:
        try:
            report = forget_all(workspace, corpus, dry_run=dry_run, confirmed=confirmed)
        except UsageError:
            if not dry_run:  # it may have gone in a run that was killed then
                _drop_pairs(workspace, corpus)
            raise
    else:
        folders = [copy_of(workspace, source) if is_address(source) else Path(source) for source in sources]
        report = forget(workspace, corpus, folders, dry_run=dry_run, confirmed=confirmed)
    if not dry_run:
        _drop_pairs(workspace, corpus)
        drop_copies(workspace, addresses)
    if as_json:
        click.echo(report.to_json())
    else:
        print_report(report)
        if all_ and not dry_run:
            click.echo(f"There is no corpus '{corpus}' any more.")


@click.command("migrate", epilog="Example: assistant migrate claims --to lance:s3://bucket/corpora")
@click.argument("corpora", nargs=-1)
@click.option("--all", "all_", is_flag=True, help="All corpora that there are.")
@click.option("--state", "with_state", is_flag=True, help="People and all that is kept of them, in place of corpora.")
@click.option(
    "--to",
    "to",
    metavar="ADDRESS",
    help="Bring them there, as in lance:/srv/corpora; state: postgresql://ana@db/house.",
)
@click.option("--from", "from_", metavar="ADDRESS", help="Take them from there into this workspace.")
@workspace_options
@json_option
def migrate_command(
    corpora: tuple[str, ...],
    all_: bool,
    with_state: bool,
    to: str | None,
    from_: str | None,
    workspace: Workspace,
    settings: Settings,
    as_json: bool,
) -> None:
    """Bring CORPORA to a store that several machines read, or the state to a database, or take them back from there.

    Both are compared afterwards, by counts and SHA-256 of what they say. Machines whose store.url is the address
    read what is there; each ingest with it brings what changed. State is people, rights, tokens, conversations,
    feedback and audit log; no server may run meanwhile, and where there is other state nothing is done.
    """
    if (to is None) == (from_ is None) or bool(corpora) + all_ + with_state != 1:
        raise UsageError("Name corpora, --all or --state, and one of --to and --from.", "See: assistant migrate --help")
    url, is_back = to or from_ or "", from_ is not None
    if with_state:
        held = _state_migrated(workspace, settings, url, is_back)
    else:
        held = _corpora_migrated(corpora, workspace, url, is_back)
    if as_json:
        print_json(held)
        return
    for name, kinds in held.items():
        click.echo(f"{'The state' if with_state else repr(name)} is the same here and at {url}:")
        for one in kinds:
            click.echo(f"  {one['kind']:<14}{one['count']:>10,}  sha256 {one['digest'][:16]}…")
    if with_state and settings.state.url != (to or ""):
        click.echo(f"Have it used: assistant config set 'state.url={to or ''}'", err=True)


def _corpora_migrated(
    corpora: Sequence[str], workspace: Workspace, url: str, is_back: bool
) -> dict[str, list[dict[str, Any]]]:
    """What is held of those named, or of all where none is."""
    from assistant.service import with_shared
    from ingest.pipeline import migrate

    addressed, _ = config.load(workspace.config_file, assignments=(f"store.url={url}",))
    here = Workspace(workspace.root).corpus_names()
    there = with_shared(workspace, addressed)
    wanted = corpora or (tuple(name for name in there.corpus_names() if name not in here) if is_back else here)
    return {name: [asdict(one) for one in migrate(workspace, name, url, back=is_back)] for name in wanted}


def _state_migrated(
    workspace: Workspace, settings: Settings, url: str, is_back: bool
) -> dict[str, list[dict[str, Any]]]:
    from ui.migration import migrate

    addressed, _ = config.load(workspace.config_file, assignments=(f"state.url={url}",))
    server = StateServer(addressed.state.url, settings.state.password_file)
    return {"state": [asdict(one) for one in migrate(workspace, server, back=is_back)]}


def _drop_pairs(workspace: Workspace, corpus: str) -> None:
    """Drop the pairs of documents that were forgotten, and say on standard error how many went, by set."""
    from ingest.pairs.earlier import drop_forgotten

    try:
        dropped = drop_forgotten(workspace, corpus)
    except WorkspaceBusy as error:
        again = f"assistant ingest --corpus {corpus}"
        click.echo(f"Warning: pairs of what was forgotten are still there. {error.message} Then run: {again}", err=True)
        return
    for name, count in dropped.items():
        click.echo(f"{counted(count, 'pair')} of '{name}' showed what was forgotten, and went too.", err=True)
