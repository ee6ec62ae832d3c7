"""What of the pairs made before still stands: everything a person edited, and what shows only texts of today.

When a document is forgotten, the pairs that are about it or show it go at once, and what models wrote about it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from assistant.artifacts.pairs import Pair, PairsHeader, Split, header_file, read_header, read_pairs, write_pairs
from assistant.errors import PairsError
from assistant.store.catalog import CATALOG_FILE, Catalog
from assistant.types import Passage
from assistant.workspace import Workspace, write_lock
from ingest.pairs.candidates import identified, is_edited
from ingest.pairs.corpus import Corpus, hashes_of
from ingest.pairs.evidence_lists import passage_of
from ingest.pairs.teacher import Replies, forget_rejected, replies_file

# Those of other sources are made anew each time, from their files.
_FROM_DOCUMENTS = frozenset({"structure", "generated", "refusal"})
Text = tuple[str, str]
"""(document, text) of a chunk: where in the document it stands may change."""


@dataclass(frozen=True)
class Before:
    """Pairs of an earlier run that stay."""

    kept: tuple[Pair, ...] = ()
    edited: tuple[Pair, ...] = ()
    stale: int = 0
    """Edited pairs that show a text which its document no longer has."""
    is_current: bool = False
    """Whether nothing has changed since: what then has no pairs gives none."""

    @cached_property
    def answered(self) -> set[Text]:
        """The chunks that kept pairs are about."""
        return {_text(pair.passages[pair.golden - 1]) for pair in self.kept if pair.golden is not None}


def splits_before(file: Path, recipe: Mapping[str, object], hashes: Mapping[str, str]) -> dict[str, Split]:
    """The split of each document that has pairs in ``file``, if they were made by the same recipe.

    ``hashes`` are those of the documents of today, by path.
    """
    header = read_header(file) if file.exists() else None
    if header is None or header.settings != recipe:
        return {}
    pairs = under_todays_names(read_pairs(file), header, hashes)
    return {pair.document: pair.split for pair in pairs if pair.document and not pair.edited}


def before_of(file: Path, corpus: Corpus, recipe: Mapping[str, object]) -> Before:
    """What stands of the pairs in ``file``; nothing if there is none.

    Pairs of documents that are gone are left out, also edited ones. Raises PairsError when the file is damaged.
    """
    if not file.exists():
        return Before()
    header = read_header(file)
    live = {(chunk.document, chunk.text): passage_of(chunk) for chunk in corpus.chunks}
    pairs = under_todays_names(read_pairs(file), header, corpus.hashes)
    known = [pair for pair in pairs if not pair.document or pair.document in corpus.hashes]
    edited = tuple(pair for pair in known if pair.edited)
    stale = sum(
        any(passage.document in pair.documents and _text(passage) not in live for passage in pair.passages)
        for pair in edited
    )
    if header is None or header.settings != recipe:
        return Before((), edited, stale)
    known_hashes = set(header.documents.values())
    unchanged = {path for path, hash_ in corpus.hashes.items() if hash_ in known_hashes}
    kept = []
    for pair in (pair for pair in known if pair.source in _FROM_DOCUMENTS and not pair.edited):
        # All that it shows is still said and in its split, and a refusal asks for nothing that is new.
        is_said = all(_text(passage) in live for passage in pair.passages)
        is_current = pair.golden is not None or pair.document in {"", *unchanged}
        in_split = all(corpus.splits.get(passage.document) == pair.split for passage in pair.passages)
        if is_said and in_split and is_current and pair.document not in corpus.older:
            # Other text may have come in front of its passages.
            kept.append(replace(pair, passages=tuple(live[_text(passage)] for passage in pair.passages)))
    return Before(tuple(kept), edited, stale, header.state == corpus.state)


def under_todays_names(pairs: Iterable[Pair], header: PairsHeader | None, hashes: Mapping[str, str]) -> Iterator[Pair]:
    """The pairs, with documents that were renamed under their names of today; edited ones are marked so.

    A document is known by its content; of two with the same, the first by name is taken.
    """
    documents = header.documents if header else {}
    names = {hash_: path for path, hash_ in sorted(hashes.items(), reverse=True) if path not in documents}
    renamed = {path: names[hash_] for path, hash_ in documents.items() if path not in hashes and hash_ in names}
    for pair in pairs:
        passages = tuple(replace(one, document=renamed.get(one.document, one.document)) for one in pair.passages)
        today = replace(pair, document=renamed.get(pair.document, pair.document), passages=passages)
        yield replace(today, edited=True) if is_edited(pair) else identified(today)


def _text(passage: Passage) -> Text:
    return passage.document, passage.text


def drop_forgotten(workspace: Workspace, corpus: str) -> dict[str, int]:
    """Take out of all sets made from ``corpus`` what shows documents that it no longer has: pairs dropped, by set.

    A corpus that was deleted has none. A document under another name is still there, and its pairs get that name. Sets
    of other corpora, and files without a header, are left alone; so is one that cannot be read. Raises WorkspaceBusy
    while pairs are being made.
    """
    folder = workspace.corpus(corpus)
    if not workspace.pairs.is_dir():
        return {}
    dropped: dict[str, int] = {}
    with ExitStack() as stack:
        if not (folder / CATALOG_FILE).exists():
            folder = Path(stack.enter_context(TemporaryDirectory()))
        catalog = stack.enter_context(closing(Catalog(folder)))
        hashes = hashes_of(catalog)
        if not any(_sets_with_others(workspace, corpus, hashes)):
            return {}
        with write_lock(workspace.pairs):
            for file, header in _sets_with_others(workspace, corpus, hashes):
                with suppress(PairsError):
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
                    dropped[file.stem] = len(pairs) - len(kept)
                Replies(replies_file(file)).keep_only(catalog.live_chunks())
                forget_rejected(file, catalog.live_chunks())
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
