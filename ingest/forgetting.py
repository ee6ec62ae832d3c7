"""``assistant forget`` takes folders out of a corpus; the files themselves stay where they are.

A plain ``assistant ingest`` looks at all folders that a corpus was made from, so only a whole one can be forgotten for
good: a part of it would be read again.
"""

import difflib
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from assistant.artifacts.command_reports import FileReport, IngestReport
from assistant.errors import IngestError, UsageError
from assistant.store import vectors
from assistant.text.printing import counted
from assistant.workspace import Workspace
from ingest.changes import absolute
from ingest.pipeline import opened, publish, refuse_foreign, share


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
    folder, names = workspace.corpus(corpus), workspace.corpus_names()
    if corpus not in names:
        raise UsageError(
            f"There is no corpus '{corpus}'.", f"In {workspace.root} there are: {', '.join(names) or 'none'}."
        )
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
