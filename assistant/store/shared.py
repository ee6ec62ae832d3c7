"""Catalogs brought to a shared store, as the difference to what is there; and taken back from it.

    catalog ──▶ rows of documents that came, none of those that went ──▶ their indexes ──▶ one row says what is live

Only the last step changes what readers see. A run that was killed before it has left versions that nobody reads: the
next one goes on from those that are live. What was brought, and what is taken back, is held against its source: counts
and SHA-256 of the contents of both sides.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assistant.errors import UsageError
from assistant.store import vectors
from assistant.store.blocks import block_rows
from assistant.store.catalog import CALIBRATION_FILE, Catalog
from assistant.store.index import Held, held
from assistant.store.lance import TABLES, Live, Shared
from assistant.store.lexical import LexicalIndex
from assistant.store.sql import FileRow, marks_for, metadatum, portions, quoted
from assistant.text.words import terms

if TYPE_CHECKING:
    import pyarrow as pa

_DOCUMENTS_AT_ONCE = 64
# Fewer vectors than that are compared in less time than an index takes (docs/log.md).
_INDEXED_FROM = 10_000
# Rows that came since an index was made lie in parts of their own, which become one when they are so many; when they
# are a part of all rows, it is made anew.
_MOST_PARTS, _MADE_ANEW_PART = 4, 0.5
_MOST_FRAGMENTS = 64
# A reader that began with a version has ended by then.
_KEPT = timedelta(hours=1)


def bring(catalog: Catalog, shared: Shared) -> bool:
    """Make a shared store say what a catalog says; whether anything was different. Call under its write lock.

    Raises WorkspaceError when the place cannot be written.
    """
    identity = catalog.identity()
    if identity is None:
        return False
    live = shared.live().get(catalog.name)
    if live is None:
        remove(shared, catalog.name)  # what a deletion that was killed has left
    content = catalog.calibration()
    calibration = None if content is None else content.decode()
    with shared.told(), catalog.snapshot():
        if live and live.identity.fingerprint != identity.fingerprint:
            live = None
        tables = {one: _at(shared, catalog.name, one, live) for one in TABLES} if live else {}
        marks = _marks(catalog)
        there = _pairs(tables["documents"], "id", "mark") if tables else {}
        came = [id_ for id_, mark in marks.items() if there.get(id_) != mark]
        went = [id_ for id_, mark in there.items() if marks.get(id_) != mark]
        state = (catalog.generation(), identity, calibration)
        is_same = live is not None and state == (live.generation, live.identity, live.calibration)
        if is_same and not came and not went and _files_there(tables["files"]) == set(catalog.files()):
            return False
        if not tables or 2 * len(went) > len(there):
            tables = _written_anew(catalog, shared, marks)
        else:
            _changed(catalog, tables, marks, came, went)
        cells = _indexed(tables["chunks"], rows := tables["chunks"].count_rows())
        _keep_index(tables["frequencies"], "term", "BTREE")
        _keep_index(tables["documents"], "id", "BTREE")
        versions = {name: table.version for name, table in tables.items()}
        total = LexicalIndex(catalog.connection).terms
        now = Live(catalog.generation(), identity, catalog.counts(), rows, total, cells, versions, calibration)
        _make_live(shared, catalog.name, now)
        for table in tables.values():
            table.cleanup_old_versions(older_than=_KEPT)
    return True


def _at(shared: Shared, corpus: str, name: str, live: Live) -> Any:
    """A table as it is live, whatever a run that was killed has made of it since."""
    table = shared.table(corpus, name)
    if table.version == live.versions[name]:
        return table
    shared.table(corpus, name, version=live.versions[name]).restore()
    return shared.table(corpus, name)


def remove(shared: Shared, corpus: str) -> bool:
    """Have readers find a corpus no more, then delete it; whether there was one, or what a killed run left of it.

    Raises WorkspaceError when the place cannot be written.
    """
    with shared.told():
        table = shared.table("corpora")
        if table is None or not table.count_rows(f"name = {quoted(corpus)}"):
            return False
        _make_live(shared, corpus, None)
        shared.drop(corpus)
        shared.table("corpora").delete(f"name = {quoted(corpus)}")
    return True


def _make_live(shared: Shared, corpus: str, live: Live | None) -> None:
    """None: nothing is, and what is left of it is to be deleted."""
    import lance
    import pyarrow as pa

    row = pa.table({"name": [corpus], "live": [live.to_json() if live else ""]})
    table = shared.table("corpora")
    if table is None:
        lance.write_dataset(row.slice(0, 0), shared.place("corpora"))
        table = shared.table("corpora")
    table.merge_insert("name").when_matched_update_all().when_not_matched_insert_all().execute(row)
    table.cleanup_old_versions(older_than=_KEPT)


def _marks(catalog: Catalog) -> dict[int, str]:
    """Of each live document what changes with its rows: what it was made of, its chunks, and its files."""
    rows = catalog.connection.execute(
        "SELECT documents.id, key, (SELECT min(id) FROM chunks WHERE document_id = documents.id),"
        " json_group_array(json_array(root, path)) FROM (SELECT * FROM files ORDER BY root, path)"
        " JOIN documents ON documents.id = document_id GROUP BY documents.id"
    )
    return {id_: hashlib.sha256(repr(rest).encode()).hexdigest()[:16] for id_, *rest in rows}


def _files_there(table: Any) -> set[FileRow]:
    columns = _KINDS["files"]
    found: pa.Table = table.to_table(columns=list(columns))
    return {FileRow(*row) for row in zip(*(found[column].to_pylist() for column in columns), strict=True)}


def _pairs(table: Any, key: str, value: str) -> dict[Any, Any]:
    found: pa.Table = table.to_table(columns=[key, value])
    return dict(zip(found[key].to_pylist(), found[value].to_pylist(), strict=True))


# Rows


def schema_of(name: str, dimension: int = 0) -> "pa.Schema":
    """The columns of a table; vectors have so many numbers."""
    import pyarrow as pa

    whole, text = pa.int64(), pa.string()
    known = {"title": text, "format": text, "language": text, "date": text}
    filtered = {"path": text, "root": text, **known, "metadata": pa.list_(text)}
    columns = {
        "chunks": {
            "id": whole, "window": pa.int32(), "document": whole, **filtered, "start": whole, "end": whole,
            "heading": text, "place": text, "context": text, "text": text, "blocks": text, "page_starts": text,
            "terms": text, "context_terms": pa.int32(), "digest": pa.binary(),
            "vector": pa.list_(pa.float16(), max(1, dimension)),
        },
        "documents": {
            "id": whole, "mark": text, "key": text, **known, "pages": whole, "page_starts": text, "metadata": text,
            "warnings": text, "characters": whole, "chunks": whole, "blocks": text, "text": text,
        },
        "files": {
            **filtered, "size": whole, "modified_ns": whole, "hash": text, "document": whole, "failure": text,
        },
        "frequencies": {"term": text, "chunks": whole},
    }  # fmt: skip
    return pa.schema(columns[name].items())


def _batches(rows: Iterable[Mapping[str, Any]], schema: "pa.Schema", most: int) -> "pa.RecordBatchReader":
    import pyarrow as pa

    def batches() -> "Iterator[pa.RecordBatch]":
        remaining = iter(rows)
        while some := list(islice(remaining, most)):
            yield pa.RecordBatch.from_pylist(some, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _documents(catalog: Catalog, ids: Iterable[int], marks: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    columns = ("key", "title", "format", "language", "date", "pages", "page_starts", "metadata", "warnings",
               "characters", "chunks", "text")  # fmt: skip
    for id_ in ids:
        row = catalog.connection.execute(f"SELECT {', '.join(columns)} FROM documents WHERE id = ?", (id_,)).fetchone()
        known = dict(zip(columns, row, strict=True))
        blocks = _json(block_rows(catalog.connection, id_, 0, max(1, known["characters"])))
        yield {"id": id_, "mark": marks[id_], **known, "blocks": blocks}


def _filtered(catalog: Catalog, document: int | None) -> dict[str, Any]:
    """What filters ask for of a document, but for where it lies."""
    columns = ("title", "format", "language", "date", "metadata")
    query = f"SELECT {', '.join(columns)} FROM documents WHERE id = ?"
    row = catalog.connection.execute(query, (document,)).fetchone() or ("", "", "", "", "{}")
    known = dict(zip(columns, row, strict=True))
    return {**known, "metadata": [metadatum(*one) for one in json.loads(known["metadata"]).items()]}


def _file_rows(catalog: Catalog, files: Iterable[FileRow]) -> Iterator[dict[str, Any]]:
    for file in files:
        yield {
            "root": file.root, "path": file.path, "size": file.size, "modified_ns": file.modified_ns,
            "hash": file.hash, "document": file.document_id, "failure": file.failure,
            **_filtered(catalog, file.document_id),
        }  # fmt: skip


def _chunks(catalog: Catalog, ids: Iterable[int], touched: set[str]) -> Iterator[dict[str, Any]]:
    """The rows of the chunks of some documents; ``touched`` gets the terms in them."""
    run = catalog.connection.execute
    for document in ids:
        known, text = _filtered(catalog, document), catalog.text(document)
        lying = run("SELECT root, path FROM files WHERE document_id = ? ORDER BY path, root", (document,)).fetchall()
        chunks = run(
            "SELECT id, start, end, heading, place, context FROM chunks WHERE document_id = ? ORDER BY id", (document,)
        ).fetchall()
        for id_, start, end, heading, place, context in chunks:
            language, body = known["language"], text[start:end]
            words = [terms(context, language), terms(body, language)]
            touched.update(*words)
            first = {
                "heading": heading, "place": place, "context": context, "text": body,
                "blocks": _json(block_rows(catalog.connection, document, start, end)),
                "page_starts": _json(catalog.page_starts(document, start, end)),
                "terms": " ".join([*words[0], *words[1]]), "context_terms": len(words[0]),
            }  # fmt: skip
            windows = run("SELECT digest, vector FROM windows WHERE chunk_id = ? ORDER BY id", (id_,)).fetchall()
            for root, path in lying:
                for window, (digest, vector) in enumerate(windows):
                    yield {
                        "id": id_, "window": window, "document": document, "path": path, "root": root, **known,
                        "start": start, "end": end, **(first if window == 0 else {}), "digest": digest,
                        "vector": np.frombuffer(vector, np.float16),
                    }  # fmt: skip


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


# Writing


def _written_anew(catalog: Catalog, shared: Shared, marks: Mapping[int, str]) -> dict[str, Any]:
    """All tables from nothing; versions that others still read stay."""
    import lance

    rows: dict[str, Iterable[Mapping[str, Any]]] = {
        "chunks": _chunks(catalog, marks, set()),
        "documents": _documents(catalog, marks, marks),
        "files": _file_rows(catalog, catalog.files()),
        "frequencies": (
            {"term": term, "chunks": chunks}
            for term, chunks in catalog.connection.execute("SELECT term, chunks FROM frequencies")
        ),
    }
    tables = {}
    for name, its in rows.items():
        batches = _batches(its, schema_of(name, catalog.dimension()), _DOCUMENTS_AT_ONCE * 16)
        place = shared.place(catalog.name, name)
        tables[name] = lance.write_dataset(batches, place, mode="overwrite", enable_stable_row_ids=True)
    return tables


def _changed(
    catalog: Catalog, tables: Mapping[str, Any], marks: Mapping[int, str], came: Sequence[int], went: Sequence[int]
) -> None:
    """The difference: rows of documents that went are deleted, those of documents that came are added."""
    chunks, documents, files = tables["chunks"], tables["documents"], tables["files"]
    touched: set[str] = set()
    for some in portions(went):
        ids = ", ".join(map(str, some))
        for words in chunks.to_table(columns=["terms"], filter=f"document IN ({ids}) AND window = 0")["terms"]:
            touched.update(words.as_py().split())
        chunks.delete(f"document IN ({ids})")
        documents.delete(f"id IN ({ids})")
    if came:
        chunks.insert(_batches(_chunks(catalog, came, touched), chunks.schema, _DOCUMENTS_AT_ONCE * 16))
        documents.insert(_batches(_documents(catalog, came, marks), documents.schema, _DOCUMENTS_AT_ONCE))
    there, here = _files_there(files), set(catalog.files())
    for gone in portions(sorted(there - here, key=repr)):
        files.delete(" OR ".join(f"(root = {quoted(row.root)} AND path = {quoted(row.path)})" for row in gone))
    if new := sorted(here - there, key=repr):
        files.insert(_batches(_file_rows(catalog, new), files.schema, _DOCUMENTS_AT_ONCE * 16))
    _count(catalog, tables["frequencies"], touched)
    for table in tables.values():
        if len(table.get_fragments()) > _MOST_FRAGMENTS:
            table.optimize.compact_files()


def _count(catalog: Catalog, table: Any, touched: Collection[str]) -> None:
    """How many chunks hold each of some terms now, as the catalog has it; 0 where it knows none."""
    import pyarrow as pa

    counts = dict.fromkeys(sorted(touched), 0)
    for some in portions(list(counts)):
        rows = catalog.connection.execute(
            f"SELECT term, chunks FROM frequencies WHERE term IN ({marks_for(some)})", some
        )
        counts.update(rows.fetchall())
    if counts:
        now = pa.table({"term": [*counts], "chunks": [*counts.values()]}, schema=table.schema)
        table.merge_insert("term").when_matched_update_all().when_not_matched_insert_all().execute(now)


# Indexes


def _indexed(chunks: Any, rows: int) -> int:
    """Bring the indexes of chunks up to date; into how many cells the vectors are dealt, 0 for no index of them."""
    for column in ("id", "document", "path"):
        _keep_index(chunks, column, "BTREE")
    # Words are ours already: nothing is cut, folded or left out.
    words = {
        "base_tokenizer": "whitespace", "lower_case": False, "stem": False, "remove_stop_words": False,
        "ascii_folding": False, "max_token_length": None, "with_position": False,
    }  # fmt: skip
    _keep_index(chunks, "terms", "INVERTED", **words)
    if rows < _INDEXED_FROM:
        return 0
    cells = int(np.sqrt(rows))
    if _is_outgrown(chunks, "vector"):
        chunks.create_index("vector", "IVF_FLAT", metric="dot", num_partitions=cells, replace=True)
        return cells
    _add_parts(chunks, "vector")
    return int(chunks.stats.index_stats("vector_idx")["segments"][0]["num_partitions"])


def _keep_index(table: Any, column: str, kind: str, **settings: Any) -> None:
    if _is_outgrown(table, column):
        table.create_scalar_index(column, kind, replace=True, **settings)
    else:
        _add_parts(table, column)


def _is_outgrown(table: Any, column: str) -> bool:
    """Whether a column has no index yet, or one that was made of half of the rows."""
    name = f"{column}_idx"
    if name not in {one.name for one in table.describe_indices()}:
        return True
    stats = table.stats.index_stats(name)
    parts = stats["num_indexed_rows_per_delta"]
    beside = sum(parts[1:]) + stats["num_unindexed_rows"]
    return bool(not parts or beside > _MADE_ANEW_PART * (parts[0] + beside))


def _add_parts(table: Any, column: str) -> None:
    name = f"{column}_idx"
    parts = len(table.stats.index_stats(name)["num_indexed_rows_per_delta"])
    # To join parts with the first one would place its cells anew.
    joined = parts - 1 if parts > _MOST_PARTS else 0
    table.optimize.optimize_indices(num_indices_to_merge=joined, index_names=[name])


# There and back


_KINDS = {
    "files": ("root", "path", "size", "modified_ns", "hash", "document", "failure"),
    "documents": ("id", "key", "title", "format", "language", "date", "pages", "page_starts", "metadata", "warnings",
                  "characters", "chunks", "text"),
    "chunks": ("id", "document", "start", "end", "heading", "place", "context"),
    "vectors": ("id", "window", "digest", "vector"),
}  # fmt: skip


_CHUNK_COLUMNS = "id, document_id, start, end, heading, place, context"
"""The same of a chunk, as the catalog calls them."""


def held_in(catalog: Catalog) -> tuple[Held, ...]:
    """What is live in a catalog. Call inside a snapshot."""
    live = "(SELECT document_id FROM files)"
    queries = {
        "files": "SELECT * FROM files",
        "documents": f"SELECT {', '.join(_KINDS['documents'])} FROM documents WHERE id IN {live}",
        "chunks": f"SELECT {_CHUNK_COLUMNS} FROM chunks WHERE document_id IN {live}",
        "vectors": "SELECT chunk_id, row_number() OVER (PARTITION BY chunk_id ORDER BY windows.id) - 1, digest, vector"
        f" FROM windows JOIN chunks ON chunks.id = chunk_id WHERE document_id IN {live}",
    }
    return tuple(held(kind, catalog.connection.execute(query)) for kind, query in queries.items())


def held_at(shared: Shared, corpus: str) -> tuple[Held, ...]:
    """What is live of a corpus in a shared store. Raises UsageError for one that is not there."""
    with shared.told():
        tables = _live_tables(shared, corpus)
        return tuple(held(kind, _rows_there(tables, kind)) for kind in _KINDS)


def _live_tables(shared: Shared, corpus: str) -> dict[str, Any]:
    live = shared.live().get(corpus)
    if live is None:
        names = ", ".join(shared.names())
        raise UsageError(f"There is no corpus '{corpus}' at {shared.url}.", f"There are: {names or 'none'}.")
    return {name: shared.table(corpus, name, version=version) for name, version in live.versions.items()}


def _rows_there(tables: Mapping[str, Any], kind: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a kind, each once, also of a document with several files."""
    columns, seen = _KINDS[kind], set[object]()
    table = tables["chunks" if kind == "vectors" else kind]
    conditions = "window = 0" if kind == "chunks" else None
    for batch in table.to_batches(columns=list(columns), filter=conditions, scan_in_order=True):
        values = [batch[column].to_pylist() for column in columns if column != "vector"]
        if kind == "vectors":
            values.append([np.asarray(one, np.float16).tobytes() for one in batch["vector"].to_numpy(False)])
        for row in zip(*values, strict=True):
            key = row[:2] if kind in ("files", "vectors") else row[0]
            if key not in seen:
                seen.add(key)
                yield row


