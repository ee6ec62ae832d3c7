"""Full-text search: BM25 over the terms of live chunks (SQLite FTS5), and how many chunks hold each term.

FTS5 walks through all that hold a term to count them, so that the frequencies are kept beside it.
"""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from assistant.store.sql import chunks_of, marks_for, portions
from assistant.text.words import terms
from assistant.types import Filter

# Words of title and headings count more than words of the text; measured in docs/retrieval.md.
_CONTEXT_WEIGHT = 1.5


def index_terms(connection: sqlite3.Connection, documents: Iterable[int]) -> None:
    """Take documents into full text. Call inside a transaction."""
    held = Counter[str]()
    for document in documents:
        # Cut in Python: SQLite's substr() would walk through the whole text for every chunk of it.
        language, text = connection.execute("SELECT language, text FROM documents WHERE id = ?", (document,)).fetchone()
        rows = []
        for chunk, context, start, end in connection.execute(
            "SELECT id, context, start, end FROM chunks WHERE document_id = ?", (document,)
        ):
            heading, body = terms(context, language), terms(text[start:end], language)
            held.update({*heading, *body})
            rows.append((chunk, " ".join(heading), " ".join(body)))
        connection.executemany("INSERT INTO lexical (rowid, context, body) VALUES (?, ?, ?)", rows)
    connection.executemany(
        "INSERT INTO frequencies VALUES (?, ?) ON CONFLICT DO UPDATE SET chunks = chunks + excluded.chunks",
        held.items(),
    )


def forget_terms(connection: sqlite3.Connection, chunks: Sequence[int]) -> None:
    """Take chunks out of full text. Call inside a transaction."""
    held = Counter[str]()
    for some in portions(chunks):
        for context, body in connection.execute(
            f"SELECT context, body FROM lexical WHERE rowid IN ({marks_for(some)})", some
        ):
            held.update({*context.split(), *body.split()})
        connection.execute(f"DELETE FROM lexical WHERE rowid IN ({marks_for(some)})", some)
    connection.executemany(
        "UPDATE frequencies SET chunks = chunks - ? WHERE term = ?", ((count, term) for term, count in held.items())
    )
    connection.executemany("DELETE FROM frequencies WHERE term = ? AND chunks = 0", ((term,) for term in held))


def frequencies_of(connection: sqlite3.Connection, query: Collection[str]) -> dict[str, int]:
    """How many live chunks hold each term; terms that occur nowhere are left out."""
    found: dict[str, int] = {}
    for some in portions([*query]):
        found.update(
            connection.execute(f"SELECT term, chunks FROM frequencies WHERE term IN ({marks_for(some)})", some)
        )
    return found


def match(
    connection: sqlite3.Connection, query: Sequence[str], limit: int, only: Filter | None
) -> list[tuple[int, float]]:
    """The best chunks for any of the terms: (chunk id, BM25 score), best first; higher is better."""
    if not query:
        return []
    quoted = (term.replace('"', '""') for term in query)
    expression = " OR ".join(f'"{term}"' for term in quoted)
    allowed, values = chunks_of(only) if only else ("", [])
    # The plus keeps the planner from running the full-text query once for every allowed chunk.
    condition = f"AND +rowid IN ({allowed})" if only else ""
    rows = connection.execute(
        f"SELECT rowid, -bm25(lexical, {_CONTEXT_WEIGHT}) AS score FROM lexical"
        f" WHERE lexical MATCH ? {condition} ORDER BY score DESC LIMIT ?",
        (expression, *values, limit),
    )
    return rows.fetchall()
