"""Retrievers for as many threads as like to ask: each is lent to one question at a time.

A SQLite connection belongs to whoever uses it now, and there are as many as were ever needed at once; they share one
index.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from assistant.errors import AssistantError, UsageError
from assistant.retrieval.filters import refuse_unmatched
from assistant.retrieval.retriever import Retriever
from assistant.types import Filter


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
        retriever = self._taken()
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

    def _taken(self) -> Retriever:
        with self._lock:
            if self._is_closed:
                raise UsageError("This assistant is closed.", "Open it again.")
            while self._idle:
                retriever = self._idle.pop()
                if retriever.catalog.is_current:
                    return retriever
                retriever.catalog.close()
        return self._make()

    def _give_back(self, retriever: Retriever) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.append(retriever)
                return
        retriever.catalog.close()
