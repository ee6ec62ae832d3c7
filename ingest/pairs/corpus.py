"""The documents of a corpus in train, validation and test.

Two documents belong together when one holds half of the other's word sequences, as two editions do. Groups are dealt
out in an order that depends on seed and paths alone; documents that already have a split keep it.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import combinations

from assistant.artifacts.pairs import Split
from assistant.config import PairsSettings
from assistant.errors import UsageError
from assistant.store.catalog import Catalog
from assistant.store.index import StoredChunk
from ingest.pairs.candidates import number_of, share_of

_SHINGLE_WORDS = 5  # shorter sequences are phrases of everybody, longer ones break at each edited word
# One in so many shingles is compared: which, depends on its words alone, so that it is the same in all documents.
_SAMPLED = 4
_SAME_DOCUMENT = 0.5  # of the smaller one's shingles: what is rewritten further is another text; not measured
# Shingles that more documents than this share are boilerplate.
_BOILERPLATE = 20
_FEWEST_FOR_VALIDATION, _FEWEST_FOR_TEST = 3, 5  # families; of fewer, a split would take most
# A family that would make a split so much larger than wanted stays in training.
_TOO_LARGE = 1.5


@dataclass(frozen=True)
class Corpus:
    """One state of one corpus."""

    name: str
    generation: int
    chunks: tuple[StoredChunk, ...]
    hashes: Mapping[str, str]
    """Content hash of every document, by path."""
    splits: Mapping[str, Split]
    older: frozenset[str]
    """Documents that a newer edition takes the place of."""
    languages: tuple[str, ...]

    @cached_property
    def state(self) -> str:
        """16 hex digits that change with any text."""
        digest = hashlib.sha256()
        for chunk in self.chunks:
            digest.update(f"{chunk.document}\0{chunk.context}\0{chunk.text}\0".encode())
        return digest.hexdigest()[:16]

    def paths(self, split: Split) -> list[str]:
        """The documents of one split."""
        return [path for path, own in self.splits.items() if own == split]


def hashes_of(catalog: Catalog) -> dict[str, str]:
    """Content hash of every document that is live in a catalog, by path."""
    return {row.path: row.hash for row in catalog.files() if row.document_id is not None}


def read_corpus(catalog: Catalog, settings: PairsSettings, before: Mapping[str, Split]) -> Corpus:
    """What is live in a catalog; documents in ``before`` keep their split.

    Raises UsageError for a pattern that holds nothing out: then training would see what it is tested on.
    """
    with catalog.snapshot():
        chunks = tuple(catalog.live_chunks())
        related = families(chunks)
        for pattern in settings.hold_out:
            if not any(fnmatchcase(path, pattern) for family in related for path in family.documents):
                raise UsageError(
                    f"No document of '{catalog.name}' fits --hold-out {pattern!r}.", "See: assistant documents"
                )
        return Corpus(
            name=catalog.name,
            generation=catalog.generation(),
            chunks=chunks,
            hashes=hashes_of(catalog),
            splits=deal(related, settings.seed, settings.validation, settings.test, settings.hold_out, before),
            older=superseded(related, {chunk.document: chunk.date for chunk in chunks}),
            languages=tuple(catalog.languages()),
        )


@dataclass(frozen=True, slots=True)
class Family:
    """Documents that are versions of each other, and how many chunks they have together."""

    documents: tuple[str, ...]
    size: int


def families(chunks: Iterable[StoredChunk]) -> list[Family]:
    """All documents, those that are nearly equal in one family."""
    sketches: dict[str, set[int]] = defaultdict(set)
    sizes: dict[str, int] = defaultdict(int)
    for chunk in chunks:
        sizes[chunk.document] += 1
        sketches[chunk.document] |= sketch(chunk.text)
    holders: dict[int, list[str]] = defaultdict(list)
    for path, numbers in sketches.items():
        for number in numbers:
            holders[number].append(path)
    shared: Counter[tuple[str, str]] = Counter()
    for paths in holders.values():
        if len(paths) <= _BOILERPLATE:
            shared.update(combinations(sorted(paths), 2))
    groups = {path: {path} for path in sizes}
    for (one, other), count in shared.items():
        if count >= _SAME_DOCUMENT * min(len(sketches[one]), len(sketches[other])):
            merged = groups[one] | groups[other]
            groups.update(dict.fromkeys(merged, merged))
    distinct = {tuple(sorted(group)) for group in groups.values()}
    return [Family(paths, sum(sizes[path] for path in paths)) for paths in sorted(distinct)]


def sketch(text: str) -> set[int]:
    """A sample of the word sequences of a text, as numbers."""
    words = re.findall(r"\w+", text.casefold())
    shingles = {" ".join(words[at : at + _SHINGLE_WORDS]) for at in range(len(words) - _SHINGLE_WORDS + 1)}
    return {number for number in map(number_of, shingles) if number % _SAMPLED == 0}


def deal(
    some: Sequence[Family],
    seed: int,
    validation: float,
    test: float,
    hold_out: Collection[str],
    before: Mapping[str, Split],
) -> dict[str, Split]:
    """The split of every document. ``validation`` and ``test`` are shares of all chunks.

    Documents that fit a pattern of ``hold_out`` are the test split, with all of their family and nothing else.
    Families with a document in ``before`` keep its split.
    """
    out: dict[str, Split] = {}
    free: list[Family] = []
    for family in some:
        known = next((before[path] for path in family.documents if path in before), None)
        if any(fnmatchcase(path, pattern) for path in family.documents for pattern in hold_out):
            out.update(dict.fromkeys(family.documents, "test"))
        elif known is not None and not (hold_out and known == "test"):
            out.update(dict.fromkeys(family.documents, known))
        else:
            free.append(family)
    total = sum(family.size for family in some)
    order = sorted(free, key=lambda family: share_of(seed, min(family.documents)))
    wanted: list[tuple[Split, float]] = []
    if len(some) >= _FEWEST_FOR_VALIDATION:
        wanted.append(("validation", validation * total))
    if len(some) >= _FEWEST_FOR_TEST and not hold_out:
        wanted.append(("test", test * total))
    sizes = {path: family.size for family in some for path in family.documents[:1]}
    for name, size in wanted:
        has = sum(size for path, size in sizes.items() if out.get(path) == name)
        for family in _filling(order, size - has, must=not has):
            out.update(dict.fromkeys(family.documents, name))
            order.remove(family)
    for family in order:
        out.update(dict.fromkeys(family.documents, "train"))
    return out


def _filling(order: Sequence[Family], size: float, must: bool) -> list[Family]:
    """The first families that together reach ``size`` and not much more; at least the smallest if ``must``."""
    if size <= 0:
        return []
    chosen: list[Family] = []
    filled = 0
    for family in order:
        if filled < size and filled + family.size <= _TOO_LARGE * size:
            chosen.append(family)
            filled += family.size
    if not chosen and must and order:
        chosen = [min(order, key=lambda family: family.size)]
    return chosen


def superseded(some: Sequence[Family], dates: Mapping[str, str]) -> frozenset[str]:
    """Documents of a family that a newer edition takes the place of: of the same name but for its numbers."""
    older: set[str] = set()
    for family in some:
        editions: dict[str, dict[str, str]] = defaultdict(dict)
        for path in family.documents:
            year = max(re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", path), default="")
            editions[re.sub(r"\d+", "", path)][path] = dates.get(path) or year
        for ages in editions.values():
            newest = max(ages.values())
            older |= {path for path, age in ages.items() if age and age < newest}
    return frozenset(older)