def take_back(shared: Shared, corpus: str, folder: Path) -> None:
    """Make the catalog of a corpus anew, in a folder without one, from what is live of it in a shared store.

    Raises UsageError for a corpus that is not there, WorkspaceError for a disk without room.
    """
    with shared.told(), closing(Catalog(folder)) as catalog, catalog.transaction():
        tables, live = _live_tables(shared, corpus), shared.live()[corpus]
        write = catalog.connection.executemany
        for kind, columns in (("documents", ", ".join(_KINDS["documents"])), ("chunks", _CHUNK_COLUMNS)):
            write(f"INSERT INTO {kind} ({columns}) VALUES ({marks_for(_KINDS[kind])})", _rows_there(tables, kind))
        for batch in tables["documents"].to_batches(columns=["id", "blocks"]):
            for id_, blocks in zip(batch["id"].to_pylist(), batch["blocks"].to_pylist(), strict=True):
                rows = ((id_, *row) for row in json.loads(blocks))
                write("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        windows = ((id_, digest, vector) for id_, _, digest, vector in _rows_there(tables, "vectors"))
        write("INSERT INTO windows (chunk_id, digest, vector) VALUES (?, ?, ?)", windows)
        files = [FileRow(*row) for row in _rows_there(tables, "files")]
        catalog.publish(files, [], live.identity, live.generation)
        vectors.write_changed(catalog, live.generation, live.identity.fingerprint)
        if live.calibration is not None:
            (folder / CALIBRATION_FILE).write_text(live.calibration, encoding="utf-8")
