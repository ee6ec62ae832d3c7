"""Files read in the process of the tests: starting another one takes longer than most of these tests.

That an ingest reads in processes of their own is proved in tests/ingest/test_pipeline.py and test_bad_files.py.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from assistant.retrieval.tokens import TokenCounter
from ingest import pipeline, worker
from ingest.worker import ReadResult, Recipe, Task


def read_here(tasks: Iterable[Task], recipe: Recipe) -> Iterator[ReadResult]:
    """What ``worker.read_all`` gives."""
    worker._recipe, worker._counter = recipe, TokenCounter(recipe.embedder_folder)
    yield from map(worker._read, tasks)


@contextmanager
def reading_here() -> Iterator[None]:
    """Each ingest of this process reads here while the block runs."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipeline, "read_all", read_here)
        yield
