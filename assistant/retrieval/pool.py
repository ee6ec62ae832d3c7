"""Retrievers for as many threads as like to ask: each is lent to one question at a time, if its filter fits something.

A SQLite connection belongs to whoever uses it now, and there are as many as were ever needed at once; they share one
index.
"""

import difflib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import PurePosixPath

from assistant.errors import AssistantError, UsageError
from assistant.retrieval.retriever import Retriever
from assistant.store.index import Index
from assistant.types import Filter

_KNOWN_OF_ALL = ("title", "format", "language", "date")
# So many values fit into a line, and are all told.
_FEW_VALUES = 8
# SQLite refuses patterns of more than 50,000 bytes, and takes long for those of many stars.
_LONGEST_PATTERN = 1000
_LIST = "'assistant documents' lists what there is."


class RetrieverPool:
    """Lends the retrievers of one corpus."""

    def __init__(self, make: Callable[[], Retriever]) -> None:
        """``make`` opens one more. Their embedder may be the same."""
        self._make = make
        self._lock = threading.Lock()
        self._idle: list[Retriever] = []
        self._is_closed = False

    @contextmanager
    def lent(self, only: Filter | None = None) -> Iterator[Retriever]:
        """A retriever that is no one else's while the block runs; the last one used first, whose index is loaded.

        One that failed in a way of its own is not used again. Raises UsageError for a filter that fits nothing, and
        after ``close``.
        """
        retriever = None
        with self._lock:
            if self._is_closed:
                raise UsageError("This assistant is closed.", "Open it again.")
            while self._idle and retriever is None:
                idle = self._idle.pop()
                if idle.catalog.is_current:
                    retriever = idle
                else:
                    idle.catalog.close()
        retriever = retriever or self._make()
        try:
            if only:
                refuse_unmatched(only, retriever.catalog)
            yield retriever
        except (AssistantError, GeneratorExit):
            self._give_back(retriever)
            raise
        except BaseException:
            retriever.catalog.close()
            raise
        self._give_back(retriever)

    def close(self) -> None:
        """Close the catalogs; a question that is under way ends first."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for retriever in idle:
            retriever.catalog.close()

    def _give_back(self, retriever: Retriever) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.append(retriever)
                return
        retriever.catalog.close()


def refuse_unmatched(only: Filter, catalog: Index) -> None:
    """Raise UsageError when a part of a filter, or all of it together, fits no document of the corpus.

    It is a mistake, and is told with the nearest thing that exists.
    """
    corpus = catalog.name
    if len(only.folder) > _LONGEST_PATTERN:
        told = f"A folder of {len(only.folder):,} characters is none; the longest pattern has {_LONGEST_PATTERN:,}."
        raise UsageError(told, "Name a folder, as in policies/*.")
    for path in dict.fromkeys(only.documents):
        if not catalog.holds(Filter((path,))):
            files = catalog.files()
            if failure := next((row.failure for row in files if row.path == path), ""):
                raise UsageError(f"'{path}' could not be read: {failure}", "Mend it, then run: assistant ingest")
            near = _nearest(path, (row.path for row in files if row.document_id is not None))
            raise UsageError(f"There is no document '{path}' in the corpus '{corpus}'.", near)
    if only.folder and not catalog.holds(Filter(folder=only.folder)):
        files = catalog.files()
        folders = {str(parent) for row in files for parent in PurePosixPath(row.path).parents[:-1]}
        ending = "/*" if set("*?[") & set(only.folder) else ""
        near = _nearest(only.folder, (one + ending for one in folders))
        if any(row.path == only.folder for row in files):
            near = "It is a document: use --document."
        raise UsageError(f"No document of the corpus '{corpus}' lies in '{only.folder}'.", near)
    for name, value in only.metadata.items():
        if not catalog.holds(Filter(metadata={name: value})):
            remedy = f"Of every document are known: {', '.join(_KNOWN_OF_ALL)}."
            if name in _KNOWN_OF_ALL:
                values = {str(getattr(summary, name)) for summary in catalog.document_summaries()} - {""}
                is_list_short = 0 < len(values) <= _FEW_VALUES
                remedy = f"There are: {', '.join(sorted(values))}." if is_list_short else _nearest(value, values)
            raise UsageError(f"No document of the corpus '{corpus}' has {name}={value}.", remedy)
    for day in filter(None, (only.since, only.until)):
        with suppress(ValueError):
            # Of a year and of a month the first day is one.
            first = date.fromisoformat(day + "YYYY-01-01"[len(day) :])
            if len(day) in (4, 7, 10) and first.isoformat().startswith(day):
                continue
        raise UsageError(f"'{day[:80]}' is no date.", "Write it as in 2025-12-31, 2025-12 or 2025.")
    for dates in filter(None, (Filter(since=only.since), Filter(until=only.until))):
        if not catalog.holds(dates):
            when = f"since {only.since}" if dates.since else f"until {only.until}"
            dated = sorted({summary.date for summary in catalog.document_summaries()} - {""})
            remedy = f"They are dated from {dated[0]} to {dated[-1]}." if dated else "None of them has a date."
            raise UsageError(f"No document of the corpus '{corpus}' is dated {when}.", remedy)
    if not catalog.holds(only):
        raise UsageError("No document fits all parts of the filter.", "Leave one out.")


def _nearest(word: str, known: Iterable[str]) -> str:
    """The remedy: the known word that is most like another."""
    if len(word) > _LONGEST_PATTERN:
        return _LIST  # it takes the square of its length to compare, and is like nothing
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.4)
    return f"Did you mean {near[0]}?" if near else _LIST
