"""What of the pairs made before still stands: everything a person edited, and what shows only texts of today."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from assistant.artifacts.pairs import Pair, PairsHeader, Split, read_header, read_pairs
from assistant.types import Passage
from ingest.pairs.context import passage_of
from ingest.pairs.corpus import Corpus
from ingest.pairs.identity import identified, is_edited

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
    kept = [
        _shown_today(pair, live)
        for pair in known
        if pair.source in _FROM_DOCUMENTS and not pair.edited and _stands(pair, live, unchanged, corpus)
    ]
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


def _stands(pair: Pair, live: Mapping[Text, Passage], unchanged: set[str], corpus: Corpus) -> bool:
    """Whether all that a pair shows is still said and in its split, and a refusal asks for nothing that is new."""
    if not all(_text(passage) in live for passage in pair.passages):
        return False
    in_split = all(corpus.splits.get(passage.document) == pair.split for passage in pair.passages)
    is_current = pair.document not in corpus.older and (pair.golden is not None or pair.document in {"", *unchanged})
    return in_split and is_current


def _shown_today(pair: Pair, live: Mapping[Text, Passage]) -> Pair:
    """A pair whose passages are where they stand today: other text may have come in front of them."""
    return replace(pair, passages=tuple(live[_text(passage)] for passage in pair.passages))
