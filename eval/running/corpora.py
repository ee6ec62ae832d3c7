"""Whether a corpus holds the documents that cases are about: told before anything is asked.

An evaluation of another corpus would run as long as any, and find that nothing is right.
"""

from collections.abc import Iterable, Sequence
from contextlib import closing

from assistant.errors import AssistantError, UsageError
from assistant.store.catalog import Catalog
from assistant.workspace import DEFAULT_CORPUS, Workspace
from eval.cases import Case


def corpus_about(cases: Iterable[Case], workspace: Workspace) -> str:
    """The corpus that holds most of the documents that gold stands in; ``default`` where that is as good."""
    wanted = _documents(cases)
    counts = {DEFAULT_CORPUS: 0} | {name: _held(wanted, workspace, name) for name in workspace.corpus_names()}
    return max(counts, key=lambda name: (counts[name], name == DEFAULT_CORPUS))


def refuse_foreign_cases(cases: Sequence[Case], corpus: str, workspace: Workspace) -> None:
    """Raise UsageError where a corpus lacks more than half of the documents that gold stands in.

    A few may be missing: a gate tells when gold has gone from a corpus.
    """
    wanted = _documents(cases)
    held = _held(wanted, workspace, corpus)
    if 2 * held >= len(wanted):
        return
    best = corpus_about(cases, workspace)
    more = _held(wanted, workspace, best)
    remedy = f"Add --corpus {best}: it holds {more}." if more > held else "Ingest them first."
    raise UsageError(f"The corpus '{corpus}' holds {held} of the {len(wanted)} documents of the cases.", remedy)


def _documents(cases: Iterable[Case]) -> frozenset[str]:
    return frozenset[str]().union(*(case.documents for case in cases))


def _held(documents: frozenset[str], workspace: Workspace, corpus: str) -> int:
    """How many of some documents a corpus holds; a damaged one none."""
    try:
        with closing(Catalog(workspace.corpus(corpus))) as catalog:
            return len(documents & {file.path for file in catalog.files() if file.document_id is not None})
    except AssistantError:
        return 0
