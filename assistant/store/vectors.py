"""The dense index: FAISS over the unit vectors of live chunks, one or more a chunk, one file a generation.

Exact while that is fast. Past ``EXACT_LIMIT`` vectors an inverted file with 8-bit codes takes over: about a
quarter of the memory, and searching one cell in eight keeps the recall above .95 of exact on unit vectors.
The file is derived: a missing or damaged one is built again from the catalog.
"""

import contextlib
import hashlib
import math
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from assistant.errors import WorkspaceError
from assistant.store.catalog import Catalog
from assistant.types import Vectors
from assistant.workspace import replaced_atomically

if TYPE_CHECKING:
    import faiss

# With 384 dimensions 307 MB, all of which an exact search reads.
EXACT_LIMIT = 200_000
# FAISS asks for 39 to place a cell well.
_TRAINING_ROWS_A_CELL = 40
_SEARCHED_PART = 8  # of the cells one in so many: see above
_CHECKSUM_BYTES = 16  # against damage, not against people
_READ_BYTES = 1 << 22  # held in memory at once

Ids = npt.NDArray[np.int64]


class VectorIndex:
    """Chunk ids and cosine similarities for a question's vector."""

    def __init__(self, index: "faiss.IndexIDMap", chunks: int) -> None:
        """``index`` has the vectors of all windows, each under the id of its chunk; ``chunks`` is their number."""
        self._index = index
        self._chunks = chunks

    def __len__(self) -> int:
        return self._chunks

    def search(self, vector: Vectors, k: int, among: Ids | None = None) -> list[tuple[int, float]]:
        """The ``k`` nearest chunks (id, cosine of their nearest window), best first; only ``among`` ids, if given."""
        import faiss

        if not len(self):
            return []
        inner: Any = faiss.downcast_index(self._index.index)
        is_exact = isinstance(inner, faiss.IndexFlat)
        parameters: Any = faiss.SearchParameters() if is_exact else faiss.SearchParametersIVF()
        if not is_exact:  # few ids may lie in any of the cells
            parameters.nprobe = inner.nlist if among is not None else max(1, inner.nlist // _SEARCHED_PART)
        if among is not None:
            selector = faiss.IDSelectorBatch(among)
            parameters.sel = selector
        # Enough windows for that many chunks, were all of them of average length.
        windows = min(self._index.ntotal, -(-k * self._index.ntotal // len(self)))
        scores, ids = self._index.search(vector.reshape(1, -1), windows, params=parameters)
        best: dict[int, float] = {}
        for chunk, score in zip(ids[0].tolist(), scores[0].tolist(), strict=True):
            if chunk >= 0:
                best.setdefault(chunk, score)
        return list(best.items())[:k]


def vectors_file(folder: Path, generation: int) -> Path:
    """Where the dense index of one generation lies."""
    return folder / f"vectors-{generation}.faiss"


# What is searched now, by catalog file and generation. Searches of one index may run at the same time.
_opened: WeakValueDictionary[tuple[tuple[int, int], int], VectorIndex] = WeakValueDictionary()
_opening: dict[Path, threading.Lock] = {}


def open_index(catalog: Catalog, generation: int) -> VectorIndex:
    """The dense index of a generation: one in this process, for all who search it.

    It is built again if its file is missing or damaged. Call inside a snapshot of that generation.
    """
    key = (catalog.file, generation)
    with _opening.setdefault(catalog.folder, threading.Lock()):
        opened = _opened.get(key)
        if opened is None:
            index = _read(vectors_file(catalog.folder, generation))
            if index is None or index.ntotal != catalog.window_count():
                index = build_index(catalog)
                # A workspace that cannot be written can be searched all the same.
                with contextlib.suppress(WorkspaceError):
                    write_index(catalog.folder, generation, index)
            opened = _opened[key] = VectorIndex(index, catalog.chunk_count())
        return opened


def build_index(catalog: Catalog) -> "faiss.IndexIDMap":
    """A FAISS index over all live windows, streamed from the catalog so that vectors are held once."""
    import faiss

    count, dimension = catalog.window_count(), max(1, catalog.dimension())
    if count <= EXACT_LIMIT:
        index = faiss.IndexIDMap(faiss.IndexFlatIP(dimension))
    else:
        cells = int(4 * math.sqrt(count))
        inner = faiss.index_factory(dimension, f"IVF{cells},SQ8", faiss.METRIC_INNER_PRODUCT)
        step = max(1, count // (cells * _TRAINING_ROWS_A_CELL))  # spread evenly
        inner.train(np.concatenate([vectors[::step] for _, vectors in catalog.live_vectors()]))
        index = faiss.IndexIDMap(inner)
    for ids, vectors in catalog.live_vectors():
        index.add_with_ids(vectors, ids)
    return index


def write_index(folder: Path, generation: int, index: "faiss.IndexIDMap") -> None:
    """Write the file of a generation, closed by a checksum.

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


def remove_other_generations(folder: Path, generation: int) -> None:
    """Delete the files of other generations, and what killed processes left half written."""
    keep = vectors_file(folder, generation)
    for file in (*folder.glob("vectors-*.faiss"), *folder.glob(".vectors-*.tmp")):
        if file != keep:
            file.unlink(missing_ok=True)


def _read(file: Path) -> "faiss.IndexIDMap | None":
    """The index in ``file``; None if it is missing or not what was written."""
    import faiss

    try:
        length = file.stat().st_size - _CHECKSUM_BYTES
        with file.open("rb") as stream:
            stream.seek(max(0, length))
            stored = stream.read()
        if length <= 0 or stored != _checksum(file, length):
            return None
        index: faiss.IndexIDMap = faiss.read_index(str(file))  # type: ignore[assignment]
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
