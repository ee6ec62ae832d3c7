"""A large corpus: what a search, a filter and a changed document cost, and eight people who search at once in memory.

    python -m bench.scale [--chunks 100000] [--workspace FOLDER] [--shared]

The corpus is synthetic: words by Zipf's law, ninety a chunk and twenty chunks a document, vectors around 4,000 centres
with strong noise. Each document lies in one of ten folders and has one of two languages. Times are CPU time.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import psutil

from assistant import config
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.pool import RetrieverPool
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import CATALOG_FILE, Catalog
from assistant.store.index import CorpusIdentity, Index
from assistant.store.lance import LanceIndex, Shared, shared_at
from assistant.store.shared import bring
from assistant.store.sql import FileRow
from assistant.types import Block, Chunk, Document, Filter, Vectors
from assistant.workspace import Workspace
from ingest.pipeline import publish

_WIDTH, _CENTRES, _VOCABULARY = 384, 4_000, 60_000
_WORDS, _CHUNKS_OF_A_DOCUMENT, _FOLDERS = 90, 20, 10
_QUESTIONS, _RETRIEVERS, _CHANGES = 60, 8, 5
_FILTERS: Mapping[str, Filter | None] = {
    "no filter": None,
    "half of all": Filter(metadata={"language": "en"}),
    "one folder": Filter(folder="3"),
    "one document": Filter(("3/13.txt",)),
}
_IDENTITY = CorpusIdentity("random", "random", "bench")


class _RandomVectors(Embedder):
    """Gives each question a vector near one of the centres, at no cost."""

    def __init__(self, settings: config.Settings) -> None:
        super().__init__(settings.embedder, settings.device)
        self._random = np.random.default_rng(2)
        self._centres = _centres()

    @cached_property
    def _own_fingerprint(self) -> str:
        return "random"

    def embed_question(self, text: str) -> Vectors:  # noqa: ARG002
        return next(_near(self._centres, self._random, 1))


def _centres() -> Vectors:
    return np.random.default_rng(1).normal(size=(_CENTRES, _WIDTH)).astype(np.float32)


def _near(centres: Vectors, random: np.random.Generator, count: int) -> Iterator[Vectors]:
    """Unit vectors around the centres."""
    raw = centres[random.integers(0, _CENTRES, count)] + 1.2 * random.normal(size=(count, _WIDTH))
    yield from (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


def _words(random: np.random.Generator, count: int) -> list[str]:
    return [f"w{rank % _VOCABULARY}x" for rank in random.zipf(1.2, count).tolist()]


def _staged(catalog: Catalog, number: int, random: np.random.Generator, centres: Vectors) -> FileRow:
    """A document of its own words, not yet live, with the file that holds it."""
    passages = [" ".join(_words(random, _WORDS)) for _ in range(_CHUNKS_OF_A_DOCUMENT)]
    cut, start = list[Chunk](), 0
    for passage in passages:
        cut.append(Chunk(start, start + len(passage), passage, "", "", "", (passage,)))
        start += len(passage) + 1
    language, key = "en" if number % 2 else "de", f"{number} {random.integers(2**40)}"
    document = Document(f"Document {number}", (Block("\n".join(passages)),), "text", language=language)
    id_ = catalog.stage(key, document, cut, list(_near(centres, random, len(cut))), "random")
    return FileRow("/docs", f"{number % _FOLDERS}/{number}.txt", 1, 1, key, id_)


def _fill(catalog: Catalog, chunks: int) -> None:
    random, centres = np.random.default_rng(3), _centres()
    with catalog.transaction():
        rows = [_staged(catalog, number, random, centres) for number in range(chunks // _CHUNKS_OF_A_DOCUMENT)]
    publish(catalog, [], rows, _IDENTITY)


def _changes(catalog: Catalog, retrievers: RetrieverPool, shared: Shared | None) -> None:
    """What it costs to publish a document that changed, and to search for the first time after it."""
    random, centres, seconds = np.random.default_rng(catalog.generation()), _centres(), []
    for _ in range(_CHANGES):
        known = catalog.files()
        number = int(random.integers(len(known)))
        (old,) = (row for row in known if row.path == f"{number % _FOLDERS}/{number}.txt")
        began = time.process_time()
        with catalog.transaction():
            new = _staged(catalog, number, random, centres)
        publish(catalog, known, [*(row for row in known if row is not old), new], _IDENTITY)
        if shared:
            bring(catalog, shared)
        published = time.process_time()
        with retrievers.lent() as retriever:
            retriever.search(" ".join(_words(random, 8)))
        seconds.append((published - began, time.process_time() - published))
    change, search = np.median(seconds, axis=0)
    click.echo(
        f"one changed document {change:.3f} s of CPU, the first search after it {search:.3f} (medians of {_CHANGES})"
    )


def _memory(retrievers: RetrieverPool) -> None:
    """Resident memory that the first of several retrievers takes, and all of them at once."""
    before, taken = psutil.Process().memory_info().rss, list[float]()
    with ExitStack() as stack:
        for number in range(_RETRIEVERS):
            stack.enter_context(retrievers.lent()).search(f"w{number + 5}x w{number + 50}x")
            taken.append((psutil.Process().memory_info().rss - before) / 2**20)
    click.echo(
        f"memory of 1 retriever {taken[0]:.0f} MiB, of {_RETRIEVERS} {taken[-1]:.0f}, {taken[-1] / taken[0]:.2f}x"
    )


def _filters(retrievers: RetrieverPool) -> None:
    unfiltered = 0.0
    for name, only in _FILTERS.items():
        random, seconds = np.random.default_rng(4), []
        for _ in range(_QUESTIONS):
            question = " ".join(_words(random, 8))
            began = time.process_time()
            with retrievers.lent(only) as retriever:
                retriever.search(question, only=only)
            seconds.append(time.process_time() - began)
        p50, p95 = np.percentile(seconds[5:], [50, 95]) * 1000
        unfiltered = unfiltered or p50
        click.echo(f"{name:14} p50 {p50:8.1f} ms, p95 {p95:8.1f} ms of CPU, {p50 / unfiltered:6.2f}x")


@click.command()
@click.option("--chunks", default=100_000, show_default=True)
@click.option("--workspace", type=click.Path(path_type=Path), help="Kept, and used again; else a temporary one.")
@click.option("--shared", "is_shared", is_flag=True, help="Search the corpus where other machines would read it.")
def main(chunks: int, workspace: Path | None, is_shared: bool) -> None:
    """Measure searches, changes and memory on a synthetic corpus."""
    settings, _ = config.load()
    with TemporaryDirectory() as scratch:
        folder = Workspace((workspace or Path(scratch)).absolute()).corpus(f"synthetic-{chunks}")
        if not (folder / CATALOG_FILE).exists():
            with closing(Catalog(folder)) as catalog:
                _fill(catalog, chunks)
        import faiss  # noqa: F401 - its own memory is not the index's

        embedder = _RandomVectors(settings)
        shared = shared_at(f"lance:{folder.parent}/shared") if is_shared else None

        def opened() -> Retriever:
            index: Index = LanceIndex(shared, folder.name) if shared else Catalog(folder)
            return Retriever(index, embedder, settings.retrieval, settings.device)

        with closing(RetrieverPool(opened)) as retrievers, closing(Catalog(folder)) as catalog:
            if shared:
                began = time.process_time()
                bring(catalog, shared)
                click.echo(f"brought in {time.process_time() - began:.1f} s of CPU")
            _memory(retrievers)
            _filters(retrievers)
            _changes(catalog, retrievers, shared)


if __name__ == "__main__":
    main()
