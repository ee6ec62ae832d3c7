"""Gold evidence: which corpus has its documents, where it stands in them, and at which rank passages have brought it.

A gold group is met by any of its spans, and a span by the passages that hold half of its characters, or its quote.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache

from assistant.errors import AssistantError, UsageError
from assistant.service import open_corpus
from assistant.store.index import Index
from assistant.types import Evidence
from assistant.workspace import DEFAULT_CORPUS, Workspace
from eval.cases import Case, GoldSpan
from eval.matching import occurrences

Group = tuple[GoldSpan, ...]


def corpus_about(cases: Iterable[Case], workspace: Workspace) -> str:
    """The corpus that holds most of the documents that gold stands in; ``default`` where that is as good."""
    wanted = frozenset[str]().union(*(case.documents for case in cases))
    counts = {DEFAULT_CORPUS: 0} | {name: _held(wanted, workspace, name) for name in workspace.corpus_names()}
    return max(counts, key=lambda name: (counts[name], name == DEFAULT_CORPUS))


def refuse_foreign_cases(cases: Sequence[Case], corpus: str, workspace: Workspace) -> None:
    """Raise UsageError where a corpus lacks more than half of the documents that gold stands in.

    An evaluation of another corpus would run as long as any, and find that nothing is right. A few documents may be
    missing: a gate tells when gold has gone from a corpus.
    """
    wanted = frozenset[str]().union(*(case.documents for case in cases))
    held = _held(wanted, workspace, corpus)
    if 2 * held >= len(wanted):
        return
    best = corpus_about(cases, workspace)
    more = _held(wanted, workspace, best)
    remedy = f"Add --corpus {best}: it holds {more}." if more > held else "Ingest them first."
    raise UsageError(f"The corpus '{corpus}' holds {held} of the {len(wanted)} documents of the cases.", remedy)


def text_of(catalog: Index) -> Callable[[str], str | None]:
    """The stored text of a document by its path; None for an unknown one."""
    ids = {file.path: file.document_id for file in catalog.files()}

    @cache
    def text(path: str) -> str | None:
        known = ids.get(path)
        return None if known is None else catalog.text(known)

    return text


def located(cases: Iterable[Case], text_of: Callable[[str], str | None]) -> tuple[list[Case], list[str]]:
    """The cases with the characters that each quote stands at, and what is wrong with their gold, a line each.

    ``text_of`` gives the stored text of a document, None if there is no such document. A quote that stands in several
    places is met by any of them.
    """
    problems: list[str] = []

    def placed(case: str, span: GoldSpan) -> list[GoldSpan]:
        text = text_of(span.document)
        if text is None:
            problems.append(gold_problem(case, f"there is no document '{span.document}'"))
            return [span]
        if span.end is not None and span.end > len(text):
            problems.append(gold_problem(case, f"'{span.document}' ends before character {span.end}"))
        if not span.quote or span.start is not None:
            return [span]
        places = occurrences(span.quote, text)
        if not places:
            problems.append(gold_problem(case, f"'{span.document}' does not say “{span.quote[:60]}”"))
        return [replace(span, start=start, end=end) for start, end in places] or [span]

    found = [
        replace(case, gold=tuple(tuple(one for span in group for one in placed(case.id, span)) for group in case.gold))
        for case in cases
    ]
    return found, problems


def gold_problem(case: str, what: str = "") -> str:
    """How a problem with the gold of a case is told; without ``what`` the words that all of them begin with."""
    return f"case '{case}': {what}"


def ranks(gold: Sequence[Group], hits: Sequence[Evidence]) -> tuple[int | None, ...]:
    """For each gold group the rank (1-based) at which the hits so far have met it; None where they do not."""
    found = [[_rank(span, hits) for span in group] for group in gold]
    return tuple(min((rank for rank in some if rank is not None), default=None) for some in found)


def _rank(span: GoldSpan, hits: Sequence[Evidence]) -> int | None:
    shown: set[int] = set()
    for rank, hit in enumerate(hits, 1):
        if hit.document != span.document:
            continue
        if span.quote and occurrences(span.quote, f"{hit.context}\n{hit.text}"):
            return rank
        if not span.quote and span.start is None and (span.page is None or span.page in hit.pages):
            return rank
        if span.start is not None and span.end is not None:
            shown.update(range(max(span.start, hit.start), min(span.end, hit.end)))
            if 2 * len(shown) >= span.end - span.start:
                return rank
    return None


def _held(documents: frozenset[str], workspace: Workspace, corpus: str) -> int:
    """How many of some documents a corpus holds; a damaged one none."""
    try:
        with closing(open_corpus(workspace, corpus)) as catalog:
            return len(documents & {file.path for file in catalog.files() if file.document_id is not None})
    except AssistantError:
        return 0
