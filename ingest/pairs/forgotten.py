"""When a document is forgotten, the pairs that are about it or show it go at once, and what models wrote about it."""

from collections import Counter
from collections.abc import Set
from contextlib import closing
from dataclasses import replace

from assistant.errors import PairsError
from assistant.pairs import Pair, header_file, read_header, read_pairs, write_pairs
from assistant.store.catalog import CATALOG_FILE, Catalog
from assistant.workspace import Workspace, write_lock
from ingest.pairs.replies import Replies, replies_file


def drop_forgotten(workspace: Workspace, corpus: str) -> dict[str, int]:
    """Take out of all sets made from ``corpus`` what shows documents that it no longer has: pairs dropped, by set.

    Sets of other corpora, and files without a header, are left alone; so is one that cannot be read.
    """
    folder = workspace.corpus(corpus)
    if not workspace.pairs.is_dir() or not (folder / CATALOG_FILE).exists():
        return {}
    dropped: dict[str, int] = {}
    with write_lock(workspace.pairs), closing(Catalog(folder)) as catalog:
        live = {row.path for row in catalog.files() if row.document_id is not None}
        for file in sorted(workspace.pairs.glob("*.jsonl")):
            try:
                header, pairs = read_header(file), read_pairs(file)
            except PairsError:
                continue
            if header is None or header.corpus != corpus:
                continue
            kept = [pair for pair in pairs if _is_live(pair, live)]
            if len(kept) == len(pairs):
                continue
            dropped[file.stem] = len(pairs) - len(kept)
            if any(pair.document for pair in kept):
                documents = {path: hash_ for path, hash_ in header.documents.items() if path in live}
                counts = dict(Counter[str](pair.source for pair in kept).most_common())
                write_pairs(file, kept, replace(header, documents=documents, counts=counts))
            else:
                file.unlink()
                header_file(file).unlink()
            Replies(replies_file(file)).keep_only(catalog.live_chunks())
    return dropped


def _is_live(pair: Pair, live: Set[str]) -> bool:
    return pair.documents <= live
