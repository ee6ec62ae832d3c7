"""Retrievers for as many threads as like to ask: each is lent to one question at a time.

A SQLite connection and an index belong to whoever uses them now; there are as many as were ever needed at once.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from assistant.errors import AssistantError, UsageError
from assistant.filters import refuse_unmatched
from assistant.retriever import Retriever
from assistant.store.catalog import CATALOG_FILE
from assistant.types import Filter


@dataclass(frozen=True, slots=True)
class _Lendable:
    """A retriever, and the file that it was opened over: a catalog that was deleted and made again is another one."""

    retriever: Retriever
    file: tuple[int, int] | None

    @property
    def is_current(self) -> bool:
        return self.file == _file_of(self.retriever)


class Retrievers:
    """Lends the retrievers of one corpus."""

    def __init__(self, make: Callable[[], Retriever]) -> None:
        """``make`` opens one more. Their embedder may be the same."""
        self._make = make
        self._lock = threading.Lock()
        self._idle: list[_Lendable] = []
        self._is_closed = False

    @contextmanager
    def lent(self, only: Filter | None = None) -> Iterator[Retriever]:
        """A retriever that is no one else's while the block runs; the last one used first, whose index is loaded.

        One that failed in a way of its own is not used again. Raises UsageError for a filter that fits nothing, and
        after ``close``.
        """
        lendable = self._taken()
        try:
            if only:
                refuse_unmatched(only, lendable.retriever.catalog)
            yield lendable.retriever
        except (AssistantError, GeneratorExit):
            self._give_back(lendable)
            raise
        except BaseException:
            lendable.retriever.catalog.close()
            raise
        self._give_back(lendable)

    def close(self) -> None:
        """Close the catalogs; a question that is under way ends first."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for one in idle:
            one.retriever.catalog.close()

    def _taken(self) -> _Lendable:
        with self._lock:
            if self._is_closed:
                raise UsageError("This assistant is closed.", "Open it again.")
            while self._idle:
                lendable = self._idle.pop()
                if lendable.is_current:
                    return lendable
                lendable.retriever.catalog.close()
        retriever = self._make()
        return _Lendable(retriever, _file_of(retriever))

    def _give_back(self, lendable: _Lendable) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.append(lendable)
                return
        lendable.retriever.catalog.close()


def _file_of(retriever: Retriever) -> tuple[int, int] | None:
    """What tells a catalog's file from another of the same name; None when it is gone."""
    try:
        status = (retriever.catalog.folder / CATALOG_FILE).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
