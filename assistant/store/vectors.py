"""The dense index: FAISS over the unit vectors of live chunks, one or more a chunk.

Exact while that is fast. Past ``EXACT_LIMIT`` vectors an inverted file with 8-bit codes takes over: about a
quarter of the memory, and searching one cell in eight keeps the recall above .95 of exact on unit vectors.

A file holds what was live at one generation, the *base*. What came and went since stands in the catalog, is searched
besides and left out; when it has grown, the next publishing writes another base, with the same cells until the corpus
has doubled. So a changed document costs no more in a large corpus than in a small one. The file is derived: a missing
or damaged one is built again from the catalog.
"""

import contextlib
import hashlib
import json
import math
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from assistant.errors import WorkspaceError
from assistant.store.sql import Counts
from assistant.types import Vectors
from assistant.workspace import replaced_atomically

if TYPE_CHECKING:
    import faiss

# With 384 dimensions 307 MB, all of which an exact search reads.
EXACT_LIMIT = 200_000
# FAISS asks for 39 to place a cell well.
_TRAINING_ROWS_A_CELL = 40
_SEARCHED_PART = 8  # of the cells one in so many: see above
# Of windows beside a base, and of chunks gone from it: a search reads 20,000 in 3 ms. In small corpora one in ten.
_MOST_CHANGED, _CHANGED_PART = 20_000, 10
_MOST_BITS = 1 << 26  # 64 MB while they are set
_CHECKSUM_BYTES = 16  # against damage, not against people
_READ_BYTES = 1 << 22  # held in memory at once

Ids = npt.NDArray[np.int64]
Hits = list[tuple[int, float]]
"""Chunk ids with cosines, the greatest first."""


