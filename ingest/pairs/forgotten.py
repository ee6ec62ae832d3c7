"""When a document is forgotten, the pairs that are about it or show it go at once, and what models wrote about it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

from assistant.artifacts.pairs import PairsHeader, header_file, read_header, read_pairs, write_pairs
from assistant.errors import PairsError
from assistant.store.catalog import CATALOG_FILE, Catalog
from assistant.workspace import Workspace, write_lock
from ingest.pairs import rejected
from ingest.pairs.corpus import hashes_of
from ingest.pairs.earlier import under_todays_names
from ingest.pairs.replies import Replies, replies_file


def drop_forgotten(workspace: Workspace, corpus: str) -> dict[str, int]:
    """Take out of all sets made from ``corpus`` what shows documents that it no longer has: pairs dropped, by set.

    A document under another name is still there, and its pairs get that name. Sets of other corpora, and files
    without a header, are left alone; so is one that cannot be read. Raises WorkspaceBusy while pairs are being made.
    """
    folder = workspace.corpus(corpus)
    if not workspace.pairs.is_dir() or not (folder / CATALOG_FILE).exists():
        return {}
    dropped: dict[str, int] = {}
    with closing(Catalog(folder)) as catalog:
        hashes = hashes_of(catalog)
        if not any(_sets_with_others(workspace, corpus, hashes)):
            return {}
        with write_lock(workspace.pairs):
            for file, header in _sets_with_others(workspace, corpus, hashes):
                with suppress(PairsError):
                    dropped[file.stem] = _drop(file, header, hashes)
                Replies(replies_file(file)).keep_only(catalog.live_chunks())
                rejected.keep_only(file, catalog.live_chunks())
    return {name: count for name, count in dropped.items() if count}


def _sets_with_others(
    workspace: Workspace, corpus: str, hashes: Mapping[str, str]
) -> Iterator[tuple[Path, PairsHeader]]:
    """The sets of a corpus that show documents of other names than are there."""
    for file in sorted(workspace.pairs.glob("*.jsonl")):
        with suppress(PairsError):
            header = read_header(file)
            if header and header.corpus == corpus and not header.documents.keys() <= hashes.keys():
                yield file, header


def _drop(file: Path, header: PairsHeader, hashes: Mapping[str, str]) -> int:
    """How many pairs went. Raises PairsError for a file that cannot be read."""
    pairs = list(under_todays_names(read_pairs(file), header, hashes))
    kept = [pair for pair in pairs if pair.documents <= hashes.keys()]
    if any(pair.document for pair in kept):
        shown = frozenset[str]().union(*(pair.documents for pair in kept))
        documents = {path: header.documents.get(path, hashes[path]) for path in sorted(shown)}
        counts = dict(Counter[str](pair.source for pair in kept).most_common())
        write_pairs(file, kept, replace(header, documents=documents, counts=counts))
    else:
        file.unlink()
        header_file(file).unlink()
    return len(pairs) - len(kept)
