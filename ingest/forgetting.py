"""``assistant forget`` takes folders out of a corpus, or deletes all of it; the files stay where they are.

A plain ``assistant ingest`` looks at all folders that a corpus was made from, so only a whole one can be forgotten for
good: a part of it would be read again.
"""

import difflib
import time
from collections.abc import Collection, Sequence
from contextlib import closing, nullcontext
from pathlib import Path

from assistant.artifacts.command_reports import FileReport, IngestReport
from assistant.errors import IngestError, UsageError
from assistant.service import open_corpus, refuse_foreign
from assistant.store import vectors
from assistant.store.lance import shared_at
from assistant.store.shared import remove
from assistant.store.sql import FileRow
from assistant.text.printing import counted
from assistant.workspace import Workspace, folder_beside, write_lock
from ingest.changes import absolute
from ingest.pipeline import opened, publish, share


def forget(
    workspace: Workspace,
    corpus: str,
    targets: Sequence[Path],
    *,
    dry_run: bool = False,
    confirmed: bool = False,
) -> IngestReport:
    """Take the folders (or single files) that were ingested as, or lie in, ``targets`` out of a corpus.

    ``confirmed`` allows forgetting more than half of it. Needs no model. Raises UsageError for a target that
    is only a part of an ingested folder, or none; IngestError or WorkspaceBusy; then nothing has changed.
    """
    started = time.perf_counter()
    folder = workspace.corpus(corpus)
    if corpus not in workspace.corpus_names():
        raise _no_corpus(workspace, corpus)
    refuse_foreign(workspace, corpus)
    with opened(folder, dry_run) as catalog:
        known = catalog.files()
        roots = _roots(targets, {Path(row.root) for row in known})
        kept = [row for row in known if Path(row.root) not in roots]
        objection = None
        if not confirmed and 2 * len(kept) < len(known):
            objection = IngestError(
                f"{len(known) - len(kept)} of {counted(len(known), 'file')} would be forgotten.",
                "If you mean it, add --yes; the files themselves stay where they are.",
            )
        if not dry_run:
            if objection:
                raise objection
            identity = catalog.identity()
            assert identity is not None, "a corpus with files was published"
            publish(catalog, known, kept, identity)
            vectors.remove_other_bases(catalog)
            share(catalog, workspace)
        reports = tuple(FileReport(row.path, "forgotten") for row in known if Path(row.root) in roots)
        documents = len({row.document_id for row in catalog.files() if row.document_id is not None})
        seconds = round(time.perf_counter() - started, 3)
        return IngestReport(
            corpus, dry_run, reports, documents, catalog.counts().chunks, seconds, objection=str(objection or "")
        )


def forget_all(workspace: Workspace, corpus: str, *, dry_run: bool = False, confirmed: bool = False) -> IngestReport:
    """Delete a corpus, where other machines read it first and then here; again, it deletes what a killed run has left.

    Also one that is only read here may be deleted: where it was ingested nobody may be left. Raises UsageError where
    there is none, IngestError unless ``confirmed``, WorkspaceBusy.
    """
    started, folder = time.perf_counter(), workspace.corpus(corpus)
    shared = shared_at(workspace.shared.url) if workspace.shared else None
    known: list[FileRow] = []
    if is_there := corpus in workspace.corpus_names():
        with closing(open_corpus(workspace, corpus)) as index, index.snapshot():
            known = index.files()
    told = f"The corpus '{corpus}' would be deleted, with what was read of {counted(len(known), 'file')}."
    objection = None if confirmed else IngestError(told, "If you mean it, add --yes; the files stay where they are.")
    if not dry_run:
        if is_there and objection:
            raise objection
        with write_lock(folder) if folder.exists() else nullcontext():
            is_there |= shared is not None and remove(shared, corpus)
        if folder.parent.exists():
            with folder_beside(folder) as gone:  # what a run that was killed has left beside it goes first
                if folder.exists():
                    folder.rename(gone)
    if not is_there:
        raise _no_corpus(workspace, corpus)
    reports = tuple(FileReport(row.path, "forgotten") for row in known)
    seconds = round(time.perf_counter() - started, 3)
    return IngestReport(corpus, dry_run, reports, 0, 0, seconds, objection=str(objection or ""))


def _no_corpus(workspace: Workspace, corpus: str) -> UsageError:
    names = ", ".join(workspace.corpus_names())
    return UsageError(f"There is no corpus '{corpus}'.", f"In {workspace.root} there are: {names or 'none'}.")


def _roots(targets: Sequence[Path], roots: Collection[Path]) -> set[Path]:
    """The known roots at or under the targets. Raises UsageError for a target that holds none."""
    found: set[Path] = set()
    for target in map(absolute, targets):
        inside = {root for root in roots if root.is_relative_to(target)}
        if not inside:
            around = next((root for root in roots if target.is_relative_to(root)), None)
            if around and target.exists():
                raise UsageError(
                    f"{target} lies in {around}, which the next ingest reads again.",
                    f"Delete it or move it elsewhere, then run: assistant ingest; or forget {around}.",
                )
            if around:
                raise UsageError(f"{target} is not on disk.", "If it was, the next 'assistant ingest' forgets it.")
            near = difflib.get_close_matches(str(target), map(str, roots), n=1, cutoff=0)
            remedy = f"Did you mean {near[0]}?" if near else "Run: assistant ingest FOLDER"
            raise UsageError(f"{target} was not ingested into this corpus.", remedy)
        found |= inside
    return found