class Windows(Protocol):
    """The live windows of a catalog, and what it keeps of an index over them: see ``Catalog``."""

    folder: Path
    file: tuple[int, int]

    def meta(self, key: str) -> str | None: ...
    def set_meta(self, key: str, value: str) -> None: ...
    def counts(self) -> Counts: ...
    def dimension(self) -> int: ...
    def window_count(self, after: int) -> int: ...
    def live_vectors(self, after: int = 0, up_to: int | None = None) -> Iterator[tuple[Ids, Vectors]]: ...
    def removed_chunks(self) -> Ids: ...
    def forget_removed(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Base:
    """What a file was written from."""

    generation: int
    embedder: str
    """Fingerprint."""
    windows: int
    last_chunk: int
    """Those with greater ids came since."""
    trained: int
    """How many windows there were when its cells were placed."""


def base_of(catalog: Windows) -> Base:
    """What the file of the live generation was written from."""
    return Base(**json.loads(catalog.meta("base") or ""))


class VectorIndex:
    """Chunk ids and cosine similarities for a question's vector."""

    def __init__(self, base: "faiss.Index", removed: Ids, added: "faiss.Index", chunks: int) -> None:
        """``base`` and ``added`` have the vectors of windows, each under the id of its chunk; of ``base`` those of
        ``removed`` chunks do not count. ``chunks`` are left in both.
        """
        import faiss

        self.base = base
        self._removed = faiss.IDSelectorBatch(removed) if len(removed) else None
        self._left = faiss.IDSelectorNot(self._removed) if self._removed else None
        self._added = added
        self._chunks = chunks

    def __len__(self) -> int:
        return self._chunks

    def search(self, vector: Vectors, k: int, among: Ids | None = None) -> Hits:
        """The ``k`` nearest chunks (id, cosine of their nearest window), best first; only ``among`` ids, if given."""
        if not len(self):
            return []
        total = self.base.ntotal + self._added.ntotal
        # Enough windows for that many chunks, were all of them of average length.
        windows = min(total, -(-k * total // len(self)))
        selector = None if among is None else _selecting(among)
        hits = _nearest(self._added, vector, windows, selector, everywhere=True)
        # What may be found is live, so that nothing has to be left out besides.
        hits += _nearest(self.base, vector, windows, selector or self._left, everywhere=among is not None)
        best: dict[int, float] = {}
        for chunk, score in sorted(hits, key=lambda hit: -hit[1]):
            best.setdefault(chunk, score)
        return list(best.items())[:k]


def _selecting(ids: Ids) -> Any:
    """A selector of ids: by a bit each where they are near, with which a search takes a third of the time."""
    import faiss

    if ids.max(initial=0) >= _MOST_BITS:
        return faiss.IDSelectorBatch(ids)
    is_among = np.zeros(int(ids.max(initial=0)) + 1, np.bool_)
    is_among[ids[ids >= 0]] = True
    bitmap: Any = faiss.IDSelectorBitmap
    return bitmap(np.packbits(is_among, bitorder="little"))


def _nearest(index: "faiss.Index", vector: Vectors, windows: int, selector: Any, *, everywhere: bool) -> Hits:
    """The nearest windows; ``everywhere`` in all cells, since few that are selected may lie in any of them."""
    import faiss

    inner: Any = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap) else index
    is_exact = isinstance(inner, faiss.IndexFlat)
    parameters: Any = faiss.SearchParameters() if is_exact else faiss.SearchParametersIVF()
    if not is_exact:
        parameters.nprobe = inner.nlist if everywhere else max(1, inner.nlist // _SEARCHED_PART)
    if selector is not None:
        parameters.sel = selector
    scores, ids = index.search(vector.reshape(1, -1), max(1, min(windows, index.ntotal)), params=parameters)
    return [(chunk, score) for chunk, score in zip(ids[0].tolist(), scores[0].tolist(), strict=True) if chunk >= 0]


def vectors_file(folder: Path, generation: int) -> Path:
    """Where the base of one generation lies."""
    return folder / f"vectors-{generation}.faiss"


# What is searched now, by catalog file and generation; bases by that of theirs. Searches of one index may run at the
# same time.
_opened: WeakValueDictionary[tuple[tuple[int, int], int], VectorIndex] = WeakValueDictionary()
_bases: "WeakValueDictionary[tuple[tuple[int, int], int], faiss.Index]" = WeakValueDictionary()
_opening: dict[Path, threading.Lock] = {}


def open_index(catalog: Windows, generation: int) -> VectorIndex:
    """The dense index of a generation: one in this process, for all who search it; generations share their base.

    The base is built again if its file is missing or damaged. Call inside a snapshot of that generation.
    """
    key = (catalog.file, generation)
    with _opening.setdefault(catalog.folder, threading.Lock()):
        opened = _opened.get(key)
        if opened is None:
            written, counts = base_of(catalog), catalog.counts()
            added = _exact(catalog, written.last_chunk)
            base = _bases.get((catalog.file, written.generation))
            base = base or _read(vectors_file(catalog.folder, written.generation))
            # Chunks that are gone may be missing: a file that was built again never had them.
            if base is None or not counts.windows - added.ntotal <= base.ntotal <= written.windows:
                base = build_index(catalog, written.last_chunk)
                # A workspace that cannot be written can be searched all the same.
                with contextlib.suppress(WorkspaceError):
                    write_index(catalog.folder, written.generation, base)
            _bases[catalog.file, written.generation] = base
            opened = _opened[key] = VectorIndex(base, catalog.removed_chunks(), added, counts.chunks)
        return opened


def build_index(catalog: Windows, last_chunk: int | None = None) -> "faiss.Index":
    """A FAISS index over all live windows, streamed from the catalog so that vectors are held once.

    Only of chunks up to ``last_chunk``, if given.
    """
    import faiss

    count = catalog.counts().windows - (0 if last_chunk is None else catalog.window_count(last_chunk))
    if count <= EXACT_LIMIT:
        return _exact(catalog, up_to=last_chunk)
    cells = int(4 * math.sqrt(count))
    index = faiss.index_factory(catalog.dimension(), f"IVF{cells},SQ8", faiss.METRIC_INNER_PRODUCT)
    step = max(1, count // (cells * _TRAINING_ROWS_A_CELL))  # spread evenly
    index.train(np.concatenate([vectors[::step] for _, vectors in catalog.live_vectors(up_to=last_chunk)]))
    for ids, vectors in catalog.live_vectors(up_to=last_chunk):
        index.add_with_ids(vectors, ids)
    return index


def _exact(catalog: Windows, after: int = 0, up_to: int | None = None) -> "faiss.Index":
    import faiss

    index = faiss.IndexIDMap(faiss.IndexFlatIP(max(1, catalog.dimension())))
    for ids, vectors in catalog.live_vectors(after, up_to):
        index.add_with_ids(vectors, ids)
    return index


def write_changed(catalog: Windows, generation: int, embedder: str) -> None:
    """Write another base if so much has changed that it should not be searched beside the last one.

    Call inside the transaction that publishes the generation, with the fingerprint of its embedder. Raises
    WorkspaceError when the disk is full or closed to us.
    """
    counts, base = catalog.counts(), base_of(catalog)
    removed = catalog.removed_chunks()
    added = catalog.window_count(base.last_chunk)
    allowed = min(_MOST_CHANGED, base.windows // _CHANGED_PART)
    if base.embedder == embedder and max(added, len(removed)) <= allowed:
        return
    index, trained = None, base.trained
    if base.embedder == embedder and EXACT_LIMIT < counts.windows <= 2 * trained:
        index = _merged(catalog, base, removed)
    if index is None:
        index, trained = build_index(catalog), counts.windows
    write_index(catalog.folder, generation, index)
    written = Base(generation, embedder, counts.windows, counts.last_chunk, trained)
    catalog.set_meta("base", json.dumps(asdict(written)))
    catalog.forget_removed()


def _merged(catalog: Windows, base: Base, removed: Ids) -> "faiss.Index | None":
    """A base with what came and without what went since, in the same cells; None for one that has none of its own."""
    import faiss

    index = _read(vectors_file(catalog.folder, base.generation))
    if not isinstance(index, faiss.IndexIVF):
        return None
    if len(removed):
        index.remove_ids(faiss.IDSelectorBatch(removed))
    for ids, vectors in catalog.live_vectors(base.last_chunk):
        index.add_with_ids(vectors, ids)
    return index if index.ntotal == catalog.counts().windows else None


def write_index(folder: Path, generation: int, index: "faiss.Index") -> None:
    """Write the file of a base, closed by a checksum.

    Raises WorkspaceError when the disk is full or closed to us.
    """
    import faiss

    try:
        with replaced_atomically(vectors_file(folder, generation)) as beside:
            faiss.write_index(index, str(beside))
            checksum = _checksum(beside, beside.stat().st_size)
            with beside.open("ab") as stream:
                stream.write(checksum)
    except (OSError, RuntimeError) as error:
        raise WorkspaceError(f"Cannot write the dense index in {folder}: {error}.", "Free disk space.") from None


def remove_other_bases(catalog: Windows) -> None:
    """Delete the files of other bases, and what killed processes left half written."""
    keep = vectors_file(catalog.folder, base_of(catalog).generation)
    for file in (*catalog.folder.glob("vectors-*.faiss"), *catalog.folder.glob(".vectors-*.tmp")):
        if file != keep:
            file.unlink(missing_ok=True)


def _read(file: Path) -> "faiss.Index | None":
    """The index in ``file``; None if it is missing or not what was written."""
    import faiss

    try:
        length = file.stat().st_size - _CHECKSUM_BYTES
        with file.open("rb") as stream:
            stream.seek(max(0, length))
            stored = stream.read()
        if length <= 0 or stored != _checksum(file, length):
            return None
        index = faiss.read_index(str(file))
    except (OSError, RuntimeError):
        return None
    return index


def _checksum(file: Path, length: int) -> bytes:
    checksum = hashlib.blake2b(digest_size=_CHECKSUM_BYTES)
    with file.open("rb") as stream:
        while length > 0 and (portion := stream.read(min(length, _READ_BYTES))):
            checksum.update(portion)
            length -= len(portion)
    return checksum.digest()
