"""Files read in the process of the tests, where nothing else is asked for: another one takes longer than most tests.

That an ingest reads in processes of their own is proved in tests/ingest/test_pipeline.py and test_bad_files.py.
"""

from collections.abc import Iterable, Iterator

from fakes import tokens_of

from ingest import worker
from ingest.worker import ReadResult, Recipe, Task


def read_here(tasks: Iterable[Task], recipe: Recipe) -> Iterator[ReadResult]:
    """What ``worker.read_all`` gives."""
    worker._recipe, worker._counter = recipe, tokens_of(recipe.embedder_folder)
    yield from map(worker._read, tasks)
